//! Every operators' route against every kind of caller: only an operator's token is accepted. The
//! routes come from the OpenAPI document, so a new one is covered automatically.

use crate::world::operator::{assert_problem, respond};
use crate::world::program::program;
use crate::world::{FaultPlan, World};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::{Map, Value, json};

/// A route of the document, with a path and a body that are well-formed.
struct Route {
    method: String,
    path: String,
    body: Option<Value>,
}

type Headers<'a> = &'a [(&'a str, &'a [u8])];

/// The routes that need a token.
fn routes() -> Vec<Route> {
    let document = admin::document();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            if !operation["security"].is_null() {
                continue;
            }
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            routes.push(Route {
                method: method.to_uppercase(),
                path: at(path),
                body: schema.is_object().then(|| sample(document, schema)),
            });
        }
    }
    assert!(routes.len() >= 28, "{}", routes.len());
    routes
}

/// Replaces the variable segments by ids that are well-formed and do not exist, and adds the query
/// that a listing requires.
fn at(path: &str) -> String {
    let id = match path.trim_start_matches("/api/v1/admin/").split('/').next() {
        Some("accounts") => "acc_01hf7yat00zzzzzzzzzzzzzzzz",
        Some("jobs") => "job_01hf7yat00zzzzzzzzzzzzzzzz",
        Some("signups") => "owner%231",
        Some("payments") => "pi_unknown",
        _ => "evt_1",
    };
    let query = if path.ends_with("/usage") {
        "?state=stuck"
    } else {
        ""
    };
    let path = path
        .replace("{id}", id)
        .replace("{source}", "github")
        .replace("{name}", "process_github")
        .replace("{queue}", "plan")
        .replace("{meter}", "pull_requests")
        .replace("{usage}", "use_01hf7yat00zzzzzzzzzzzzzzzz")
        .replace("{cause}", "adjustment~x");
    assert!(!path.contains('{'), "say what belongs into {path}");
    format!("{path}{query}")
}

/// The required fields of a body, from their examples.
fn sample(document: &Value, schema: &Value) -> Value {
    let name = schema["$ref"].as_str().expect("a named schema");
    let schema = &document["components"]["schemas"][name.rsplit('/').next().expect("a name")];
    let required = schema["required"].as_array().into_iter().flatten();
    let field = |name: &Value| {
        let name = name.as_str().expect("a name");
        let field = &schema["properties"][name];
        let example = [&field["example"], &field["examples"][0]];
        let value = match field["type"].as_str() {
            _ if example.iter().any(|one| !one.is_null()) => {
                example.into_iter().find(|one| !one.is_null()).cloned()
            }
            Some("boolean") => Some(true.into()),
            Some("integer") => Some(1.into()),
            _ => None,
        };
        (
            name.to_owned(),
            value.unwrap_or_else(|| panic!("{name} has no example")),
        )
    };
    Value::Object(required.map(field).collect::<Map<_, _>>())
}

/// Sends a request with any headers.
async fn asked(world: &World, route: &Route, headers: Headers<'_>) -> Response<Bytes> {
    let mut request = Request::builder()
        .method(route.method.as_str())
        .uri(format!("http://tallyhook.test{}", route.path))
        .header("idempotency-key", "once");
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value).expect("a header may carry it");
        request = request.header(*name, value);
    }
    let body = match &route.body {
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
    for route in routes() {
        for token in refused {
            let what = format!(
                "{} {} with {:?}",
                route.method,
                route.path,
                token.map(String::from_utf8_lossy)
            );
            let header = token.map(|token| ("authorization", token));
            let response = asked(&world, &route, header.as_slice()).await;
            assert_problem(&what, &response, 401, "unauthorized");
        }
    }
    assert_eq!(
        world.stack.faults.calls(),
        before,
        "no refused request reaches the store"
    );
    world.done().await;
}

/// Customers are no operators, with a key of every scope or with the session of an admin.
#[tokio::test(start_paused = true)]
async fn customers_are_refused() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let key = format!("Bearer {}", program.key);
    let browser = world.signed_in("acme-owner").await;
    let csrf = browser.csrf().await;
    let session = browser.cookie("th_session").expect("a session");
    let cookie = format!("th_session={session}");
    let as_token = format!("Bearer {session}");
    let callers: [(&str, Headers<'_>); 4] = [
        ("a key", &[("authorization", key.as_bytes())]),
        (
            "a key as X-Api-Key",
            &[("x-api-key", program.key.as_bytes())],
        ),
        (
            "a session",
            &[
                ("cookie", cookie.as_bytes()),
                ("x-csrf-token", csrf.as_bytes()),
            ],
        ),
        (
            "a session's secret",
            &[("authorization", as_token.as_bytes())],
        ),
    ];
    for route in routes() {
        for (caller, headers) in callers {
            let what = format!("{} {} with {caller}", route.method, route.path);
            let response = asked(world, &route, headers).await;
            assert_problem(&what, &response, 401, "unauthorized");
        }
    }
    program.world.abandoned();
}

/// The answer to an operator while there is no data.
fn expected(route: &Route) -> StatusCode {
    match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/api/v1/admin/accounts") => StatusCode::CREATED,
        ("POST", path) if path.contains("/queues/") => StatusCode::ACCEPTED,
        // There is no such account.
        ("POST", path) if path.ends_with("/attribute") => StatusCode::BAD_REQUEST,
        (_, path) if path.matches('/').count() > 4 && !path.contains("/switches/") => {
            if path.ends_with("/mail/muted") {
                StatusCode::OK
            } else {
                StatusCode::NOT_FOUND
            }
        }
        _ => StatusCode::OK,
    }
}

/// Accepts the token of each of several operators, and a bare token.
#[tokio::test(start_paused = true)]
async fn every_operator_of_the_list_is_accepted() {
    for token in ["one-token", "two-token", "bare-token"] {
        let list = "ann:one-token, ben: two-token ,bare-token,";
        let world = World::bare(FaultPlan::None, &[("OPERATOR_TOKEN", list)]).await;
        let token = format!("Bearer {token}");
        for route in routes() {
            let response = asked(&world, &route, &[("authorization", token.as_bytes())]).await;
            assert_eq!(
                response.status(),
                expected(&route),
                "{} {} with {token}: {:?}",
                route.method,
                route.path,
                response.body()
            );
        }
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_store_is_reported_without_details() {
    use stand_in_shared::faults::{Effect, Fault};
    let world = World::bare(FaultPlan::None, &[]).await;
    for route in routes() {
        let on = if route.path.contains("queues") {
            "sqs"
        } else {
            "dynamodb"
        };
        world.stack.faults.inject(Fault {
            on: on.to_owned(),
            times: 90,
            effect: Effect::Unreachable,
        });
        let response = asked(&world, &route, &[("authorization", b"Bearer local-token")]).await;
        let what = format!("{} {}", route.method, route.path);
        assert_problem(&what, &response, 503, "unavailable");
    }
    world.abandoned();
}

/// The document itself is public, as the API's is.
#[tokio::test(start_paused = true)]
async fn the_document_is_public() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let path = "/api/v1/admin/openapi.json";
    let response = world.admin_request("GET", path, None, None).await;
    assert_eq!(response.status(), StatusCode::OK);
    let served: Value = serde_json::from_slice(response.body()).expect("JSON");
    assert_eq!(&served, admin::document());
    assert_eq!(
        served["info"]["license"]["name"],
        json!("MIT OR Apache-2.0")
    );
    world.done().await;
}
