//! An account has one live subscription: conversions, Checkouts and changes go through one lock, a
//! paid Checkout closes the others, and of two live ones one stands.

use crate::billing::checkouts::shop;
use crate::world::months::{HOUR, Months};
use crate::world::program::Program;
use crate::world::{FaultPlan, World, leaks};
use ::queues::Queue;
use domain::inbox::{EventSource, EventState};
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use std::time::Duration;
use store::UsageState;

const CHECKOUT: &str = "/api/v1/billing/checkout";
const SUBSCRIPTION: &str = "/api/v1/billing/subscription";
const ATTACHED: &str = "payment_method.attached";

/// Opens a Checkout for a plan. Returns the session.
async fn opens(program: &Program, plan: &str) -> String {
    let wanted = json!({ "plan": plan });
    let (status, session) = program.ask("POST", CHECKOUT, Some(&wanted)).await;
    assert_eq!(status, StatusCode::CREATED, "{session}");
    session["id"].as_str().expect("an id").to_owned()
}

/// The status of each subscription at Stripe with the plan that it pays for, oldest first.
fn there(world: &World) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    let plan = |one: &Value| {
        let product = word(&one["items"]["data"][0]["price"]["product"]);
        product.trim_start_matches("tallyhook_plan_").to_owned()
    };
    let all = world.vendors.stripe.subscriptions();
    all.iter()
        .map(|one| (word(&one["status"]), plan(one)))
        .collect()
}

fn pairs(there: &[(String, String)]) -> Vec<(&str, &str)> {
    there
        .iter()
        .map(|(status, plan)| (status.as_str(), plan.as_str()))
        .collect()
}

fn status(world: &World, session: &str) -> Value {
    world.vendors.stripe.session(session).expect("a session")["status"].clone()
}

/// What operators see of the account at Stripe.
async fn listed(program: &Program) -> Value {
    let path = format!("/api/v1/admin/accounts/{}/subscriptions", program.account);
    let (status, list) = program.world.operator("GET", &path, None).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    list
}

/// Stripe creates a Checkout's subscription after the payment, so its payment method may be seen
/// first (since 2025-03-31.basil). The conversion waits for it.
#[tokio::test(start_paused = true)]
async fn a_conversion_waits_for_a_checkout_that_is_being_paid() {
    let program = shop("trial").await;
    let world = &program.world;
    let session = opens(&program, "teams").await;
    let stripe = &world.vendors.stripe;
    stripe.leave_card(CUSTOMER, "pm_card_visa").expect("a card");
    let sent = world.stripe_sent(&[ATTACHED]);
    assert_eq!(world.stripe_delivers(&sent[0]).await, StatusCode::ACCEPTED);
    world.turn(Queue::StripeEvents).await;
    let id = sent[0]["id"].as_str().expect("an id");
    let row = world.event(EventSource::Stripe, id).await;
    assert_eq!(row.expect("a row").state, EventState::Pending);
    world.pays(&session);
    world.settle().await;
    assert_eq!(pairs(&there(world)), [("active", "teams")]);
    program.world.done().await;
}

