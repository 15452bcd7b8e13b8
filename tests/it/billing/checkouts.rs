//! Purchases: checkouts, the portal and payment methods. One request creates one session, wherever
//! a process dies and however often it is repeated. Only Stripe's events grant credits.

mod options;
mod payment_methods;

use crate::world::program::{Program, program};
use crate::world::{FaultPlan, World};
use http::StatusCode;
use local_stack::catalogue::{Push, PushOptions};
use local_stack::stack::STRIPE_HOST;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};
use stand_in_stripe::Fault;
use stripe_api::{StripeApi, StripeConfig};

const CHECKOUT: &str = "/api/v1/billing/checkout";
const METHODS: &str = "/api/v1/billing/payment-methods";

impl World {
    /// An operator pushes the catalogue, so Stripe sells its products.
    pub async fn pushes_the_catalogue(&self) {
        let url = format!("https://{STRIPE_HOST}");
        let config = StripeConfig {
            url,
            secret_key: "sk_test_local".to_owned().into(),
        };
        let api = StripeApi::new(config, self.stack.outside.web.clone()).expect("a client");
        let now = self.stack.outside.now();
        let push = Push {
            api: &api,
            catalogue: &catalogue::built_in(),
            options: &PushOptions::default(),
            now,
        };
        push.apply(&mut |_| {}).await.expect("a push");
    }

    /// The number of checkout sessions at Stripe.
    fn sessions(&self) -> usize {
        self.vendors.stripe.sessions().len()
    }
}

impl Program {
    /// Sends a request under this idempotency key.
    async fn asks_as(
        &self,
        once: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        self.world
            .customer(&self.key, method, path, once, body)
            .await
    }

