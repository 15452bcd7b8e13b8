//! Changes of plan at the end of the period: planned, shown, withdrawn, and made by Stripe.

use crate::billing::subscription::{SUBSCRIPTION, asked_once, subscribed};
use crate::world::World;
use crate::world::verbs::together;
use domain::ids::CustomerId;
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};
use stand_in_stripe::Fault;
use std::time::Duration;

const MONTH: Duration = Duration::from_secs(32 * 86_400);

fn later(plan: &str) -> Value {
    json!({ "plan": plan, "when": "period_end" })
}

/// The subscription that the customer sees.
async fn shown(world: &World, key: &str) -> Value {
    let (status, shown) = world.customer(key, "GET", SUBSCRIPTION, "", None).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    shown
}

/// The account that operators see.
async fn shown_to_operators(world: &World) -> Value {
    let customer = CustomerId::parse(CUSTOMER).expect("an id");
    let found = world.stack.store.customer_find(&customer).await;
    let id = found.expect("the store answers").expect("an account");
    let path = format!("/api/v1/admin/accounts/{id}");
    let (status, shown) = world.operator("GET", &path, None).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    shown
}

/// Sends a change under a key of its own and expects success.
async fn changes(world: &World, key: &str, once: &str, wanted: &Value) -> Value {
    let (status, shown) = world
        .customer(key, "PATCH", SUBSCRIPTION, once, Some(wanted))
        .await;
    assert_eq!(status, StatusCode::OK, "{wanted}: {shown}");
    shown
}

fn id(world: &World) -> String {
    let subscriptions = world.vendors.stripe.subscriptions();
    assert_eq!(subscriptions.len(), 1, "an account has one subscription");
    subscriptions[0]["id"].as_str().expect("an id").to_owned()
}

/// The schedules at Stripe, by their status.
fn schedules(world: &World) -> Vec<String> {
    let all = world.vendors.stripe.schedules();
    let status = |one: &Value| one["status"].as_str().expect("a status").to_owned();
    all.iter().map(status).collect()
}

/// Has the period end at Stripe.
async fn period_ends(world: &World) {
    world.skip(MONTH);
    world
        .vendors
        .stripe
        .roll_period(&id(world))
        .expect("the next period");
    world.settle().await;
}

/// What Stripe has invoiced, in order.
fn invoiced(world: &World) -> Vec<i64> {
    let mut invoices = world.vendors.stripe.invoices();
    invoices.sort_by_key(|one| one["created"].as_i64());
    let total = |one: &Value| one["total"].as_i64().expect("an amount");
    invoices.iter().map(total).collect()
}

#[tokio::test(start_paused = true)]
async fn a_downgrade_happens_when_the_period_ends() {
    let (world, key) = subscribed().await;
    changes(&world, &key, "up", &json!({ "plan": "professional" })).await;
    let before = invoiced(&world);
    let planned = changes(&world, &key, "down", &later("starter")).await;
    let change = json!({ "plan": "starter", "at": planned["period_end"] });
    assert_eq!(
        (&planned["plan"], &planned["planned_change"]),
        (&json!("professional"), &change),
        "{planned}"
    );
    let again = changes(&world, &key, "down", &later("starter")).await;
    assert_eq!(again, planned, "a repeat plans nothing more");
    world.settle().await;
    let account = shown_to_operators(&world).await;
    assert_eq!(account["subscriptions"][0]["planned_change"], change);
    assert_eq!(shown(&world, &key).await, planned, "events say the same");
    assert_eq!(
        (invoiced(&world), schedules(&world)),
        (before.clone(), vec!["active".to_owned()])
    );

    period_ends(&world).await;
    let after = shown(&world, &key).await;
    assert_eq!(
        (
            &after["plan"],
            &after["effective_plan"],
            &after["planned_change"]
        ),
        (&json!("starter"), &json!("starter"), &Value::Null),
        "{after}"
    );
    let renewed = [before, vec![2_900]].concat();
    assert_eq!(
        invoiced(&world),
        renewed,
        "the new plan's price and no proration"
    );
    // After a period the schedule has ended, and the plan continues.
    period_ends(&world).await;
    assert_eq!(schedules(&world), ["released"]);
    assert_eq!(shown(&world, &key).await["plan"], "starter");
    assert_eq!(invoiced(&world), [renewed, vec![2_900]].concat());
    world.done().await;
}