/// A Checkout that nobody pays does not keep a trial from converting, and cannot be paid later.
#[tokio::test(start_paused = true)]
async fn an_abandoned_checkout_is_closed_by_a_conversion() {
    let program = shop("trial").await;
    let world = &program.world;
    let session = opens(&program, "teams").await;
    let stripe = &world.vendors.stripe;
    stripe.leave_card(CUSTOMER, "pm_card_visa").expect("a card");
    world.settle().await;
    assert_eq!(pairs(&there(world)), [("active", "payg")]);
    assert_eq!(status(world, &session), "expired");
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_paid_checkout_closes_the_others() {
    let program = shop("credits").await;
    let world = &program.world;
    let starter = opens(&program, "starter").await;
    let teams = opens(&program, "teams").await;
    let pack = program
        .ask("POST", CHECKOUT, Some(&json!({ "pack": "10k" })))
        .await;
    world.pays(&starter);
    world.settle().await;
    assert_eq!(status(world, &teams), "expired");
    let pack = pack.1["id"].as_str().expect("an id");
    assert_eq!(status(world, pack), "open", "a pack is no plan");
    assert_eq!(pairs(&there(world)), [("active", "starter")]);
    program.world.done().await;
}

/// Subscribing through the API closes an open Checkout, too.
#[tokio::test(start_paused = true)]
async fn a_subscription_closes_open_checkouts() {
    let program = shop("credits").await;
    let world = &program.world;
    let teams = opens(&program, "teams").await;
    let stripe = &world.vendors.stripe;
    stripe.leave_card(CUSTOMER, "pm_card_visa").expect("a card");
    let wanted = json!({ "plan": "starter" });
    let (code, made) = program.ask("POST", SUBSCRIPTION, Some(&wanted)).await;
    assert_eq!(code, StatusCode::CREATED, "{made}");
    assert_eq!(status(world, &teams), "expired");
    world.settle().await;
    program.world.done().await;
}

/// Both Checkouts are paid before any event arrives. The newer one stands, the older one is
/// cancelled and its unused time credited, in every order of events.
#[tokio::test(start_paused = true)]
async fn of_two_paid_checkouts_the_newer_stands() {
    for first in ["starter", "professional"] {
        let program = shop("credits").await;
        let world = &program.world;
        let second = if first == "starter" {
            "professional"
        } else {
            "starter"
        };
        let sessions = (opens(&program, first).await, opens(&program, second).await);
        world.pays(&sessions.0);
        world.skip(Duration::from_secs(60));
        world.pays(&sessions.1);
        assert_eq!(
            pairs(&there(world)),
            [("active", first), ("active", second)]
        );
        let before = listed(&program).await;
        assert_eq!(before["live"], 2, "{before}");
        leaks::alarms();
        assert_eq!(
            (
                &before["subscriptions"][0]["plan"],
                &before["subscriptions"][0]["stands"]
            ),
            (&json!(second), &json!(true)),
            "{before}"
        );
        world.settle().await;
        assert_eq!(
            pairs(&there(world)),
            [("canceled", first), ("active", second)]
        );
        assert_eq!(alarms_of_two(), 1);
        let after = listed(&program).await;
        assert_eq!(after["live"], 1, "{after}");
        let ended = &after["subscriptions"][1];
        let standing = after["subscriptions"][0]["id"].as_str().expect("an id");
        assert!(
            ended["comment"]
                .as_str()
                .expect("a text")
                .contains(standing),
            "{after}"
        );
        assert_eq!(
            (&ended["recorded_status"], &ended["stands"]),
            (&json!("canceled"), &json!(false))
        );
        let customer = world.vendors.stripe.customer(CUSTOMER).expect("it");
        let price = if first == "starter" { 2_900 } else { 9_900 };
        let credit = -customer["balance"].as_i64().expect("a balance");
        // All but some minutes of the month are unused.
        assert!((price - 5..=price).contains(&credit), "{credit} of {price}");
        let own = program.get(SUBSCRIPTION).await;
        assert_eq!(
            (&own["plan"], &own["status"]),
            (&json!(second), &json!("active"))
        );
        program.world.done().await;
    }
}

/// How many alarms said that an account has several live subscriptions.
fn alarms_of_two() -> usize {
    let alarms = leaks::alarms();
    let lines = alarms.iter();
    lines
        .filter(|line| line.contains("live subscriptions"))
        .count()
}

/// A person subscribes a customer who pays by the fix to another plan at Stripe's dashboard. The
/// older subscription ends with an invoice for its fixes, and there is an alarm.
#[tokio::test(start_paused = true)]
async fn a_superseded_subscription_bills_its_usage() {
    let mut months = Months::begin(FaultPlan::Seeded(541)).await;
    months.fix().await;
    months.fix().await;
    months.pass(2 * HOUR).await;
    assert_eq!(months.billed().await, 0);
    leaks::alarms();
    let price = months
        .world
        .priced("tallyhook_plan_starter", 2_900, Some("month"))
        .await;
    let form = [
        ("customer", CUSTOMER),
        ("items[0][price]", price["id"].as_str().expect("an id")),
    ];
    months.world.stripe_makes("subscriptions", &form).await;
    months.pass(HOUR).await;
    assert_eq!(
        pairs(&there(&months.world)),
        [("canceled", "payg"), ("active", "starter")]
    );
    assert_eq!(alarms_of_two(), 1);
    assert_eq!(months.billed().await, 2);
    for state in [UsageState::Owed, UsageState::Stuck] {
        assert_eq!(months.sum(state).await, 0);
    }
    months.world.done().await;
}

/// A conversion yields to what the customer chose, also if it is newer.
#[tokio::test(start_paused = true)]
async fn a_conversion_yields_to_a_choice() {
    let program = shop("trial").await;
    let world = &program.world;
    let stripe = &world.vendors.stripe;
    stripe.leave_card(CUSTOMER, "pm_card_visa").expect("a card");
    world.settle().await;
    assert_eq!(pairs(&there(world)), [("active", "payg")]);
    // A person subscribes the customer to another plan at Stripe's dashboard.
    let price = world
        .priced("tallyhook_plan_starter", 2_900, Some("month"))
        .await;
    let form = [
        ("customer", CUSTOMER),
        ("items[0][price]", price["id"].as_str().expect("an id")),
    ];
    world.stripe_makes("subscriptions", &form).await;
    world.settle().await;
    assert_eq!(
        pairs(&there(world)),
        [("canceled", "payg"), ("active", "starter")]
    );
    program.world.done().await;
}

/// Two changes at once leave the prices of one plan.
#[tokio::test(start_paused = true)]
async fn two_changes_at_once_are_one_after_the_other() {
    let program = shop("credits").await;
    let world = &program.world;
    let stripe = &world.vendors.stripe;
    stripe.leave_card(CUSTOMER, "pm_card_visa").expect("a card");
    let wanted = json!({ "plan": "starter" });
    program.ask("POST", SUBSCRIPTION, Some(&wanted)).await;
    world.settle().await;
    let (teams, hybrid) = (json!({ "plan": "teams" }), json!({ "plan": "hybrid" }));
    let (one, other) = tokio::join!(
        world.customer(&program.key, "PATCH", SUBSCRIPTION, "a", Some(&teams)),
        world.customer(&program.key, "PATCH", SUBSCRIPTION, "b", Some(&hybrid)),
    );
    let mut codes = [one.0, other.0];
    codes.sort();
    // The second one waits for its turn, or is asked to come again.
    assert!(
        codes[0] == StatusCode::OK && [StatusCode::OK, StatusCode::CONFLICT].contains(&codes[1]),
        "{one:?} {other:?}"
    );
    let all = stripe.subscriptions();
    let items = all[0]["items"]["data"].as_array().expect("items");
    let product = &items[0]["price"]["product"];
    assert!(
        items.len() == 2
            && items
                .iter()
                .all(|item| item["price"]["product"] == *product),
        "{items:?}"
    );
    world.settle().await;
    program.world.done().await;
}

/// The list says what Stripe has, also if nothing of it is recorded.
#[tokio::test(start_paused = true)]
async fn operators_see_what_stripe_has() {
    let program = shop("credits").await;
    let world = &program.world;
    let none = listed(&program).await;
    assert_eq!(
        (&none["live"], &none["subscriptions"]),
        (&json!(0), &json!([]))
    );
    crate::world::shop::subscribes(world, CUSTOMER).await;
    let seen = listed(&program).await;
    let one = &seen["subscriptions"][0];
    assert_eq!(
        (
            &one["status"],
            &one["plan"],
            &one["recorded_status"],
            &one["stands"]
        ),
        (
            &json!("active"),
            &json!("starter"),
            &Value::Null,
            &json!(true)
        ),
        "{seen}"
    );
    world.settle().await;
    let seen = listed(&program).await;
    assert_eq!(seen["subscriptions"][0]["recorded_status"], "active");
    program.world.done().await;
    let (world, account) =
        World::on_plan(FaultPlan::None, "credits", &[("STRIPE_SECRET_KEY", "")]).await;
    let path = format!("/api/v1/admin/accounts/{account}/subscriptions");
    let (status, answer) = world.operator("GET", &path, None).await;
    assert_eq!(
        (status.as_u16(), &answer["code"]),
        (422, &json!("billing_off"))
    );
    world.done().await;
}
