//! `/api/v1/…`: customers' programs, each limited to its own account.

use crate::world::{FaultPlan, World};
use boot::Settings as _;
use bytes::Bytes;
use domain::ids::AccountId;
use http::{Request, Response, StatusCode};
use local_stack::stack::{LEDGER_TABLE, LOCAL_LEDGER_KEY, MAIN_TABLE};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// A customer's program: a world, an account and a key with all scopes.
pub struct Program {
    pub world: World,
    pub account: AccountId,
    pub key: String,
}

/// A program whose account is on this plan.
pub async fn program(plan: &str, settings: &[(&str, &str)]) -> Program {
    let (world, account) = World::on_plan(FaultPlan::Seeded(7), plan, settings).await;
    let key = world.key_of(&account, "the first").await;
    Program {
        world,
        account,
        key,
    }
}

impl Program {
    /// Sends a request to the customers' API. Each POST has a new idempotency key.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let once = format!("once {}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.world
            .customer(&self.key, method, path, &once, body)
            .await
    }

    /// Sends a GET and expects success.
    pub async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }
}

/// Sends any request to the customers' API of a world, once.
pub async fn respond(world: &World, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path().to_owned();
    let answered = world.stack.faults.run(world.stack.answer(request)).await;
    let response = answered.expect("no process dies");
    crate::world::leaks::look(&path, &response);
    response
}

/// Another process of the API on the same tables, without sign-in.
pub fn another(world: &World, settings: &[(&str, &str)]) -> axum::Router {
    let usual = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEMBEDDED"),
        ("AWS_SECRET_ACCESS_KEY", "embedded"),
        ("MAIN_TABLE", MAIN_TABLE),
        ("LEDGER_TABLE", LEDGER_TABLE),
        ("LEDGER_KEY", LOCAL_LEDGER_KEY),
        ("GITHUB_EVENTS_QUEUE_URL", "http://queue.test/github-events"),
        ("PROVISIONING_QUEUE_URL", "http://queue.test/provisioning"),
        ("PULLS_QUEUE_URL", "http://queue.test/pulls"),
        ("USAGE_QUEUE_URL", "http://queue.test/usage"),
        ("ASSISTS_QUEUE_URL", "http://queue.test/assists"),
        ("STRIPE_URL", "https://stripe.stand-in"),
        ("DASHBOARD_URL", "https://tallyhook.test/billing"),
    ];
    let env = boot::Env::of(usual.into_iter().chain(settings.iter().copied()));
    let config = api::Config::load(env).expect("whole settings");
    api::router(api::Ctx::connect(config, world.stack.outside.clone()))
}

/// A request with a key and other headers.
pub fn request(
    method: &str,
    path: &str,
    key: &str,
    headers: &[(&str, &[u8])],
    body: impl Into<Bytes>,
) -> Request<Bytes> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://tallyhook.test{path}"));
    if !key.is_empty() {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    for (name, value) in headers {
        request = request.header(
            *name,
            http::HeaderValue::from_bytes(value).expect("a header may carry it"),
        );
    }
    request.body(body.into()).expect("a request")
}

impl World {
    /// Creates a key with all scopes for an account, as an operator.
    pub async fn key_of(&self, account: &AccountId, name: &str) -> String {
        let path = format!("/api/v1/admin/accounts/{account}/api-keys");
        loop {
            let (status, made) = self
                .keyed(
                    "POST",
                    &path,
                    name,
                    &json!({ "name": name, "mode": "test" }),
                )
                .await;
            if status != StatusCode::SERVICE_UNAVAILABLE {
                assert_eq!(status, StatusCode::CREATED, "{made}");
                return made["secret"].as_str().expect("a key").to_owned();
            }
        }
    }

    /// Sends a request to the customers' API and repeats it while the store is busy, as programs
    /// do.
    pub async fn customer(
        &self,
        key: &str,
        method: &str,
        path: &str,
        once: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        loop {
            let answer = self
                .customer_once(key, method, path, once, body)
                .await
                .expect("no process dies");
            if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
        }
    }

    /// The same, once; `None` if the function dies.
    pub async fn customer_once(
        &self,
        key: &str,
        method: &str,
        path: &str,
        once: &str,
        body: Option<&Value>,
    ) -> Option<(StatusCode, Value)> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://tallyhook.test{path}"))
            .header("authorization", format!("Bearer {key}"))
            .header("idempotency-key", once);
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body
            .map(|body| serde_json::to_vec(body).expect("JSON"))
            .unwrap_or_default();
        let request = request.body(body.into()).expect("a request");
        let response = self.stack.faults.run(self.stack.answer(request)).await?;
        crate::world::leaks::look(path, &response);
        let text = String::from_utf8_lossy(response.body()).into_owned();
        Some((
            response.status(),
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        ))
    }
}
