//! Changes of a subscription that Stripe makes hard: a cancellation in its portal, and failures that
//! it stores.

use crate::billing::subscription::{SUBSCRIPTION, plan, subscribed};
use http::StatusCode;
use serde_json::{Value, json};
use stand_in_stripe::Fault;

/// Under flexible billing, the portal ends a subscription by `cancel_at`, and the flag
/// `cancel_at_period_end` stays false (docs.stripe.com/billing/subscriptions/billing-mode/compare).
#[tokio::test(start_paused = true)]
async fn a_cancellation_in_the_portal_is_undone() {
    let (world, key) = subscribed().await;
    let stripe = &world.vendors.stripe;
    let id = stripe.subscriptions().remove(0)["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let there = || stripe.subscription(&id).expect("it is there");
    assert_eq!(there()["billing_mode"]["type"], "flexible");
    stripe.cancel_in_portal(&id).expect("an active one");
    assert_eq!(there()["cancel_at_period_end"], false);
    world.settle().await;
    let shown = world.customer(&key, "GET", SUBSCRIPTION, "", None).await.1;
    assert_eq!(
        (&shown["cancelled"], &shown["ends_at"]),
        (&json!(true), &shown["period_end"]),
        "{shown}"
    );
    // A cancellation of what is cancelled changes nothing.
    let (status, _) = world
        .customer(&key, "DELETE", SUBSCRIPTION, "end", None)
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(there()["cancel_at_period_end"], false);
    let resume = json!({ "resume": true });
    let (status, kept) = world
        .customer(&key, "PATCH", SUBSCRIPTION, "keep", Some(&resume))
        .await;
    assert_eq!(
        (status, &kept["cancelled"], &kept["ends_at"]),
        (StatusCode::OK, &json!(false), &Value::Null)
    );
    assert_eq!(there()["cancel_at"], Value::Null);
    world.settle().await;
    stripe.roll_period(&id).expect("the next period");
    world.settle().await;
    assert_eq!(there()["status"], "active");
    world.done().await;
}

/// Stripe stores a 5xx under an idempotency key for a day. The client repeats its request as told,
/// under its own key, and the change is made once, whether Stripe had made it or not.
#[tokio::test(start_paused = true)]
async fn a_failure_that_stripe_stores_does_not_end_a_change() {
    let resume = json!({ "resume": true });
    for fault in [Fault::StoredFailure, Fault::DoneAndFailed] {
        for times in 1..=4 {
            let (world, key) = subscribed().await;
            let stripe = &world.vendors.stripe;
            for _ in 0..times {
                stripe.fail_next_at("POST /v1/subscriptions/sub_", fault);
            }
            let change = plan("professional");
            let ask = async |body| {
                world
                    .customer(&key, "PATCH", SUBSCRIPTION, "up", body)
                    .await
            };
            let (status, shown) = ask(change.as_ref()).await;
            assert_eq!(
                (status, &shown["plan"]),
                (StatusCode::OK, &json!("professional")),
                "{fault:?} {times}: {shown}"
            );
            let paid = stripe.invoices();
            let paid = paid.iter().filter(|one| one["amount_paid"] == 7_000);
            assert_eq!(paid.count(), 1, "{fault:?} {times}");
            world.settle().await;
            world.done().await;
        }
        let (world, key) = subscribed().await;
        let stripe = &world.vendors.stripe;
        let id = stripe.subscriptions().remove(0)["id"].clone();
        let id = id.as_str().expect("an id");
        stripe.cancel_in_portal(id).expect("an active one");
        stripe.fail_next_at("POST /v1/subscriptions/sub_", fault);
        let (status, kept) = world
            .customer(&key, "PATCH", SUBSCRIPTION, "keep", Some(&resume))
            .await;
        assert_eq!(
            (status, &kept["cancelled"]),
            (StatusCode::OK, &json!(false))
        );
        world.settle().await;
        world.done().await;
    }
}
