//! `/api/v1/admin/…`: operators only.

use crate::world::operator::{assert_problem, respond};
use crate::world::{FaultPlan, World};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

const ID: &str = "acc_01hf7yat00zzzzzzzzzzzzzzzz";
const JOB: &str = "job_01hf7yat00zzzzzzzzzzzzzzzz";
const USAGE: &str = "pull_requests/use_01hf7yat00zzzzzzzzzzzzzzzz";

/// Every operator route, and its answer to an operator while there is no data.
fn routes() -> [(&'static str, String, Option<Value>, StatusCode); 13] {
    let account = json!({ "stripe_customer_id": "cus_1", "installation_id": 1 });
    let why = json!({ "reason": "a test" });
    [
        (
            "POST",
            "/api/v1/admin/accounts".to_owned(),
            Some(account),
            StatusCode::CREATED,
        ),
        (
            "GET",
            format!("/api/v1/admin/accounts/{ID}"),
            None,
            StatusCode::NOT_FOUND,
        ),
        (
            "GET",
            format!("/api/v1/admin/accounts/{ID}/invoices"),
            None,
            StatusCode::NOT_FOUND,
        ),
        (
            "GET",
            format!("/api/v1/admin/accounts/{ID}/quotas"),
            None,
            StatusCode::NOT_FOUND,
        ),
        (
            "GET",
            format!("/api/v1/admin/accounts/{ID}/usage?state=stuck"),
            None,
            StatusCode::NOT_FOUND,
        ),
        (
            "POST",
            format!("/api/v1/admin/accounts/{ID}/usage/{USAGE}/resend"),
            None,
            StatusCode::NOT_FOUND,
        ),
        (
            "POST",
            format!("/api/v1/admin/accounts/{ID}/usage/{USAGE}/write-off"),
            Some(why),
            StatusCode::NOT_FOUND,
        ),
        (
            "GET",
            "/api/v1/admin/events".to_owned(),
            None,
            StatusCode::OK,
        ),
        (
            "GET",
            "/api/v1/admin/events/github/d-1".to_owned(),
            None,
            StatusCode::NOT_FOUND,
        ),
        (
            "GET",
            "/api/v1/admin/events/github/d-1/raw".to_owned(),
            None,
            StatusCode::NOT_FOUND,
        ),
        (
            "POST",
            "/api/v1/admin/events/github/d-1/replay".to_owned(),
            None,
            StatusCode::NOT_FOUND,
        ),
        (
            "GET",
            format!("/api/v1/admin/jobs/{JOB}"),
            None,
            StatusCode::NOT_FOUND,
        ),
        (
            "POST",
            "/api/v1/admin/queues/plan/redrive".to_owned(),
            None,
            StatusCode::ACCEPTED,
        ),
    ]
}

/// Sends a request with any Authorization header.
async fn asked(
    world: &World,
    method: &str,
    path: &str,
    authorization: Option<&[u8]>,
    body: Option<&Value>,
) -> Response<Bytes> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://tallyhook.test{path}"));
    if let Some(value) = authorization {
        request = request.header(
            "authorization",
            http::HeaderValue::from_bytes(value).expect("a header may carry it"),
        );
    }
    let body = match body {
        Some(body) => {
            request = request.header("content-type", "application/json");
            Bytes::from(body.to_string())
        }
        None => Bytes::new(),
    };
    respond(world, request.body(body).expect("a request")).await
}

#[tokio::test(start_paused = true)]
async fn requests_without_an_operators_token_are_refused() {
    let world = World::bare(
        FaultPlan::None,
        &[("OPERATOR_TOKEN", "ann:one-token, ben:two-token,bare-token")],
    )
    .await;
    let before = world.stack.faults.calls();
    let refused: [Option<&[u8]>; 16] = [
        None,
        Some(b""),
        Some(b"Bearer"),
        Some(b"Bearer "),
        Some(b"Bearer wrong"),
        Some(b"Bearer one-toke"),
        Some(b"Bearer one-tokenx"),
        Some(b"Bearer ONE-TOKEN"),
        Some(b"Bearer ann"),
        Some(b"Bearer ann:one-token"),
        Some(b"Bearer ann:one-token, ben:two-token,bare-token"),
        Some(b"Bearer operator"),
        Some(b"Bearer ,"),
        Some(b"Basic b25lLXRva2VuOg=="),
        Some(b"one-token"),
        Some(b"Bearer one-token\xff"),
    ];
    for (method, path, body, _) in routes() {
        for token in refused {
            let what = format!(
                "{method} {path} with {:?}",
                token.map(String::from_utf8_lossy)
            );
            assert_problem(
                &what,
                &asked(&world, method, &path, token, body.as_ref()).await,
                401,
                "unauthorized",
            );
        }
    }
    assert_eq!(
        world.stack.faults.calls(),
        before,
        "no refused request reaches the store"
    );
    world.done().await;
}

