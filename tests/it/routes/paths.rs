//! The paths of other systems, from `docs/paths.md`: each is answered, without an idempotency key,
//! and with fields that we do not know.

use crate::billing::checkouts::shop;
use crate::billing::subscription::subscribed;
use crate::world::program::{program, request, respond};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;
use std::time::Duration;

const JSON: (&str, &[u8]) = ("content-type", b"application/json");

/// The method and path of every row.
fn rows() -> Vec<(&'static str, &'static str)> {
    let page = include_str!("../../../docs/paths.md");
    page.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`')?.0.split_once(' '))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_path_of_the_table_is_answered() {
    let program = program("credits", &[]).await;
    let stack = &program.world.stack;
    let rows = rows();
    assert!(rows.len() > 30, "{rows:?}");
    for (method, path) in rows {
        let asks = request(method, path, "", &[JSON], "{}");
        let answer = if path == "/github/webhook" {
            github_webhook::receive(&stack.github_webhook, asks).await
        } else if stripe_webhook::PATHS.contains(&path) {
            stripe_webhook::receive(&stack.stripe_webhook, asks).await
        } else if path == "/health" || path.starts_with("/api/billing/admin/") {
            admin::respond(stack.admin.clone(), asks).await
        } else {
            respond(&program.world, asks).await
        };
        let known =
            ![StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&answer.status());
        assert!(known, "{method} {path}: {}", answer.status());
    }
    program.world.done().await;
}

fn body(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).expect("JSON")
}

#[tokio::test(start_paused = true)]
async fn a_client_without_keys_buys_once_and_gets_its_key() {
    let program = shop("credits").await;
    let world = &program.world;
    let wish = r#"{"packId":"1k","customerName":"Ann"}"#;
    let buys = async |path: &str, headers: &[(&str, &[u8])]| loop {
        let asks = request("POST", path, &program.key, headers, wish);
        let answer = respond(world, asks).await;
        if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
    };
    let path = "/api/stripe/checkout-session";
    let first = buys(path, &[JSON]).await;
    assert_eq!(first.status(), StatusCode::CREATED, "{}", body(&first));
    assert_eq!(first.headers()["x-idempotency-window"], "60");
    let again = buys(path, &[JSON]).await;
    assert_eq!(body(&again)["id"], body(&first)["id"]);
    let key = &first.headers()["idempotency-key"];
    assert_eq!(&again.headers()["idempotency-key"], key);

    // After the window the key is another one. The first key, sent, still names the first act.
    world.skip(Duration::from_secs(60));
    let later = buys(path, &[JSON]).await;
    assert_ne!(&later.headers()["idempotency-key"], key);
    let own = buys(path, &[JSON, ("idempotency-key", key.as_bytes())]).await;
    assert_eq!(body(&own)["id"], body(&first)["id"]);
    assert!(!own.headers().contains_key("x-idempotency-window"));

    // The documented route stays strict.
    let strict = buys("/api/v1/billing/checkout", &[JSON]).await;
    assert_eq!(body(&strict)["code"], "bad_idempotency_key");
    program.world.done().await;
}

/// Paths that those clients and our documentation share need no key either. What creates money of
/// its own does.
#[tokio::test(start_paused = true)]
async fn paths_in_common_need_no_key() {
    let program = program("payg", &[]).await;
    let sends = async |path: &str, body: &str| {
        let body = body.to_owned();
        let asks = request("POST", path, &program.key, &[JSON], body);
        respond(&program.world, asks).await
    };
    let fixed = r#"{"phase":"mitigate","status":"success","repository":"acme/greeter","issue":7}"#;
    let first = sends("/api/v1/phase-data", fixed).await;
    assert_eq!(first.status(), StatusCode::CREATED, "{}", body(&first));
    assert_eq!(first.headers()["x-idempotency-window"], "60");
    let again = sends("/api/v1/phase-data", fixed).await;
    assert_eq!(
        (again.status(), &body(&again)["id"]),
        (StatusCode::OK, &body(&first)["id"])
    );
    program.world.skip(Duration::from_secs(60));
    let later = sends("/api/v1/phase-data", fixed).await;
    assert_eq!(body(&later)["billing"], "already_billed");

    let file = r#"{"path":"spec/a_spec.rb","content":"it"}"#;
    for (path, wanted) in [
        ("analyze", format!(r#"{{"tests":[{file}]}}"#)),
        (
            "generate",
            format!(
                r#"{{"target":{},"tests":[{file}]}}"#,
                file.replace("a_", "b_")
            ),
        ),
    ] {
        let path = format!("/api/v1/test-integration/{path}");
        let answer = sends(&path, &wanted).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{}", body(&answer));
        let again = sends(&path, &wanted).await;
        assert_eq!(body(&again)["id"], body(&answer)["id"]);
    }
    for (path, code) in [
        ("/api/v1/billing/subscription", "already_subscribed"),
        ("/api/v1/credits/holds", "bad_idempotency_key"),
    ] {
        let answer = sends(path, r#"{"plan":"payg"}"#).await;
        assert_eq!(body(&answer)["code"], code, "{path}");
    }
    program.world.settle().await;
    program.world.done().await;
}

/// Within one minute, the second cancellation is an act of its own.
#[tokio::test(start_paused = true)]
async fn a_client_without_keys_cancels_resumes_and_cancels() {
    let (world, key) = subscribed().await;
    for (method, wish, cancelled) in [
        ("DELETE", "", true),
        ("PATCH", r#"{"resume":true}"#, false),
        ("DELETE", "", true),
        ("DELETE", "", true),
    ] {
        let headers: &[_] = if wish.is_empty() { &[] } else { &[JSON] };
        let asks = request(method, "/api/billing/subscription", &key, headers, wish);
        let answer = respond(&world, asks).await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", body(&answer));
        assert_eq!(body(&answer)["cancelled"], cancelled, "{method}");
        assert!(answer.headers().contains_key("idempotency-key"));
    }
    world.settle().await;
    let subscriptions = world.vendors.stripe.subscriptions();
    assert!(
        subscriptions[0]["cancel_at"].is_number(),
        "{subscriptions:?}"
    );
    for status in [StatusCode::OK, StatusCode::NOT_FOUND] {
        let asks = request(
            "DELETE",
            "/api/billing/subscription?when=now",
            &key,
            &[],
            "",
        );
        assert_eq!(respond(&world, asks).await.status(), status);
    }
    world.settle().await;
    world.done().await;
}