    /// Creates a checkout under this idempotency key and expects success.
    async fn checks_out(&self, once: &str, body: &Value) -> Value {
        let (status, session) = self.asks_as(once, "POST", CHECKOUT, Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{session}");
        session
    }
}

/// A program whose account can buy.
pub async fn shop(plan: &str) -> Program {
    let program = program(plan, &[]).await;
    program.world.pushes_the_catalogue().await;
    program
}

fn code(answer: &(StatusCode, Value)) -> (StatusCode, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn a_pack_is_checked_out_paid_and_granted() {
    let program = shop("credits").await;
    let session = program
        .checks_out("a", &json!({ "pack": "10k", "quantity": 2 }))
        .await;
    assert!(
        session["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("https://")),
        "{session}"
    );
    assert_eq!(
        (&session["status"], &session["client_secret"]),
        (&json!("open"), &Value::Null)
    );
    let id = session["id"].as_str().expect("an id");
    let there = program.world.vendors.stripe.session(id).expect("a session");
    let back = "http://tallyhook.test/billing/success?session_id={CHECKOUT_SESSION_ID}";
    assert_eq!(
        (&there["success_url"], &there["cancel_url"]),
        (
            &json!(back),
            &json!("http://tallyhook.test/billing/cancelled")
        )
    );
    assert_eq!(there["amount_total"], 2_000);
    program.world.settle().await;
    assert_eq!(
        program.world.purse(&program.account).await,
        (0, 0),
        "nothing is granted before it is paid"
    );
    program.world.pays(id);
    program.world.settle().await;
    assert_eq!(program.world.purse(&program.account).await, (20_000, 0));
    assert_eq!(
        program.get("/api/v1/billing/balance").await["balance"],
        "20000"
    );
    let over = program
        .asks_as(
            "a",
            "POST",
            CHECKOUT,
            Some(&json!({ "pack": "10k", "quantity": 2 })),
        )
        .await;
    assert_eq!(code(&over), (StatusCode::CONFLICT, "checkout_complete"));
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn one_request_is_one_session() {
    let program = shop("credits").await;
    let pack = json!({ "pack": "1k" });
    let first = program.checks_out("a", &pack).await;
    assert_eq!(program.checks_out("a", &pack).await, first, "the same key");
    assert_eq!(
        program.checks_out("b", &pack).await,
        first,
        "a double click"
    );
    assert_eq!(program.world.sessions(), 1);
    let other = program
        .asks_as("a", "POST", CHECKOUT, Some(&json!({ "pack": "10k" })))
        .await;
    assert_eq!(
        code(&other),
        (StatusCode::CONFLICT, "idempotency_key_reused")
    );

    let embedded = program
        .checks_out("c", &json!({ "pack": "1k", "ui": "embedded" }))
        .await;
    assert!(
        embedded["client_secret"].is_string() && embedded["url"].is_null(),
        "{embedded}"
    );
    assert_eq!(program.world.sessions(), 2);

    let id = first["id"].as_str().expect("an id");
    program
        .world
        .vendors
        .stripe
        .expire_session(id)
        .expect("an open session");
    let expired = program.asks_as("b", "POST", CHECKOUT, Some(&pack)).await;
    assert_eq!(code(&expired), (StatusCode::CONFLICT, "checkout_expired"));
    let next = program.checks_out("d", &pack).await;
    assert!(next["id"] != first["id"] && program.world.sessions() == 3);
    program.world.pays(next["id"].as_str().expect("an id"));
    program.world.settle().await;
    let again = program.checks_out("e", &pack).await;
    assert!(again["id"] != next["id"], "a customer may buy again");
    assert_eq!(program.world.purse(&program.account).await, (1_000, 0));
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn clicks_at_once_come_to_one_session() {
    let program = shop("credits").await;
    let pack = json!({ "pack": "1k" });
    let (a, b, c, d) = tokio::join!(
        program.checks_out("a", &pack),
        program.checks_out("b", &pack),
        program.checks_out("a", &pack),
        program.checks_out("c", &pack),
    );
    assert!(a == b && b == c && c == d, "{a} {b} {c} {d}");
    assert_eq!(program.world.sessions(), 1);
    program.world.done().await;
}

/// One checkout that may die at this call, and its retry. Returns the number of calls of the first
/// attempt.
async fn dies_at(call: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
    let key = world.key_of(&account, "the first").await;
    world.pushes_the_catalogue().await;
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(before + call, moment);
    }
    let body = json!({ "pack": "10k" });
    let _ = world
        .customer_once(&key, "POST", CHECKOUT, "once", Some(&body))
        .await;
    let calls = world.stack.faults.since(before);
    // The same customer retries, with the same key or another one.
    let (_, same) = world
        .customer(
            &key,
            "POST",
            CHECKOUT,
            "once",
            Some(&json!({ "pack": "10k" })),
        )
        .await;
    let (_, other) = world
        .customer(
            &key,
            "POST",
            CHECKOUT,
            "other",
            Some(&json!({ "pack": "10k" })),
        )
        .await;
    assert!(
        same["id"].is_string() && same["id"] == other["id"],
        "{call:?}: {same} {other}"
    );
    assert_eq!(world.sessions(), 1, "{call:?}");
    world.pays(same["id"].as_str().expect("an id"));
    world.settle().await;
    assert_eq!(world.purse(&account).await, (10_000, 0), "{call:?}");
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_checkout() {
    let calls = dies_at(None).await;
    assert!(calls.len() >= 7, "{calls:?}");
    for death in deaths(&calls) {
        dies_at(Some(death)).await;
    }
}

/// Stripe stores a failure under the idempotency key. The request is repeated under another key,
/// never twice under one.
#[tokio::test(start_paused = true)]
async fn a_failure_that_stripe_keeps_ends_nothing() {
    for fault in [
        Fault::StoredFailure,
        Fault::LockTimeout,
        Fault::Status(500),
        Fault::RateLimit,
    ] {
        let program = shop("credits").await;
        program
            .checks_out("before", &json!({ "pack": "10k" }))
            .await;
        // The prices are cached, so the next call creates the session.
        program.world.vendors.stripe.fail_next(fault);
        let session = program.checks_out("a", &json!({ "pack": "1k" })).await;
        assert_eq!(
            program.checks_out("a", &json!({ "pack": "1k" })).await,
            session,
            "{fault:?}"
        );
        assert_eq!(program.world.sessions(), 2, "{fault:?}");
        program.world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_bought_says_why() {
    let program = program("credits", &[]).await;
    for (body, status, expected) in [
        (json!({ "pack": "10k" }), 422, "not_for_sale"),
        (json!({ "plan": "teams" }), 422, "not_for_sale"),
        (json!({ "plan": "enterprise" }), 422, "by_agreement"),
        (json!({ "plan": "trial" }), 422, "costs_nothing"),
        (json!({ "plan": "free" }), 422, "costs_nothing"),
        (json!({ "plan": "gold" }), 422, "unknown_plan"),
        (json!({ "pack": "7k" }), 422, "unknown_pack"),
        (json!({ "pack": "10k", "quantity": 0 }), 400, "bad_quantity"),
        (
            json!({ "plan": "teams", "quantity": 2 }),
            400,
            "bad_quantity",
        ),
        (json!({ "pack": "10k", "ui": "popup" }), 400, "bad_ui"),
        (json!({ "pack": "10k", "plan": "teams" }), 400, "bad_body"),
        (json!({ "pack": "10k", "price": 1 }), 400, "bad_body"),
        (
            json!({ "pack": "10k", "credits": "1000000" }),
            400,
            "bad_body",
        ),
        (json!({}), 400, "bad_body"),
    ] {
        let answer = program.ask("POST", CHECKOUT, Some(&body)).await;
        assert_eq!(
            (answer.0.as_u16(), code(&answer).1),
            (status, expected),
            "{body}: {}",
            answer.1
        );
    }
    assert_eq!(program.world.sessions(), 0);
    // Missing prices are not cached, so they are looked up again at once.
    program.world.pushes_the_catalogue().await;
    program.checks_out("later", &json!({ "pack": "10k" })).await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn without_stripe_nothing_is_sold_and_says_so() {
    let program = program("credits", &[("STRIPE_SECRET_KEY", "")]).await;
    for (method, path, body) in [
        ("POST", CHECKOUT, Some(json!({ "pack": "10k" }))),
        ("POST", "/api/v1/billing/portal", None),
        ("GET", METHODS, None),
        ("POST", METHODS, Some(json!({}))),
        (
            "POST",
            "/api/v1/billing/subscription",
            Some(json!({ "plan": "teams" })),
        ),
    ] {
        let answer = program.ask(method, path, body.as_ref()).await;
        assert_eq!(
            code(&answer),
            (StatusCode::UNPROCESSABLE_ENTITY, "billing_off"),
            "{method} {path}"
        );
    }
    assert_eq!(
        program.get("/api/v1/billing/subscription").await["status"],
        "none"
    );
    program.world.abandoned();
}

#[tokio::test(start_paused = true)]
async fn a_period_says_what_it_has_come_to() {
    let program = shop("credits").await;
    program
        .world
        .adjusts(&program.account, "100", "a gift")
        .await;
    let (_, hold) = program
        .ask(
            "POST",
            "/api/v1/credits/holds",
            Some(&json!({ "credits": "12.5" })),
        )
        .await;
    let capture = format!(
        "/api/v1/credits/holds/{}/capture",
        hold["id"].as_str().expect("an id")
    );
    program
        .ask("POST", &capture, Some(&json!({ "credits": "7.25" })))
        .await;
    let usage = program.get("/api/v1/billing/usage").await;
    let said = (
        &usage["plan"],
        &usage["credits_spent"],
        &usage["credits_spent_complete"],
        &usage["jobs"],
    );
    assert_eq!(
        said,
        (&json!("credits"), &json!("7.25"), &json!(true), &json!(0)),
        "{usage}"
    );
    assert_eq!(usage["waiting_for_stripe"], 0);
    program.world.settle().await;
    program.world.done().await;
}

/// The plans state the price of a fix, by meter or in credits.
#[tokio::test(start_paused = true)]
async fn plans_say_what_a_fix_costs() {
    let program = program("credits", &[]).await;
    let plans = program.get("/api/v1/plans").await["plans"].clone();
    let plan = |id: &str| {
        plans
            .as_array()
            .and_then(|all| all.iter().find(|plan| plan["id"] == id))
            .expect("a plan")
    };
    let by_the_fix = json!([{ "meter": "pull_requests", "counts": "pulls", "text": "15.00 USD each",
        "tiers": [{ "up_to": null, "each_minor": "1500" }] }]);
    let (payg, credits) = (plan("payg"), plan("credits"));
    assert_eq!(
        (&payg["pays"], &payg["billed_when"], &payg["charges"]),
        (&json!("meters"), &json!("pr_opened"), &by_the_fix)
    );
    assert_eq!(
        (&payg["fee"], &payg["budget"]),
        (&Value::Null, &Value::Null)
    );
    let tiers = json!([{ "up_to": 60, "each_minor": "0" }, { "up_to": null, "each_minor": "800" }]);
    assert_eq!(plan("teams")["charges"][0]["tiers"], tiers);
    assert_eq!(
        (&credits["pays"], &credits["charges"]),
        (&json!("credits"), &json!([]))
    );
    assert!(
        credits["fee"].is_string() && credits["budget"].is_string(),
        "{credits}"
    );
    assert_eq!(plan("trial")["pays"], "nothing");
    program.world.done().await;
}

/// The alias paths answer like these routes and also require a key.
#[tokio::test(start_paused = true)]
async fn other_paths_lead_to_the_same() {
    let program = shop("credits").await;
    for (alias, path) in [
        ("/api/billing/balance", "/api/v1/billing/balance"),
        ("/api/billing/invoices", "/api/v1/billing/invoices"),
        ("/api/billing/quota", "/api/v1/billing/quota"),
        ("/api/billing/subscription", "/api/v1/billing/subscription"),
        ("/api/billing/usage", "/api/v1/billing/usage"),
        ("/billing/plans", "/api/v1/plans"),
        ("/invoices", "/api/v1/billing/invoices"),
        ("/plans", "/api/v1/plans"),
        ("/subscription", "/api/v1/billing/subscription"),
        ("/usage", "/api/v1/billing/usage"),
    ] {
        assert_eq!(program.get(alias).await, program.get(path).await, "{alias}");
        let outsider = program.world.customer("", "GET", alias, "x", None).await.0;
        let open = path == "/api/v1/plans";
        assert_eq!(
            outsider,
            if open {
                StatusCode::OK
            } else {
                StatusCode::UNAUTHORIZED
            },
            "{alias}"
        );
    }
    let pack = json!({ "pack": "1k" });
    let session = program.checks_out("a", &pack).await;
    let (_, same) = program
        .asks_as("a", "POST", "/api/billing/checkout", Some(&pack))
        .await;
    assert_eq!(same, session);
    program.world.done().await;
}
