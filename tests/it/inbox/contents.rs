//! Unusual content around and inside a signed body: ids, methods, paths and malformed JSON. It
//! never causes a 5xx or a panic. An event that cannot be processed is refused by the receiver or
//! fails with its reason.

use crate::world::{FaultPlan, World, fixture};
use bytes::Bytes;
use domain::inbox::EventState;
use domain::jobs::JobState;
use http::{HeaderValue, Method, Request, StatusCode};
use local_stack::signing::{github_signature, stripe_signature};
use local_stack::stack::LOCAL_SECRET;
use local_stack::world::{OWNER, REPOSITORY};

const STAR: &[u8] = br#"{"action":"created"}"#;

/// A signed request with these id headers, as raw bytes.
fn github(delivery: Option<&[u8]>, event: Option<&[u8]>, body: &[u8]) -> Request<Bytes> {
    let mut request = Request::post("http://x/github/webhook")
        .header("x-hub-signature-256", github_signature(LOCAL_SECRET, body));
    for (name, value) in [("x-github-delivery", delivery), ("x-github-event", event)] {
        if let Some(value) = value {
            request = request.header(
                name,
                HeaderValue::from_bytes(value).expect("a header may carry it"),
            );
        }
    }
    request
        .body(Bytes::copy_from_slice(body))
        .expect("a request")
}

fn stripe(world: &World, body: &[u8]) -> Request<Bytes> {
    let signature = stripe_signature(LOCAL_SECRET, body, world.stack.outside.now().seconds());
    let request = Request::post("http://x/stripe/webhook").header("stripe-signature", signature);
    request
        .body(Bytes::copy_from_slice(body))
        .expect("a request")
}

