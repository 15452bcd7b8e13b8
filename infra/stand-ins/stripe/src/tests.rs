//! Stripe's behavior, one file per subject, and the scene that they share.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Fault, Stripe};

mod checkout;
mod disputes;
mod flexible;
mod pages;
mod parameters;
mod portal;
mod prices;
mod refunds;
mod renewals;
mod schedules;
mod subscriptions;

const NOW: i64 = 1_795_168_800;
const EVENTS: &str = "/v1/billing/meter_events";
const USAGE: &str = "event_name=jobs&payload[stripe_customer_id]=cus_1&payload[value]=5";

/// One account with a meter `jobs` and a customer `cus_1`, and a clock.
struct Scene {
    stripe: Stripe,
    api: Router,
    time: Arc<AtomicI64>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

fn scene() -> Scene {
    let time = Arc::new(AtomicI64::new(NOW));
    let clock = Arc::clone(&time);
    let stripe = Stripe::new(Arc::new(move || clock.load(Ordering::Relaxed) * 1000));
    stripe.add_customer("cus_1", "one@example.com");
    stripe.add_meter("jobs");
    Scene {
        api: stripe.router(),
        stripe,
        time,
    }
}

impl Scene {
    async fn send(&self, request: Request<Body>) -> Answer {
        let (head, body) = self
            .api
            .clone()
            .oneshot(request)
            .await
            .expect("infallible")
            .into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("in memory");
        Answer {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&bytes).expect("JSON"),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header("authorization", "Bearer sk_test_x");
        self.send(request.body(Body::empty()).expect("a request"))
            .await
    }

    async fn post(&self, path: &str, key: &str, form: &str) -> Answer {
        let mut request = Request::post(path)
            .header("authorization", "Bearer sk_test_x")
            .header("content-type", "application/x-www-form-urlencoded");
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        self.send(
            request
                .body(Body::from(form.to_owned()))
                .expect("a request"),
        )
        .await
    }