/// Whatever else is done with the subscription withdraws the planned change first: Stripe refuses to
/// cancel a subscription that a schedule manages.
#[tokio::test(start_paused = true)]
async fn any_other_change_withdraws_the_planned_one() {
    let keep = json!({ "keep_plan": true });
    let resume = json!({ "resume": true });
    let now = json!({ "plan": "teams", "when": "now" });
    let present = later("starter");
    let cases = [
        ("PATCH", "", Some(&keep), "starter"),
        ("PATCH", "", Some(&resume), "starter"),
        ("PATCH", "", Some(&now), "teams"),
        ("PATCH", "", Some(&present), "starter"),
        ("DELETE", "", None, "starter"),
    ];
    for (method, query, body, plan) in cases {
        let (world, key) = subscribed().await;
        changes(&world, &key, "later", &later("professional")).await;
        let path = format!("{SUBSCRIPTION}{query}");
        let (status, after) = world.customer(&key, method, &path, "then", body).await;
        assert_eq!(status, StatusCode::OK, "{method} {body:?}: {after}");
        assert_eq!(
            (&after["plan"], &after["planned_change"]),
            (&json!(plan), &Value::Null)
        );
        assert_eq!(schedules(&world), ["released"], "{method} {body:?}");
        world.settle().await;
        assert_eq!(shown(&world, &key).await, after, "events say the same");
        if method == "DELETE" {
            let (status, refused) = world
                .customer(
                    &key,
                    "PATCH",
                    SUBSCRIPTION,
                    "again",
                    Some(&later("professional")),
                )
                .await;
            assert_eq!(
                (status, &refused["code"]),
                (StatusCode::CONFLICT, &json!("subscription_ends"))
            );
        } else {
            period_ends(&world).await;
            assert_eq!(shown(&world, &key).await["plan"], plan, "{body:?}");
        }
        world.done().await;
    }
    // A cancellation now ends a subscription that a schedule manages.
    let (world, key) = subscribed().await;
    changes(&world, &key, "later", &later("professional")).await;
    let path = format!("{SUBSCRIPTION}?when=now");
    let (status, after) = world.customer(&key, "DELETE", &path, "end", None).await;
    assert_eq!(
        (status, &after["status"]),
        (StatusCode::OK, &json!("canceled")),
        "{after}"
    );
    world.settle().await;
    assert_eq!(shown(&world, &key).await["planned_change"], Value::Null);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn another_plan_replaces_the_planned_one() {
    let (world, key) = subscribed().await;
    changes(&world, &key, "one", &later("professional")).await;
    let planned = changes(&world, &key, "two", &later("teams")).await;
    assert_eq!(planned["planned_change"]["plan"], "teams");
    assert_eq!(
        schedules(&world),
        ["active"],
        "a subscription has one schedule"
    );
    period_ends(&world).await;
    assert_eq!(shown(&world, &key).await["plan"], "teams");
    for (wanted, code) in [
        (json!({ "plan": "starter", "when": "never" }), "bad_when"),
        (
            json!({ "plan": "starter", "when": "period_end", "at": 1 }),
            "bad_at",
        ),
        (json!({ "resume": true, "when": "period_end" }), "bad_body"),
        (json!({ "keep_plan": false }), "bad_body"),
        (json!({ "keep_plan": true, "resume": true }), "bad_body"),
    ] {
        let (status, refused) = world
            .customer(&key, "PATCH", SUBSCRIPTION, "bad", Some(&wanted))
            .await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{wanted}"
        );
    }
    world.done().await;
}

/// A person at Stripe's dashboard withdraws the change; the event says so.
#[tokio::test(start_paused = true)]
async fn what_is_done_at_the_dashboard_is_shown() {
    let (world, key) = subscribed().await;
    changes(&world, &key, "later", &later("professional")).await;
    let schedule = world.vendors.stripe.schedules().remove(0);
    let schedule = schedule["id"].as_str().expect("an id");
    world
        .vendors
        .stripe
        .release_schedule(schedule)
        .expect("an active one");
    world.settle().await;
    assert_eq!(shown(&world, &key).await["planned_change"], Value::Null);
    world.done().await;
}

/// A subscription that names its payment method gets that of the schedule when the change comes, so a
/// method that the customer chooses in between is set there, too.
#[tokio::test(start_paused = true)]
async fn a_new_payment_method_pays_after_the_change() {
    let (world, key) = subscribed().await;
    let stripe = &world.vendors.stripe;
    let first = stripe.add_card(CUSTOMER, "pm_card_visa").expect("a card");
    let managed = format!("subscriptions/{}", id(&world));
    let names = [("default_payment_method", first.as_str())];
    world.stripe_makes(&managed, &names).await;
    changes(&world, &key, "later", &later("professional")).await;
    let card = stripe.leave_card(CUSTOMER, "pm_card_mastercard");
    let card = card.expect("a card");
    let path = format!("/api/v1/billing/payment-methods/{card}/default");
    let (status, answer) = world.customer(&key, "POST", &path, "default", None).await;
    assert!(status.is_success(), "{answer}");
    period_ends(&world).await;
    let there = stripe.subscription(&id(&world)).expect("it is there");
    assert_eq!(shown(&world, &key).await["plan"], "professional");
    assert_eq!(there["default_payment_method"], json!(card));
    world.done().await;
}

