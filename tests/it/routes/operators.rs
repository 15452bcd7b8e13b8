//! `/api/v1/admin/…`: operators' tokens, health, and paths that do not exist.

use crate::world::operator::assert_problem;
use crate::world::{FaultPlan, World};
use http::StatusCode;
use serde_json::Value;

#[tokio::test(start_paused = true)]
async fn a_token_that_is_withdrawn_is_refused_within_a_minute() {
    let world = World::bare(
        FaultPlan::None,
        &[("OPERATOR_TOKEN", "ssm:/tallyhook/operators")],
    )
    .await;
    let status = async |token: &str| {
        let path = "/api/v1/admin/events";
        let response = world.admin_request("GET", path, Some(token), None).await;
        response.status().as_u16()
    };
    let (old, new) = ("0123456789abcdef".repeat(2), "fedcba9876543210".repeat(2));
    let lists = |token: &str| {
        let list = format!("ann:{token}");
        world.wire.set_secret("/tallyhook/operators", &list);
    };
    lists(&old);
    assert_eq!((status(&old).await, status(&new).await), (200, 401));
    lists(&new);
    world.elapse(std::time::Duration::from_secs(60)).await;
    assert_eq!((status(&old).await, status(&new).await), (401, 200));
    for blank in ["", " ", "ann:", ","] {
        world.wire.set_secret("/tallyhook/operators", blank);
        world.elapse(std::time::Duration::from_secs(60)).await;
        for token in ["", "ann", new.as_str()] {
            assert_eq!(status(token).await, 401, "{token:?} of {blank:?}");
        }
    }
    world.done().await;
}

/// A deployed token that is too short is refused, and the answer says what to do.
#[tokio::test(start_paused = true)]
async fn a_short_token_is_refused_where_it_is_deployed() {
    let settings = [("OPERATOR_TOKEN", "ssm:/tallyhook/operators")];
    let world = World::bare(FaultPlan::None, &settings).await;
    let long = "0123456789abcdef".repeat(2);
    let list = format!("ann:{long},ben:{}", &long[1..]);
    world.wire.set_secret("/tallyhook/operators", &list);
    let path = "/api/v1/admin/events";
    let good = world.admin_request("GET", path, Some(&long), None).await;
    assert_eq!(good.status(), StatusCode::OK);
    let short = world.admin_request("GET", path, Some(&long[1..]), None);
    let short = short.await;
    assert_problem("a short token", &short, 401, "unauthorized");
    let text = String::from_utf8_lossy(short.body()).into_owned();
    assert!(
        text.contains("fewer than 32") && text.contains("openssl"),
        "{text}"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn health_needs_no_token() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let before = world.stack.faults.calls();
    let response = world.admin_request("GET", "/health", None, None).await;
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
        "/administration",
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
