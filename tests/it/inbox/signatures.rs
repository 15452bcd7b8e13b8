//! Every corner case of both vendors' signatures. A refused request changes nothing, and all causes
//! get the same answer.

use crate::world::{FaultPlan, World};
use bytes::Bytes;
use domain::inbox::EventSource;
use http::{HeaderValue, Request, StatusCode};
use local_stack::signing::{github_signature, stripe_signature};
use local_stack::stack::LOCAL_SECRET;

/// Header names and raw values, as a client may send them.
type Sent<'a> = Vec<(&'a str, &'a [u8])>;

const BODY: &[u8] = "{\"action\":\"created\",\"zen\":\"olé\"}".as_bytes();
/// The SHA-1 signature over `BODY` with the right secret, which GitHub still sends next to the
/// SHA-256 one.
const SHA1: &str = "sha1=690bef2fbd12616df287acfb7a15af07fddc62cb";

/// The headers of a request; a repeated name occurs several times.
type Headers<'a> = &'a [(&'a str, &'a [u8])];

fn post(path: &str, headers: Headers<'_>, body: &[u8]) -> Request<Bytes> {
    let mut request = Request::post(format!("http://tallyhook.test{path}"));
    for (name, value) in headers {
        request = request.header(
            *name,
            HeaderValue::from_bytes(value).expect("a header may carry it"),
        );
    }
    request
        .body(Bytes::copy_from_slice(body))
        .expect("a request")
}

fn star(delivery: &str, signatures: Headers<'_>, body: &[u8]) -> Request<Bytes> {
    let fixed: [(&str, &[u8]); 2] = [
        ("x-github-event", b"star"),
        ("x-github-delivery", delivery.as_bytes()),
    ];
    post("/github/webhook", &[&fixed, signatures].concat(), body)
}

/// Asserts a refusal: 401, always the same text, and no call to the store or a queue.
async fn assert_refused(world: &World, what: &str, receiver: EventSource, request: Request<Bytes>) {
    let before = world.effects().len();
    let response = match receiver {
        EventSource::Github => world.github_receives(request).await,
        EventSource::Stripe => world.stripe_receives(request).await,
    };
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{what}");
    assert_eq!(
        response.body(),
        "the signature is missing or invalid",
        "{what}"
    );
    assert_eq!(
        world.effects().len(),
        before,
        "{what}: nothing is written, nothing is queued"
    );
}

