//! Operators' requests, and assertions about problems.

use super::World;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

/// Asserts an error as programs get it: a JSON problem with a status, a code and a sentence, and
/// nothing internal.
pub fn assert_problem(what: &str, response: &Response<Bytes>, status: u16, code: &str) {
    assert_eq!(
        response.status().as_u16(),
        status,
        "{what}: {:?}",
        response.body()
    );
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json",
        "{what}"
    );
    let problem: Value = serde_json::from_slice(response.body()).expect("JSON");
    assert_eq!(
        (&problem["status"], &problem["code"]),
        (&json!(status), &json!(code)),
        "{what}: {problem}"
    );
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(
        !detail.is_empty() && !detail.contains("DynamoDB") && !detail.contains("::"),
        "{what}: {detail}"
    );
    let id = response.headers()["x-request-id"]
        .to_str()
        .expect("a plain name");
    assert_eq!(
        (&problem["request_id"], id.is_empty()),
        (&json!(id), false),
        "{what}: {problem}"
    );
    assert_eq!(
        problem.as_object().map(serde_json::Map::len),
        Some(6),
        "{what}: {problem}"
    );
}

/// Sends any request to the admin API and counts its outside calls.
pub async fn respond(world: &World, request: Request<Bytes>) -> Response<Bytes> {
    let respond = admin::respond(world.stack.admin.clone(), request);
    world
        .stack
        .faults
        .run(respond)
        .await
        .expect("no process dies")
}