    fn pass_seconds(&self, seconds: i64) {
        self.time.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Posts without an idempotency key and expects success.
    async fn make(&self, path: &str, form: &str) -> Value {
        self.post(path, "", form).await.expect(200)
    }

    /// The types of the events since the last call.
    fn told(&self) -> Vec<String> {
        self.stripe
            .outbox_take()
            .iter()
            .map(|event| event["type"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    fn total(&self) -> i64 {
        self.stripe.total("cus_1", "jobs")
    }
}

fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

impl Answer {
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    fn refuse(self, status: u16, field: &str, value: &str) {
        assert_eq!(
            (self.status.as_u16(), &self.body["error"][field]),
            (status, &json!(value)),
            "{}",
            self.body
        );
    }

    fn is_replay(&self) -> bool {
        self.headers.contains_key("idempotent-replayed")
    }
}

#[tokio::test]
async fn only_test_keys_are_accepted() {
    let scene = scene();
    for (credential, status) in [
        ("Bearer sk_test_x", 200),
        ("Basic c2tfdGVzdF94Og==", 200),
        ("Bearer sk_live_x", 401),
        ("Bearer", 401),
        ("", 401),
    ] {
        let request = Request::get("/v1/customers").header("authorization", credential);
        let answer = scene
            .send(request.body(Body::empty()).expect("a request"))
            .await;
        assert_eq!(answer.status, status, "{credential}");
        assert!(!answer.body.to_string().contains("sk_live_x"));
    }
    assert_eq!(scene.stripe.calls(), 5);
    scene.get("/v1/coupons").await.expect(404);
}

#[tokio::test]
async fn a_key_replays_its_first_result() {
    let scene = scene();
    let first = scene.post(EVENTS, "k1", USAGE).await;
    assert!(!first.is_replay());
    let first = first.expect(200);
    let turned = "payload%5Bvalue%5D=5&payload[stripe_customer_id]=cus_1&event_name=jobs";
    let again = scene.post(EVENTS, "k1", turned).await;
    assert!(again.is_replay() && again.headers.contains_key("original-request"));
    assert_eq!(again.expect(200), first);
    assert_eq!((scene.total(), scene.stripe.meter_events().len()), (5, 1));
    scene
        .post(EVENTS, "k1", &USAGE.replace("=5", "=6"))
        .await
        .refuse(400, "type", "idempotency_error");
    scene
        .post("/v1/customers", "k1", "name=x")
        .await
        .refuse(400, "type", "idempotency_error");
    scene.pass_seconds(86_400);
    assert!(!scene.post(EVENTS, "k1", USAGE).await.is_replay());
}

#[tokio::test]
async fn a_stored_failure_replays_and_a_validation_failure_does_not() {
    let scene = scene();
    scene.stripe.fail_next(Fault::StoredFailure);
    scene
        .post(EVENTS, "k1", USAGE)
        .await
        .refuse(500, "type", "api_error");
    let again = scene.post(EVENTS, "k1", USAGE).await;
    assert!(again.is_replay());
    again.expect(500);
    assert_eq!(scene.total(), 0);
    scene
        .post(EVENTS, "k2", "event_name=jobs")
        .await
        .refuse(400, "code", "parameter_missing");
    scene.post(EVENTS, "k2", USAGE).await.expect(200);
}

#[tokio::test]
async fn faults_strike_once_each_and_leave_the_key_free() {
    let scene = scene();
    for fault in [Fault::Status(503), Fault::LockTimeout, Fault::RateLimit] {
        scene.stripe.fail_next(fault);
    }
    scene
        .post(EVENTS, "k", USAGE)
        .await
        .refuse(503, "type", "api_error");
    scene
        .post(EVENTS, "k", USAGE)
        .await
        .refuse(429, "code", "lock_timeout");
    scene
        .post(EVENTS, "k", USAGE)
        .await
        .refuse(429, "code", "rate_limit");
    scene.post(EVENTS, "k", USAGE).await.expect(200);
    assert_eq!(scene.total(), 5);
}

#[tokio::test]
async fn an_identifier_counts_once_in_24_hours() {
    let scene = scene();
    let usage = format!("{USAGE}&identifier=job-7");
    scene.post(EVENTS, "a", &usage).await.expect(200);
    let again = scene.post(EVENTS, "b", &usage).await;
    assert_eq!(
        again
            .headers
            .get("stripe-should-retry")
            .map(|value| value.as_bytes()),
        Some(&b"false"[..])
    );
    again.refuse(
        400,
        "message",
        "An event already exists with identifier job-7.",
    );
    scene.pass_seconds(86_399);
    scene.post(EVENTS, "", &usage).await.expect(400);
    scene.pass_seconds(1);
    scene.post(EVENTS, "", &usage).await.expect(200);
    assert_eq!(scene.total(), 10);
}

#[tokio::test]
async fn two_events_for_one_customer_and_meter_do_not_run_together() {
    let scene = scene();
    scene.stripe.add_customer("cus_2", "two@example.com");
    let other = USAGE.replace("cus_1", "cus_2");
    let (one, two, three) = tokio::join!(
        scene.post(EVENTS, "", USAGE),
        scene.post(EVENTS, "", USAGE),
        scene.post(EVENTS, "", &other)
    );
    one.expect(200);
    two.refuse(429, "code", "lock_timeout");
    three.expect(200);
    scene.post(EVENTS, "", USAGE).await.expect(200);
    let (first, second) = tokio::join!(
        scene.post(EVENTS, "k", USAGE),
        scene.post(EVENTS, "k", USAGE)
    );
    first.expect(200);
    second.refuse(409, "code", "idempotency_key_in_use");
}

#[tokio::test]
async fn usage_is_checked_before_it_counts() {
    let scene = scene();
    let long = format!("{USAGE}&identifier={}", "x".repeat(101));
    let old = format!("{USAGE}&timestamp={}", NOW - 35 * 86_400 - 1);
    let early = format!("{USAGE}&timestamp={}", NOW + 301);
    for (form, field, value) in [
        ("payload[value]=1", "param", "event_name"),
        ("event_name=jobs", "param", "payload"),
        (
            "event_name=jobs&payload[value]=1",
            "param",
            "payload[stripe_customer_id]",
        ),
        (&USAGE.replace("=5", "=1.5"), "param", "payload"),
        (
            &USAGE.replace("jobs", "none"),
            "message",
            "No active meter found for event name none.",
        ),
        (&format!("{USAGE}&color=red"), "code", "parameter_unknown"),
        (&long, "param", "identifier"),
        (&old, "param", "timestamp"),
        (&early, "param", "timestamp"),
    ] {
        scene.post(EVENTS, "", form).await.refuse(400, field, value);
    }
    assert!(scene.stripe.meter_events().is_empty());
    scene
        .post(EVENTS, "", &USAGE.replace("cus_1", "cus_none"))
        .await
        .expect(200);
    assert_eq!(
        scene
            .stripe
            .meter_events()
            .iter()
            .map(|event| event.counted)
            .collect::<Vec<_>>(),
        [false]
    );
    assert_eq!(scene.stripe.total("cus_none", "jobs"), 0);
}

#[tokio::test]
async fn summaries_add_up_within_aligned_bounds() {
    let scene = scene();
    let meter = scene.stripe.add_meter("jobs");
    for (at, value) in [(NOW - 7200, 2), (NOW - 60, 3), (NOW, 4)] {
        let usage = USAGE.replace("=5", &format!("={value}"));
        scene
            .post(EVENTS, "", &format!("{usage}&timestamp={at}"))
            .await
            .expect(200);
    }
    let path = format!("/v1/billing/meters/{meter}/event_summaries?customer=cus_1");
    let early = format!("{path}&start_time={}&end_time={NOW}", NOW - 7200);
    let early = scene.get(&early).await.expect(200);
    assert_eq!(early["data"], json!([]), "summaries lag");
    scene.pass_seconds(super::meters::SUMMARY_LAG_SECONDS);
    let sums = async |start: i64, end: i64, more: &str| {
        let list = scene
            .get(&format!("{path}&start_time={start}&end_time={end}{more}"))
            .await
            .expect(200);
        let sums = list["data"].as_array().into_iter().flatten();
        sums.filter_map(|summary| summary["aggregated_value"].as_i64())
            .collect::<Vec<_>>()
    };
    assert_eq!(sums(NOW - 7200, NOW, "").await, [5]);
    assert_eq!(sums(NOW - 7200, NOW + 60, "").await, [9]);
    assert_eq!(sums(NOW + 60, NOW + 120, "").await, [0; 0]);
    assert_eq!(
        sums(NOW - 7200, NOW + 3600, "&value_grouping_window=hour").await,
        [4, 3, 2]
    );
    let crooked = scene
        .get(&format!("{path}&start_time={}&end_time={NOW}", NOW - 61))
        .await;
    crooked.refuse(400, "param", "start_time");
    scene
        .get("/v1/billing/meters/mtr_none/event_summaries?customer=cus_1&start_time=0&end_time=60")
        .await
        .expect(404);
}

#[tokio::test]
async fn meters_come_and_go() {
    let scene = scene();
    let new = "display_name=Tokens&event_name=tokens&default_aggregation[formula]=last";
    let meter = scene.post("/v1/billing/meters", "", new).await.expect(200);
    scene.post("/v1/billing/meters", "", new).await.expect(400);
    let id = meter["id"].as_str().expect("an id");
    scene
        .post(&format!("/v1/billing/meters/{id}/deactivate"), "", "")
        .await
        .expect(200);
    scene
        .post(EVENTS, "", &USAGE.replace("jobs", "tokens"))
        .await
        .expect(400);
    let active = scene
        .get("/v1/billing/meters?status=active")
        .await
        .expect(200);
    assert_eq!(active["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        scene
            .get(&format!("/v1/billing/meters/{id}"))
            .await
            .expect(200)["status"],
        "inactive"
    );
}

#[tokio::test]
async fn customers_are_made_changed_found_and_leave_events() {
    let scene = scene();
    let new = "email=a%2Bb%40example.com&metadata[account]=7&metadata[old]=x";
    let customer = scene.post("/v1/customers", "", new).await.expect(200);
    let path = format!("/v1/customers/{}", customer["id"].as_str().expect("an id"));
    scene
        .post(&path, "", "metadata[account]=8&metadata[old]=")
        .await
        .expect(200);
    assert_eq!(
        scene.get(&path).await.expect(200)["metadata"],
        json!({"account": "8"})
    );
    let found = scene
        .get("/v1/customers?email=a%2Bb%40example.com")
        .await
        .expect(200);
    assert_eq!(
        (found["data"].as_array().map(Vec::len), &found["has_more"]),
        (Some(1), &json!(false))
    );
    let first = scene.get("/v1/customers?limit=1").await.expect(200);
    assert_eq!(
        (&first["data"][0]["id"], &first["has_more"]),
        (&customer["id"], &json!(true))
    );
    let rest = scene
        .get(&format!(
            "/v1/customers?starting_after={}",
            customer["id"].as_str().expect("an id")
        ))
        .await;
    assert_eq!(rest.expect(200)["data"][0]["id"], "cus_1");
    scene
        .get("/v1/customers/cus_none")
        .await
        .refuse(404, "code", "resource_missing");

    let events = scene
        .get("/v1/events?types[]=customer.created&types[]=customer.updated")
        .await
        .expect(200);
    let kinds: Vec<&str> = events["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|e| e["type"].as_str())
        .collect();
    assert_eq!(
        kinds,
        ["customer.updated", "customer.created", "customer.created"]
    );
    assert_eq!(scene.stripe.events().len(), 4);
    let later = scene
        .get(&format!("/v1/events?created[gt]={NOW}"))
        .await
        .expect(200);
    assert_eq!(later["data"], json!([]));
}

#[tokio::test]
async fn an_import_is_what_was_exported_and_pages_show_it() {
    let scene = scene();
    scene
        .post(EVENTS, "k", &format!("{USAGE}&identifier=%3Cb%3E"))
        .await
        .expect(200);
    let copy = self::scene();
    copy.stripe
        .import(scene.stripe.export())
        .expect("our own export");
    assert_eq!(copy.stripe.export(), scene.stripe.export());
    assert!(
        copy.post(EVENTS, "k", &format!("{USAGE}&identifier=%3Cb%3E"))
            .await
            .is_replay()
    );
    for (path, shown) in [("/", "&lt;b&gt;"), ("/state.json", "meter_events")] {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = copy
            .stripe
            .pages()
            .oneshot(request)
            .await
            .expect("infallible");
        let bytes = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("in memory");
        assert!(String::from_utf8_lossy(&bytes).contains(shown), "{path}");
    }
}