#[tokio::test(start_paused = true)]
async fn bad_github_signatures_are_refused() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let good = github_signature(LOCAL_SECRET, BODY);
    let hex = good.trim_start_matches("sha256=");
    let long = format!("{good}{}", "0".repeat(20_000));
    let other_secret = github_signature("other-secret", BODY);
    let other_body = github_signature(LOCAL_SECRET, &BODY[1..]);
    let repeated = format!("{good},{good}");
    let in_sha1 = format!("sha1={hex}");
    let misspelt = good.replace("sha256", "SHA256");
    let spaced = good.replace('=', "= ");
    let name = "x-hub-signature-256";
    let table: [(&str, Sent<'_>); 21] = [
        ("missing", vec![]),
        ("empty", vec![(name, b"")]),
        ("without a digest", vec![(name, b"sha256=")]),
        ("without its scheme", vec![(name, hex.as_bytes())]),
        ("of another scheme", vec![(name, in_sha1.as_bytes())]),
        (
            "with its scheme in capitals",
            vec![(name, misspelt.as_bytes())],
        ),
        ("with a space inside", vec![(name, spaced.as_bytes())]),
        ("of another secret", vec![(name, other_secret.as_bytes())]),
        ("of another body", vec![(name, other_body.as_bytes())]),
        (
            "a character short",
            vec![(name, &good.as_bytes()[..good.len() - 1])],
        ),
        (
            "a byte short",
            vec![(name, &good.as_bytes()[..good.len() - 2])],
        ),
        ("far too long", vec![(name, long.as_bytes())]),
        (
            "not hex",
            vec![(
                name,
                b"sha256=zz5a5c9f0d2d1a5a2d5d9f0f6d6a6f0f6d6a6f0f6d6a6f0f6d6a6f0f6d6a6f0f",
            )],
        ),
        ("not ASCII", vec![(name, b"sha256=\xff\xfe")]),
        (
            "twice, both good",
            vec![(name, good.as_bytes()), (name, good.as_bytes())],
        ),
        (
            "twice, the first good",
            vec![(name, good.as_bytes()), (name, b"sha256=00")],
        ),
        (
            "twice, the second good",
            vec![(name, b"sha256=00"), (name, good.as_bytes())],
        ),
        ("two in one header", vec![(name, repeated.as_bytes())]),
        ("SHA-1 only", vec![("x-hub-signature", SHA1.as_bytes())]),
        ("SHA-1 in the other's place", vec![(name, SHA1.as_bytes())]),
        (
            "the right one in the old header",
            vec![("x-hub-signature", good.as_bytes())],
        ),
    ];
    for (what, signatures) in &table {
        assert_refused(
            &world,
            what,
            EventSource::Github,
            star("d-1", signatures, BODY),
        )
        .await;
    }
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn github_signatures_are_accepted_in_every_spelling() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let good = github_signature(LOCAL_SECRET, BODY);
    let capitals = format!(
        "sha256={}",
        good.trim_start_matches("sha256=").to_ascii_uppercase()
    );
    let table: [(&str, Sent<'_>); 4] = [
        ("d-plain", vec![("x-hub-signature-256", good.as_bytes())]),
        (
            "d-header-case",
            vec![("X-HUB-Signature-256", good.as_bytes())],
        ),
        (
            "d-hex-in-capitals",
            vec![("x-hub-signature-256", capitals.as_bytes())],
        ),
        (
            "d-beside-sha1",
            vec![
                ("x-hub-signature", SHA1.as_bytes()),
                ("x-hub-signature-256", good.as_bytes()),
            ],
        ),
    ];
    for (delivery, signatures) in &table {
        let response = world
            .github_receives(star(delivery, signatures, BODY))
            .await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{delivery}");
        assert_eq!(
            world
                .event(EventSource::Github, delivery)
                .await
                .expect("it is recorded")
                .name,
            "star.created"
        );
    }
    world.settle().await;
    world.done().await;
}

/// The signature covers the bytes: neither side may repair, trim or reformat them.
#[tokio::test(start_paused = true)]
async fn signatures_hold_for_the_raw_bytes_only() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let now = world.stack.outside.now().seconds();
    let with_mark = [b"\xef\xbb\xbf", BODY].concat();
    let with_newline = [BODY, b"\r\n"].concat();
    let with_unix_newline = [BODY, b"\n"].concat();
    let broken = b"{\"action\":\"created\",\"zen\":\"\xff\"}";
    let repaired = String::from_utf8_lossy(broken).into_owned();
    let spaced = b"{ \"action\": \"created\", \"zen\": \"ol\xc3\xa9\" }";
    let escaped = b"{\"action\":\"created\",\"zen\":\"ol\\u00e9\"}";
    for (what, signed, sent) in [
        ("a byte order mark added", BODY, &with_mark[..]),
        ("a byte order mark lost", &with_mark, BODY),
        ("a line end added", BODY, &with_newline),
        ("a line end changed", &with_newline, &with_unix_newline),
        ("UTF-8 repaired", broken, repaired.as_bytes()),
        ("UTF-8 broken", repaired.as_bytes(), broken),
        ("JSON rewritten", spaced, BODY),
        ("letters escaped", BODY, escaped),
    ] {
        let signature = github_signature(LOCAL_SECRET, signed);
        let request = star(
            "d-1",
            &[("x-hub-signature-256", signature.as_bytes())],
            sent,
        );
        assert_refused(&world, what, EventSource::Github, request).await;
        let signature = stripe_signature(LOCAL_SECRET, signed, now);
        let request = post(
            "/stripe/webhook",
            &[("stripe-signature", signature.as_bytes())],
            sent,
        );
        assert_refused(&world, what, EventSource::Stripe, request).await;
    }
    world.done().await;
}

const EVENT: &[u8] =
    br#"{"id":"evt_1","type":"charge.updated","created":1795210980,"data":{"object":{}}}"#;

/// The hex digest of `EVENT` at a moment.
fn v1(secret: &str, at: i64) -> String {
    let signature = stripe_signature(secret, EVENT, at);
    signature
        .rsplit_once("v1=")
        .expect("a signature")
        .1
        .to_owned()
}