/// Accepts the token of each of several operators, and a bare token.
#[tokio::test(start_paused = true)]
async fn every_operator_of_the_list_is_accepted() {
    for token in ["one-token", "two-token", "bare-token"] {
        let world = World::bare(
            FaultPlan::None,
            &[(
                "OPERATOR_TOKEN",
                "ann:one-token, ben: two-token ,bare-token,",
            )],
        )
        .await;
        for (method, path, body, expected) in routes() {
            let authorization = format!("Bearer {token}");
            let response = asked(
                &world,
                method,
                &path,
                Some(authorization.as_bytes()),
                body.as_ref(),
            )
            .await;
            assert_eq!(
                response.status(),
                expected,
                "{method} {path} with {token}: {:?}",
                response.body()
            );
        }
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_withdrawn_is_refused_within_a_minute() {
    let world = World::bare(
        FaultPlan::None,
        &[("OPERATOR_TOKEN", "ssm:/tallyhook/operators")],
    )
    .await;
    let status = async |token: &str| {
        let authorization = format!("Bearer {token}");
        asked(
            &world,
            "GET",
            "/api/v1/admin/events",
            Some(authorization.as_bytes()),
            None,
        )
        .await
        .status()
        .as_u16()
    };
    world.wire.set_secret("/tallyhook/operators", "ann:old");
    assert_eq!((status("old").await, status("new").await), (200, 401));
    world.wire.set_secret("/tallyhook/operators", "ann:new");
    world.elapse(std::time::Duration::from_secs(60)).await;
    assert_eq!((status("old").await, status("new").await), (401, 200));
    for blank in ["", " ", "ann:", ","] {
        world.wire.set_secret("/tallyhook/operators", blank);
        world.elapse(std::time::Duration::from_secs(60)).await;
        for token in ["", "ann", "new"] {
            assert_eq!(status(token).await, 401, "{token:?} of {blank:?}");
        }
    }
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn health_needs_no_token() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let before = world.stack.faults.calls();
    let response = asked(&world, "GET", "/health", None, None).await;
    assert_eq!(response.status(), StatusCode::OK);
    let health: Value = serde_json::from_slice(response.body()).expect("JSON");
    assert_eq!(health["status"], "ok");
    assert_eq!(
        world.stack.faults.calls(),
        before,
        "it makes no outside call"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn other_paths_and_methods_are_problems_too() {
    let world = World::bare(FaultPlan::None, &[]).await;
    for path in [
        "/",
        "/api",
        "/api/v1/admin",
        "/api/v1/admin/",
        "/api/v1/admin/events/",
        "/api/v1/admin/secrets",
        "/api/v2/admin/events",
        "/api/v1/admin/events/github",
        "/api/v1/admin/../admin/events",
        "/admin",
    ] {
        let response = world
            .admin_request("GET", path, Some("local-token"), None)
            .await;
        assert_problem(path, &response, 404, "not_found");
    }
    for (method, path) in [
        ("DELETE", "/api/v1/admin/events"),
        ("POST", "/api/v1/admin/events"),
        ("GET", "/api/v1/admin/events/github/d-1/replay"),
        ("PUT", "/api/v1/admin/accounts"),
        ("GET", "/api/v1/admin/queues/plan/redrive"),
        ("POST", "/health"),
    ] {
        let response = world
            .admin_request(method, path, Some("local-token"), None)
            .await;
        assert_problem(
            &format!("{method} {path}"),
            &response,
            405,
            "method_not_allowed",
        );
    }
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_queue_cannot_be_redriven() {
    let world = World::bare(FaultPlan::None, &[]).await;
    for queue in ["x", "Plan", "plan-dlq", "plan%20", "..", "%00"] {
        let response = world
            .admin_request(
                "POST",
                &format!("/api/v1/admin/queues/{queue}/redrive"),
                Some("local-token"),
                None,
            )
            .await;
        assert_problem(queue, &response, 404, "not_found");
    }
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_store_is_reported_without_details() {
    use stand_in_shared::faults::{Effect, Fault};
    let world = World::bare(FaultPlan::None, &[]).await;
    for (method, path, body, _) in routes() {
        let on = if path.contains("queues") {
            "sqs"
        } else {
            "dynamodb"
        };
        world.stack.faults.inject(Fault {
            on: on.to_owned(),
            times: 90,
            effect: Effect::Unreachable,
        });
        let response = world
            .admin_request(method, &path, Some("local-token"), body.as_ref())
            .await;
        assert_problem(&path, &response, 503, "unavailable");
    }
    world.abandoned();
}
