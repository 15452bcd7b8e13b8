//! The life of a subscription through the customers' API: it begins, changes, is cancelled, resumed
//! and lost, and is never doubled.

use crate::billing::checkouts::shop;
use crate::world::{FaultPlan, World};
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};

pub const SUBSCRIPTION: &str = "/api/v1/billing/subscription";
const PREVIEW: &str = "/api/v1/billing/subscription/preview";

pub fn plan(id: &str) -> Option<Value> {
    Some(json!({ "plan": id }))
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_subscribed_to_once() {
    let program = shop("credits").await;
    let world = &program.world;
    let stripe = &world.vendors.stripe;
    assert_eq!(program.get(SUBSCRIPTION).await["status"], "none");
    let (status, answer) = program
        .ask("POST", SUBSCRIPTION, plan("starter").as_ref())
        .await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::PAYMENT_REQUIRED, &json!("no_payment_method"))
    );
    for (id, code) in [
        ("enterprise", "by_agreement"),
        ("free", "costs_nothing"),
        ("gold", "unknown_plan"),
    ] {
        let (status, answer) = program.ask("POST", SUBSCRIPTION, plan(id).as_ref()).await;
        assert_eq!((status.as_u16(), &answer["code"]), (422, &json!(code)));
    }
    stripe.add_card(CUSTOMER, "pm_card_visa").expect("a card");
    let made = world
        .customer(
            &program.key,
            "POST",
            SUBSCRIPTION,
            "a",
            plan("starter").as_ref(),
        )
        .await;
    assert_eq!(made.0, StatusCode::CREATED, "{}", made.1);
    assert_eq!(
        (&made.1["status"], &made.1["plan"]),
        (&json!("active"), &json!("starter"))
    );
    assert_eq!(
        world
            .customer(
                &program.key,
                "POST",
                SUBSCRIPTION,
                "a",
                plan("starter").as_ref()
            )
            .await,
        made
    );
    let other = world
        .customer(
            &program.key,
            "POST",
            SUBSCRIPTION,
            "a",
            plan("teams").as_ref(),
        )
        .await;
    assert_eq!(
        (other.0, &other.1["code"]),
        (StatusCode::CONFLICT, &json!("idempotency_key_reused"))
    );
    for path in [SUBSCRIPTION, "/api/v1/billing/checkout"] {
        let (status, answer) = program.ask("POST", path, plan("teams").as_ref()).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::CONFLICT, &json!("already_subscribed")),
            "{path}"
        );
    }
    assert_eq!(stripe.subscriptions().len(), 1);
    world.settle().await;
    assert_eq!(
        program.get(SUBSCRIPTION).await,
        made.1,
        "events say the same"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn two_requests_at_once_are_one_subscription() {
    let program = shop("credits").await;
    let world = &program.world;
    world
        .vendors
        .stripe
        .add_card(CUSTOMER, "pm_card_visa")
        .expect("a card");
    let body = plan("starter");
    let (one, other) = tokio::join!(
        world.customer(&program.key, "POST", SUBSCRIPTION, "a", body.as_ref()),
        world.customer(&program.key, "POST", SUBSCRIPTION, "b", body.as_ref()),
    );
    assert!(
        one.0 == StatusCode::CREATED || other.0 == StatusCode::CREATED,
        "{one:?} {other:?}"
    );
    assert_eq!(
        world.vendors.stripe.subscriptions().len(),
        1,
        "{one:?} {other:?}"
    );
    world.settle().await;
    program.world.done().await;
}

/// Subscribes with a death at this call; the retry ends in one subscription. Returns its calls.
async fn dies_at(call: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
    let key = world.key_of(&account, "the first").await;
    world.pushes_the_catalogue().await;
    let stripe = &world.vendors.stripe;
    stripe.add_card(CUSTOMER, "pm_card_visa").expect("a card");
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(before + call, moment);
    }
    let body = json!({ "plan": "starter" });
    let _ = world
        .customer_once(&key, "POST", SUBSCRIPTION, "once", Some(&body))
        .await;
    let calls = world.stack.faults.since(before);
    let (status, made) = world
        .customer(&key, "POST", SUBSCRIPTION, "once", plan("starter").as_ref())
        .await;
    assert_eq!(
        (status, &made["status"]),
        (StatusCode::CREATED, &json!("active")),
        "{call:?}: {made}"
    );
    assert_eq!(stripe.subscriptions().len(), 1, "{call:?}");
    world.settle().await;
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_subscribing() {
    let calls = dies_at(None).await;
    assert!(calls.len() >= 10, "{calls:?}");
    for death in deaths(&calls) {
        dies_at(Some(death)).await;
    }
}

/// An account without faults whose customer has subscribed.
pub async fn subscribed() -> (World, String) {
    let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
    let key = world.key_of(&account, "the first").await;
    world.pushes_the_catalogue().await;
    world
        .vendors
        .stripe
        .add_card(CUSTOMER, "pm_card_visa")
        .expect("a card");
    let (status, made) = world
        .customer(
            &key,
            "POST",
            SUBSCRIPTION,
            "begin",
            plan("starter").as_ref(),
        )
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    world.settle().await;
    (world, key)
}

/// One request that may die at a call. Returns its calls.
pub async fn asked_once(
    world: &World,
    key: &str,
    (method, path, body): (&str, &str, Option<&Value>),
    death: Option<(u64, Moment)>,
) -> Vec<Called> {
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = death {
        world.stack.faults.crash_at(before + call, moment);
    }
    let _ = world.customer_once(key, method, path, "once", body).await;
    world.stack.faults.since(before)
}

/// A subscription change that may die at a call. Its next attempt ends as intended, and the store
/// shows it at once. Returns the calls of the first attempt.
async fn changes(
    act: (&str, &str, Option<&Value>),
    shows: (&str, &str),
    death: Option<(u64, Moment)>,
) -> Vec<Called> {
    let (world, key) = subscribed().await;
    let calls = asked_once(&world, &key, act, death).await;
    let (status, shown) = world.customer(&key, act.0, act.1, "once", act.2).await;
    assert_eq!(status, StatusCode::OK, "{death:?}: {shown}");
    assert_eq!(shown[shows.0], shows.1, "{death:?}: {shown}");
    assert_eq!(world.vendors.stripe.subscriptions().len(), 1, "{death:?}");
    world.settle().await;
    let (_, shown) = world.customer(&key, "GET", SUBSCRIPTION, "", None).await;
    assert_eq!(shown[shows.0], shows.1, "{death:?}");
    world.done().await;
    calls
}

async fn dies_anywhere(act: (&str, &str, Option<&Value>), shows: (&str, &str)) {
    let calls = changes(act, shows, None).await;
    assert!(calls.len() >= 6, "{calls:?}");
    for death in deaths(&calls) {
        changes(act, shows, Some(death)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_cancelling() {
    dies_anywhere(
        ("DELETE", &format!("{SUBSCRIPTION}?when=now"), None),
        ("status", "canceled"),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_change() {
    dies_anywhere(
        ("PATCH", SUBSCRIPTION, plan("professional").as_ref()),
        ("plan", "professional"),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_means_the_subscription_that_was_there() {
    let path = format!("{SUBSCRIPTION}?when=now");
    // The call after which Stripe has acted and the answer is lost.
    for call in 1..20 {
        let (world, key) = subscribed().await;
        asked_once(
            &world,
            &key,
            ("DELETE", &path, None),
            Some((call, Moment::After)),
        )
        .await;
        let over = world
            .vendors
            .stripe
            .subscriptions()
            .iter()
            .all(|one| one["status"] == "canceled");
        world.settle().await;
        if over {
            let (status, made) = world
                .customer(&key, "POST", SUBSCRIPTION, "again", plan("teams").as_ref())
                .await;
            assert_eq!(status, StatusCode::CREATED, "{made}");
            let (status, shown) = world.customer(&key, "DELETE", &path, "once", None).await;
            assert_eq!(status, StatusCode::OK, "{shown}");
            world.settle().await;
            let stands = world.customer(&key, "GET", SUBSCRIPTION, "", None).await.1;
            assert_eq!(
                (&stands["id"], &stands["status"]),
                (&made["id"], &json!("active")),
                "the new one stays"
            );
            return world.done().await;
        }
        world.done().await;
    }
    panic!("no call cancels");
}

#[tokio::test(start_paused = true)]
async fn a_change_costs_what_its_preview_showed() {
    let program = shop("credits").await;
    let world = &program.world;
    world
        .vendors
        .stripe
        .add_card(CUSTOMER, "pm_card_visa")
        .expect("a card");
    program
        .ask("POST", SUBSCRIPTION, plan("starter").as_ref())
        .await;
    world.settle().await;
    let before = program.get(SUBSCRIPTION).await;
    let (status, preview) = program
        .ask("POST", PREVIEW, plan("professional").as_ref())
        .await;
    assert_eq!(status, StatusCode::OK, "{preview}");
    assert_eq!(
        (&preview["amount_due_minor"], &preview["currency"]),
        (&json!(7_000), &json!("usd")),
        "{preview}"
    );
    assert!(
        preview["lines"]
            .as_array()
            .is_some_and(|lines| !lines.is_empty()),
        "{preview}"
    );
    assert_eq!(
        program.get(SUBSCRIPTION).await,
        before,
        "a preview changes nothing"
    );

    let change = json!({ "plan": "professional", "at": preview["at"] });
    let changed = world
        .customer(&program.key, "PATCH", SUBSCRIPTION, "up", Some(&change))
        .await;
    assert_eq!(changed.0, StatusCode::OK, "{}", changed.1);
    assert_eq!(
        (&changed.1["plan"], &changed.1["id"]),
        (&json!("professional"), &before["id"])
    );
    let paid = world.vendors.stripe.invoices();
    assert!(
        paid.iter().any(|invoice| invoice["amount_paid"] == 7_000),
        "{paid:?}"
    );
    let invoices = paid.len();
    world.settle().await;
    // A repeated event has no effect later, whatever has happened since.
    let down = program
        .ask("PATCH", SUBSCRIPTION, plan("starter").as_ref())
        .await;
    assert_eq!(down.1["plan"], "starter", "{down:?}");
    let again = world
        .customer(&program.key, "PATCH", SUBSCRIPTION, "up", Some(&change))
        .await;
    assert_eq!(
        (again.0, &again.1["plan"]),
        (StatusCode::OK, &json!("starter"))
    );
    world.settle().await;
    assert_eq!(program.get(SUBSCRIPTION).await["plan"], "starter");
    assert!(world.vendors.stripe.invoices().len() <= invoices + 1);
    for (body, code) in [
        (json!({}), "bad_body"),
        (json!({ "resume": false }), "bad_body"),
        (json!({ "plan": "teams", "resume": true }), "bad_body"),
        (json!({ "plan": "teams", "at": 1 }), "bad_at"),
    ] {
        let (status, answer) = program.ask("PATCH", SUBSCRIPTION, Some(&body)).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{body}"
        );
    }
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_cancelled_kept_and_ended() {
    let program = shop("credits").await;
    let world = &program.world;
    let (status, _) = program.ask("DELETE", SUBSCRIPTION, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    world
        .vendors
        .stripe
        .add_card(CUSTOMER, "pm_card_visa")
        .expect("a card");
    program
        .ask("POST", SUBSCRIPTION, plan("starter").as_ref())
        .await;
    let cancelled = world
        .customer(&program.key, "DELETE", SUBSCRIPTION, "end", None)
        .await;
    assert_eq!(
        (cancelled.0, &cancelled.1["cancelled"]),
        (StatusCode::OK, &json!(true)),
        "{}",
        cancelled.1
    );
    assert_eq!(cancelled.1["ends_at"], cancelled.1["period_end"]);
    world.settle().await;
    let (status, kept) = program
        .ask("PATCH", SUBSCRIPTION, Some(&json!({ "resume": true })))
        .await;
    assert_eq!(
        (status, &kept["cancelled"], &kept["ends_at"]),
        (StatusCode::OK, &json!(false), &Value::Null)
    );
    // Repeating the key of the withdrawn cancellation does not cancel again.
    let again = world
        .customer(&program.key, "DELETE", SUBSCRIPTION, "end", None)
        .await;
    assert_eq!(again.1["cancelled"], false, "{}", again.1);
    world.settle().await;
    assert_eq!(program.get(SUBSCRIPTION).await["cancelled"], false);
    let bad = program
        .ask("DELETE", &format!("{SUBSCRIPTION}?when=soon"), None)
        .await;
    assert_eq!(bad.0, StatusCode::BAD_REQUEST);
    let (status, ended) = program
        .ask("DELETE", &format!("{SUBSCRIPTION}?when=now"), None)
        .await;
    assert_eq!(
        (status, &ended["status"]),
        (StatusCode::OK, &json!("canceled")),
        "{ended}"
    );
    world.settle().await;
    let after = program.get(SUBSCRIPTION).await;
    assert_eq!(
        (&after["status"], &after["effective_plan"]),
        (&json!("canceled"), &json!("credits"))
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn retries_payment_failures() {
    let program = shop("credits").await;
    let world = &program.world;
    let stripe = &world.vendors.stripe;
    stripe.add_card(CUSTOMER, "pm_card_visa").expect("a card");
    stripe.fail_next_payment(CUSTOMER).expect("a customer");
    let declined = world
        .customer(
            &program.key,
            "POST",
            SUBSCRIPTION,
            "a",
            plan("starter").as_ref(),
        )
        .await;
    assert_eq!(
        (declined.0, &declined.1["code"]),
        (StatusCode::PAYMENT_REQUIRED, &json!("payment_declined"))
    );
    world.skip(std::time::Duration::from_secs(120));
    let (status, made) = program
        .ask("POST", SUBSCRIPTION, plan("starter").as_ref())
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    world.settle().await;
    let id = made["id"].as_str().expect("an id").to_owned();
    stripe.fail_next_payment(CUSTOMER).expect("a customer");
    stripe.roll_period(&id).expect("a period");
    world.settle().await;
    let late = program.get(SUBSCRIPTION).await;
    assert_eq!(
        (&late["status"], &late["effective_plan"]),
        (&json!("past_due"), &json!("starter")),
        "{late}"
    );
    assert!(late["grace_until"].is_string(), "{late}");
    let open = stripe
        .invoices()
        .into_iter()
        .find(|invoice| invoice["status"] == "open")
        .expect("an invoice");
    stripe
        .pay_invoice(open["id"].as_str().expect("an id"))
        .expect("it is paid");
    world.settle().await;
    let recovered = program.get(SUBSCRIPTION).await;
    assert_eq!(
        (&recovered["status"], &recovered["grace_until"]),
        (&json!("active"), &Value::Null)
    );
    program.world.done().await;
}