#[tokio::test(start_paused = true)]
async fn bad_or_late_stripe_signatures_are_refused() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let now = world.stack.outside.now().seconds();
    let good = v1(LOCAL_SECRET, now);
    let bad = v1("other-secret", now);
    let without_time = github_signature(LOCAL_SECRET, EVENT);
    let many = |count: usize, last: &str| {
        format!("t={now},{}v1={last}", format!("v1={bad},").repeat(count))
    };
    let old = |age: i64| format!("t={},v1={}", now - age, v1(LOCAL_SECRET, now - age));
    for (what, header) in [
        ("empty", String::new()),
        ("words", "hello".to_owned()),
        ("301 seconds old", old(301)),
        ("301 seconds ahead", old(-301)),
        ("from the beginning of time", old(now)),
        ("v0 only", format!("t={now},v0={good}")),
        ("without a time", format!("v1={good}")),
        ("without a signature", format!("t={now}")),
        ("with an empty signature", format!("t={now},v1=")),
        ("with two times", format!("t={now},t={now},v1={good}")),
        ("with an empty time", format!("t=,v1={good}")),
        ("with a signed time", format!("t=+{now},v1={good}")),
        ("with words for a time", format!("t=now,v1={good}")),
        ("with a time too long", format!("t=000{now},v1={good}")),
        ("of another moment", format!("t={},v1={good}", now - 1)),
        ("of another secret", format!("t={now},v1={bad}")),
        (
            "without the time in it",
            format!("t={now},v1={}", without_time.trim_start_matches("sha256=")),
        ),
        ("a character short", format!("t={now},v1={}", &good[1..])),
        ("a byte short", format!("t={now},v1={}", &good[2..])),
        ("too long", format!("t={now},v1={good}00")),
        (
            "not hex",
            format!(
                "t={now},v1={}",
                good.replace(|c: char| c.is_ascii_digit(), "x")
            ),
        ),
        ("no pair", format!("t={now},v1={good},x")),
        ("after sixteen others", many(16, &good)),
        ("after twenty thousand others", many(20_000, &good)),
    ] {
        let request = post(
            "/stripe/webhook",
            &[("stripe-signature", header.as_bytes())],
            EVENT,
        );
        assert_refused(&world, what, EventSource::Stripe, request).await;
    }
    let right = format!("t={now},v1={good}");
    for (what, headers) in [
        ("missing", &[][..]),
        (
            "in two headers",
            &[
                ("stripe-signature", right.as_bytes()),
                ("stripe-signature", right.as_bytes()),
            ][..],
        ),
        (
            "not ASCII",
            &[("stripe-signature", &b"t=1,v1=\xff"[..])][..],
        ),
        (
            "in GitHub's header",
            &[("x-hub-signature-256", without_time.as_bytes())][..],
        ),
    ] {
        assert_refused(
            &world,
            what,
            EventSource::Stripe,
            post("/stripe/webhook", headers, EVENT),
        )
        .await;
    }
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn every_form_of_stripe_s_signatures_is_accepted() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let now = world.stack.outside.now().seconds();
    let good = v1(LOCAL_SECRET, now);
    let bad = v1("other-secret", now);
    let old = |age: i64| format!("t={},v1={}", now - age, v1(LOCAL_SECRET, now - age));
    for (what, path, header) in [
        ("300 seconds old", "/stripe/webhook", old(300)),
        ("300 seconds ahead", "/stripe/webhook", old(-300)),
        (
            "beside v0",
            "/stripe/webhook",
            format!("t={now},v1={good},v0={bad}"),
        ),
        (
            "the other way round",
            "/stripe/webhook",
            format!("v1={good},t={now}"),
        ),
        (
            "the first of two",
            "/stripe/webhook",
            format!("t={now},v1={good},v1={bad}"),
        ),
        (
            "the last of sixteen",
            "/stripe/webhook",
            format!("t={now},{}v1={good}", format!("v1={bad},").repeat(15)),
        ),
        (
            "beside an invalid one",
            "/stripe/webhook",
            format!("t={now},v1=xyz,v1={good}"),
        ),
        (
            "with spaces",
            "/stripe/webhook",
            format!("t={now}, v1={good}"),
        ),
        (
            "in capitals",
            "/stripe/webhook",
            format!("t={now},v1={}", good.to_ascii_uppercase()),
        ),
        (
            "at an older path",
            "/webhooks/stripe",
            format!("t={now},v1={good}"),
        ),
        (
            "at another older path",
            "/api/billing/webhook",
            format!("t={now},v1={good}"),
        ),
        (
            "at a third",
            "/api/stripe/webhook",
            format!("t={now},v1={good}"),
        ),
    ] {
        let response = world
            .stripe_receives(post(
                path,
                &[("Stripe-Signature", header.as_bytes())],
                EVENT,
            ))
            .await;
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{what}");
    }
    assert_eq!(
        world
            .event(EventSource::Stripe, "evt_1")
            .await
            .expect("it is recorded")
            .name,
        "charge.updated"
    );
    world.settle().await;
    world.done().await;
}
