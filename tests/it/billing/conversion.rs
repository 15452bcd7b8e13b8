//! A trial converts: an account that adds a payment method gets the plan that the trial offers,
//! once.

use crate::world::program::program;
use crate::world::shop::subscribes;
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::inbox::{EventSource, EventState};
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::Value;
use stand_in_stripe::Fault;

const ATTACHED: &str = "payment_method.attached";

/// The plan's fields in `GET /api/v1/account`.
fn said(account: &Value) -> (&str, &str, bool) {
    let word = |name: &str| account[name].as_str().expect("a word");
    (
        word("plan"),
        word("subscription_status"),
        account["can_use_service"] == true,
    )
}

/// The statuses of the customer's subscriptions at Stripe.
fn subscribed(world: &World) -> Vec<String> {
    let all = world.vendors.stripe.subscriptions();
    all.iter()
        .map(|one| one["status"].as_str().expect("a status").to_owned())
        .collect()
}

fn leaves_a_card(world: &World) -> String {
    world
        .vendors
        .stripe
        .add_card(CUSTOMER, "pm_card_visa")
        .expect("a card")
}

#[tokio::test(start_paused = true)]
async fn payment_method_addition() {
    let program = program("trial", &[]).await;
    program.world.pushes_the_catalogue().await;
    assert_eq!(
        said(&program.get("/api/v1/account").await),
        ("trial", "none", true)
    );
    leaves_a_card(&program.world);
    program.world.settle().await;
    assert_eq!(
        said(&program.get("/api/v1/account").await),
        ("payg", "active", true)
    );
    // Adding another card changes nothing.
    leaves_a_card(&program.world);
    program.world.settle().await;
    assert_eq!(subscribed(&program.world), ["active"]);
    program.world.done().await;
}

/// Plays a conversion.
async fn converts(fault_plan: FaultPlan) {
    let (world, account) = World::on_plan(fault_plan, "trial", &[]).await;
    world.pushes_the_catalogue().await;
    leaves_a_card(&world);
    world.settle().await;
    assert_eq!(subscribed(&world), ["active"]);
    let whole = world
        .stack
        .store
        .account_find_whole(&account)
        .await
        .expect("the store answers");
    let (account, known) = whole.expect("the account is there");
    assert_eq!(known.subscriptions.len(), 1);
    let sold = catalogue::built_in();
    let entitlements = domain::billing::entitlements::entitlements(
        &sold,
        &account,
        &known,
        world.stack.outside.now(),
    )
    .expect("a plan");
    assert_eq!(entitlements.plan.id.as_str(), "payg");
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn trial_to_paid_conversion() {
    for seed in 401..406 {
        converts(FaultPlan::Seeded(seed)).await;
    }
}

/// An idempotency key that Stripe has used for another request, or under which it stores a failure,
/// does not block the conversion for a day.
#[tokio::test(start_paused = true)]
async fn a_conversion_with_a_used_key_takes_another() {
    for fault in [None, Some(Fault::StoredFailure)] {
        let (world, account) = World::on_plan(FaultPlan::Seeded(413), "trial", &[]).await;
        world.pushes_the_catalogue().await;
        let key = format!("convert-{account}-payg-1");
        fault
            .into_iter()
            .for_each(|fault| world.vendors.stripe.fail_next(fault));
        world
            .stripe_asked_under(&key, "customers", &[("name", "Somebody else")])
            .await;
        leaves_a_card(&world);
        world.settle().await;
        assert_eq!(subscribed(&world), ["active"]);
        world.done().await;
    }
}

/// A customer who subscribes to another plan with the new card is not converted.
#[tokio::test(start_paused = true)]
async fn who_has_chosen_a_plan_keeps_it() {
    let (world, account) = World::on_plan(FaultPlan::Seeded(411), "trial", &[]).await;
    world.pushes_the_catalogue().await;
    subscribes(&world, CUSTOMER).await;
    let sent = world.stripe_sent(&[ATTACHED]);
    world.acts_on(&sent[0]).await;
    assert_eq!(subscribed(&world), ["active"]);
    let whole = world
        .stack
        .store
        .account_find_whole(&account)
        .await
        .expect("the store answers");
    assert_eq!(
        whole.expect("the account is there").1.subscriptions.len(),
        1,
        "noted before its own event has come"
    );
    world.settle().await;
    world.done().await;
}

/// A customer who cancelled the plan does not get it again, and a removed card converts no trial.
#[tokio::test(start_paused = true)]
async fn no_trial_converts_against_the_customer_s_choice() {
    let (world, _) = World::on_plan(FaultPlan::Seeded(412), "trial", &[]).await;
    world.pushes_the_catalogue().await;
    let card = leaves_a_card(&world);
    let sent = world.stripe_sent(&[ATTACHED]);
    world.vendors.stripe.remove_card(&card).expect("a card");
    let (state, says) = world.acts_on(&sent[0]).await;
    assert_eq!(
        (state, says.as_str()),
        (EventState::Ignored, "the payment method was removed again")
    );
    leaves_a_card(&world);
    world.settle().await;
    assert_eq!(subscribed(&world), ["active"]);
    let made = world.vendors.stripe.subscriptions().remove(0);
    world
        .vendors
        .stripe
        .cancel_subscription(made["id"].as_str().expect("an id"))
        .expect("a subscription");
    world.settle().await;
    leaves_a_card(&world);
    world.settle().await;
    assert!(
        !subscribed(&world).contains(&"active".to_owned()),
        "{:?}",
        subscribed(&world)
    );
    world.done().await;
}

/// Without a Stripe key, or before the catalogue is pushed, the card is not forgotten.
#[tokio::test(start_paused = true)]
async fn a_conversion_waits_for_what_it_needs() {
    for settings in [&[("STRIPE_SECRET_KEY", "")][..], &[]] {
        let (world, _) = World::on_plan(FaultPlan::None, "trial", settings).await;
        leaves_a_card(&world);
        let sent = world.stripe_sent(&[ATTACHED]);
        assert_eq!(world.stripe_delivers(&sent[0]).await, StatusCode::ACCEPTED);
        world.turn(Queue::StripeEvents).await;
        let row = world
            .event(EventSource::Stripe, sent[0]["id"].as_str().expect("an id"))
            .await
            .expect("it is there");
        assert_eq!((row.state, row.tries.attempts), (EventState::Pending, 0));
        assert_eq!(subscribed(&world), Vec::<String>::new());
        world.abandoned();
    }
}