/// Two changes at once: one of them holds the lock, and what is shown is what Stripe does.
#[tokio::test(start_paused = true)]
async fn two_changes_at_once_leave_one_result() {
    let (world, key) = subscribed().await;
    let (now, then) = (json!({ "plan": "teams" }), later("professional"));
    let ask = async |once: &str, wanted: &Value| {
        let asked = world.customer(&key, "PATCH", SUBSCRIPTION, once, Some(wanted));
        asked.await.0
    };
    let answers = together([ask("now", &now), ask("then", &then)]).await;
    assert!(answers.contains(&StatusCode::OK), "{answers:?}");
    world.settle().await;
    let before = shown(&world, &key).await;
    let expected = match &before["planned_change"] {
        Value::Null => before["plan"].clone(),
        planned => planned["plan"].clone(),
    };
    period_ends(&world).await;
    assert_eq!(shown(&world, &key).await["plan"], expected, "{before}");
    world.done().await;
}

/// A change that may die at a call. Its next attempt ends as intended. Returns the calls of the first
/// attempt.
async fn dies_at(
    planned: bool,
    (wanted, plan_then): (&Value, &str),
    death: Option<(u64, Moment)>,
) -> Vec<Called> {
    let (world, key) = subscribed().await;
    if planned {
        changes(&world, &key, "before", &later("professional")).await;
        world.settle().await;
    }
    let act = ("PATCH", SUBSCRIPTION, Some(wanted));
    let calls = asked_once(&world, &key, act, death).await;
    let after = changes(&world, &key, "once", wanted).await;
    world.settle().await;
    assert_eq!(shown(&world, &key).await, after, "{death:?}");
    let active = schedules(&world).into_iter().filter(|one| one == "active");
    assert!(active.count() <= 1, "{death:?}");
    period_ends(&world).await;
    assert_eq!(shown(&world, &key).await["plan"], plan_then, "{death:?}");
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_planned_change() {
    for (planned, wanted, plan) in [
        (false, later("professional"), "professional"),
        (true, later("teams"), "teams"),
        (true, json!({ "keep_plan": true }), "starter"),
        (true, json!({ "plan": "teams" }), "teams"),
    ] {
        let calls = dies_at(planned, (&wanted, plan), None).await;
        assert!(calls.len() >= 6, "{calls:?}");
        for death in deaths(&calls) {
            dies_at(planned, (&wanted, plan), Some(death)).await;
        }
    }
}

/// Stripe stores a 5xx under an idempotency key for a day.
#[tokio::test(start_paused = true)]
async fn a_failure_that_stripe_stores_does_not_end_a_planned_change() {
    for fault in [Fault::StoredFailure, Fault::DoneAndFailed] {
        for times in 1..=3 {
            let (world, key) = subscribed().await;
            let stripe = &world.vendors.stripe;
            for _ in 0..times {
                stripe.fail_next_at("POST /v1/subscription_schedules", fault);
            }
            let planned = changes(&world, &key, "later", &later("professional")).await;
            assert_eq!(
                planned["planned_change"]["plan"], "professional",
                "{fault:?}"
            );
            for _ in 0..times {
                stripe.fail_next_at("POST /v1/subscription_schedules", fault);
            }
            let kept = changes(&world, &key, "keep", &json!({ "keep_plan": true })).await;
            assert_eq!(kept["planned_change"], Value::Null, "{fault:?} {times}");
            assert_eq!(schedules(&world), ["released"], "{fault:?} {times}");
            world.settle().await;
            world.done().await;
        }
    }
}

/// A field that another path drops would change the plan now.
#[tokio::test(start_paused = true)]
async fn other_paths_know_when_a_plan_changes() {
    let (world, key) = subscribed().await;
    changes(&world, &key, "up", &json!({ "plan": "professional" })).await;
    let path = "/api/billing/subscription";
    let wanted = json!({ "planId": "starter", "when": "period_end", "note": "cheaper" });
    let (status, planned) = world
        .customer(&key, "PATCH", path, "down", Some(&wanted))
        .await;
    assert_eq!(status, StatusCode::OK, "{planned}");
    assert_eq!(
        (&planned["plan"], &planned["planned_change"]["plan"]),
        (&json!("professional"), &json!("starter"))
    );
    let kept = json!({ "keep_plan": true });
    let (status, shown) = world
        .customer(&key, "PATCH", path, "keep", Some(&kept))
        .await;
    assert_eq!(
        (status, &shown["planned_change"]),
        (StatusCode::OK, &Value::Null),
        "{shown}"
    );
    world.done().await;
}