#[tokio::test(start_paused = true)]
async fn githubs_ids_and_names_are_bounded_and_plain() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let before = world.effects().len();
    let long = "a".repeat(3_000);
    let just_too_long = "a".repeat(101);
    for id in [
        None,
        Some(""),
        Some("a#b"),
        Some("a/b"),
        Some("a b"),
        Some("a\tb"),
        Some("../x"),
        Some("a%23b"),
        Some(long.as_str()),
        Some(just_too_long.as_str()),
    ] {
        let response = world
            .github_receives(github(id.map(str::as_bytes), Some(b"star"), STAR))
            .await;
        assert_eq!(
            response.status(),
            StatusCode::BAD_REQUEST,
            "delivery {id:?}"
        );
    }
    for id in [&b"caf\xc3\xa9"[..], b"\xff"] {
        assert_eq!(
            world
                .github_receives(github(Some(id), Some(b"star"), STAR))
                .await
                .status(),
            StatusCode::BAD_REQUEST
        );
    }
    for event in [
        None,
        Some(""),
        Some("is sues"),
        Some("issues.opened"),
        Some("Issues"),
        Some("a#b"),
        Some(long.as_str()),
    ] {
        let response = world
            .github_receives(github(Some(b"d-1"), event.map(str::as_bytes), STAR))
            .await;
        assert_eq!(
            response.status(),
            StatusCode::BAD_REQUEST,
            "event {event:?}"
        );
    }
    assert_eq!(world.effects().len(), before, "nothing is written");
    let longest = "a".repeat(100);
    assert_eq!(
        world
            .github_receives(github(Some(longest.as_bytes()), Some(b"star"), STAR))
            .await
            .status(),
        StatusCode::ACCEPTED
    );
    world.settle().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn stripes_ids_and_types_are_bounded_and_plain() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let before = world.effects().len();
    let long = "a".repeat(3_000);
    for body in [
        r#"{"type":"charge.updated"}"#.to_owned(),
        r#"{"id":"evt_1"}"#.to_owned(),
        r#"{"id":null,"type":"charge.updated"}"#.to_owned(),
        r#"{"id":17,"type":"charge.updated"}"#.to_owned(),
        r#"{"id":"","type":"charge.updated"}"#.to_owned(),
        r#"{"id":"evt_","type":"charge.updated"}"#.to_owned(),
        r#"{"id":"cus_1","type":"charge.updated"}"#.to_owned(),
        r#"{"id":"evt_a#b","type":"charge.updated"}"#.to_owned(),
        r#"{"id":"evt_a/b","type":"charge.updated"}"#.to_owned(),
        r#"{"id":"evt_a\u0000b","type":"charge.updated"}"#.to_owned(),
        r#"{"id":"evt_\ud800","type":"charge.updated"}"#.to_owned(),
        format!(r#"{{"id":"evt_{long}","type":"charge.updated"}}"#),
        r#"{"id":"evt_1","type":""}"#.to_owned(),
        r#"{"id":"evt_1","type":"charge updated"}"#.to_owned(),
        r#"{"id":"evt_1","type":"a#b"}"#.to_owned(),
        format!(r#"{{"id":"evt_1","type":"{long}"}}"#),
        r#"{"id":"evt_1","id":"evt_2","type":"charge.updated"}"#.to_owned(),
        r#"{"id":"evt_1","type":"charge.updated"#.to_owned(),
    ] {
        let response = world.stripe_receives(stripe(&world, body.as_bytes())).await;
        assert_eq!(
            response.status(),
            StatusCode::BAD_REQUEST,
            "{}",
            &body[..body.len().min(80)]
        );
    }
    assert_eq!(world.effects().len(), before, "nothing is written");
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn only_post_to_the_path_is_accepted() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let before = world.effects().len();
    for method in [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ] {
        let mut request = github(Some(b"d-1"), Some(b"star"), STAR);
        *request.method_mut() = method.clone();
        assert_eq!(
            world.github_receives(request).await.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{method}"
        );
        let mut request = stripe(&world, br#"{"id":"evt_1","type":"charge.updated"}"#);
        *request.method_mut() = method.clone();
        assert_eq!(
            world.stripe_receives(request).await.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{method}"
        );
    }
    for path in [
        "/",
        "/github",
        "/github/webhook/",
        "/github/webhook/x",
        "//github/webhook",
        "/GitHub/webhook",
        "/stripe/webhook",
        "/x/../github/webhook",
        "/github%2Fwebhook",
    ] {
        let mut request = github(Some(b"d-1"), Some(b"star"), STAR);
        *request.uri_mut() = format!("http://x{path}").parse().expect("a URI");
        assert_eq!(
            world.github_receives(request).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    for path in ["/", "/stripe/webhook/", "/github/webhook", "/api/stripe"] {
        let mut request = stripe(&world, br#"{"id":"evt_1","type":"charge.updated"}"#);
        *request.uri_mut() = format!("http://x{path}").parse().expect("a URI");
        assert_eq!(
            world.stripe_receives(request).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    assert_eq!(world.effects().len(), before, "nothing is written");
    let mut request = github(Some(b"d-1"), Some(b"star"), STAR);
    *request.uri_mut() = "http://x/github/webhook?from=a%20proxy"
        .parse()
        .expect("a URI");
    assert_eq!(
        world.github_receives(request).await.status(),
        StatusCode::ACCEPTED,
        "a query is ignored"
    );
    world.settle().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_signed_body_that_is_no_json_object_is_refused() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let before = world.effects().len();
    let deep = "[".repeat(100_000);
    for body in [
        &b""[..],
        b"hello",
        b"payload=%7B%22action%22%3A%22created%22%7D",
        b"null",
        b"17",
        b"\"created\"",
        b"[]",
        b"[{\"action\":\"created\"}]",
        b"{\"action\":\"created\"",
        b"{\"action\":\"created\"}}",
        b"{\"action\":\"created\"} {}",
        b"{\"action\":[\"created\"]}",
        b"{\"action\":\"\xff\"}",
        b"{\"action\":\"\\ud800\"}",
        b"{\"action\":\"created\",\"action\":\"deleted\"}",
        b"\xef\xbb\xbf{\"action\":\"created\"}",
        b"\0",
        deep.as_bytes(),
    ] {
        let what = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(
            world
                .github_receives(github(Some(b"d-1"), Some(b"star"), body))
                .await
                .status(),
            StatusCode::BAD_REQUEST,
            "{what}"
        );
        assert_eq!(
            world.stripe_receives(stripe(&world, body)).await.status(),
            StatusCode::BAD_REQUEST,
            "{what}"
        );
    }
    assert_eq!(world.effects().len(), before, "nothing is written");
    world.done().await;
}

/// The sample `issues.opened` with a field replaced or added. It is text, because it need not be
/// JSON that serde would write.
fn opened_with(field: &str) -> Vec<u8> {
    let text = fixture("github", "issues.opened").to_string();
    format!("{{{field},{}", &text[1..]).into_bytes()
}

/// Bodies that the receiver accepts, because it reads only the action, but that cannot be
/// processed.
#[tokio::test(start_paused = true)]
async fn an_accepted_event_that_makes_no_sense_fails_with_its_reason() {
    let world = World::start().await;
    let deep = format!(
        r#""issue":{}1{}"#,
        r#"{"x":"#.repeat(100_000),
        "}".repeat(100_000)
    );
    let broken_title = String::from_utf8(opened_with("\"a\":1"))
        .expect("text")
        .replace("The greeting", "\u{1}The greeting");
    let mut not_utf8 = opened_with("\"a\":1");
    let place = not_utf8
        .windows(12)
        .position(|part| part == b"The greeting")
        .expect("the title");
    not_utf8[place] = 0xff;
    for body in [
        opened_with("\"a\":1,\"a\":2,\"action\":\"opened\""),
        broken_title.into_bytes(),
    ] {
        assert_eq!(
            world.github_delivers("issues", "d-0", &body).await.status(),
            StatusCode::BAD_REQUEST
        );
    }
    let bodies = [
        br#"{"action":"opened"}"#.to_vec(),
        br#"["opened"]"#.to_vec(),
        br#"{"action":"opened","issue":null,"repository":null,"installation":null,"sender":null}"#
            .to_vec(),
        opened_with("\"issue\":{}"),
        opened_with("\"issue\":{\"number\":1e999}"),
        opened_with("\"issue\":{\"number\":-1}"),
        opened_with("\"issue\":{\"number\":18446744073709551616}"),
        format!(r#"{{"action":"opened",{deep}}}"#).into_bytes(),
        opened_with(&deep),
        not_utf8,
    ];
    for (place, body) in bodies.iter().enumerate() {
        let id = format!("d-{place}");
        assert_eq!(
            world.github_delivers("issues", &id, body).await.status(),
            StatusCode::ACCEPTED,
            "body {place}"
        );
        world.settle().await;
        world
            .assert_outcome(
                &id,
                EventState::Failed,
                "the body does not have the fields of a issues.opened event",
            )
            .await;
    }
    assert!(
        world.vendors.model.calls().is_empty(),
        "no job was made of any"
    );
    assert_eq!(
        world.dead_letters().await,
        0,
        "they are in the log, not in a dead-letter queue"
    );
    world.abandoned();
}

/// Odd values in fields that Tallyhook does not use cause no failure.
#[tokio::test(start_paused = true)]
async fn odd_json_beside_what_we_read_does_no_harm() {
    let world = World::start().await;
    let deep = format!(r#""deep":{}{}"#, "[".repeat(100_000), "]".repeat(100_000));
    let odd = [
        deep.as_str(),
        r#""big":1e999999"#,
        r#""half":"\ud800""#,
        r#""zero":"\u0000""#,
        r#""a":1,"a":2"#,
        r#""🦀":"\u202e""#,
    ];
    let body = opened_with(&odd.join(","));
    assert_eq!(
        world.github_delivers("issues", "odd", &body).await.status(),
        StatusCode::ACCEPTED
    );
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn naughty_words_travel_as_data() {
    let world = World::start().await;
    let title = "\u{0}\u{7}' OR 1=1 -- <script>alert(1)</script> \u{202e}{{7*7}} $(reboot) `x` 🦀\r\nX-Evil: 1";
    world
        .github_sends_changed("issues.opened", |event| {
            event["issue"]["title"] = title.into()
        })
        .await;
    world.settle().await;
    assert_eq!(world.commented_job().await.state, JobState::PrOpened);
    world.assert_delivered_once();
    let pull = &world.vendors.github.pulls(OWNER, REPOSITORY)[0];
    assert!(
        !pull.title.chars().any(char::is_control),
        "{:?}",
        pull.title
    );
    assert!(
        pull.title.contains("<script>alert(1)</script>"),
        "kept, as text: {:?}",
        pull.title
    );
    world.done().await;
}
