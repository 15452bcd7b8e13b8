//! A trial converts: an account that adds a payment method gets the plan that the trial offers,
//! once.

use crate::world::money::Sold;
use crate::world::program::program;
use crate::world::shop::subscribes;
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::inbox::{EventSource, EventState};
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};
use stand_in_stripe::Fault;
use std::time::Duration;

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

/// The customer leaves a card, as with Checkout in `setup` mode: it becomes no default.
fn leaves_a_card(world: &World) -> String {
    leaves(world, "pm_card_visa")
}

fn leaves(world: &World, card: &str) -> String {
    let stripe = &world.vendors.stripe;
    stripe.leave_card(CUSTOMER, card).expect("a card")
}

/// The payment methods by which Stripe charges the customer's invoices and each subscription.
fn charged(world: &World) -> (Value, Vec<Value>) {
    let stripe = &world.vendors.stripe;
    let customer = stripe.customer(CUSTOMER).expect("a customer");
    let all = stripe.subscriptions();
    (
        customer["invoice_settings"]["default_payment_method"].clone(),
        all.iter()
            .map(|one| one["default_payment_method"].clone())
            .collect(),
    )
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

/// An idempotency key under which Stripe stores a failure does not block the conversion for a day.
#[tokio::test(start_paused = true)]
async fn a_conversion_with_a_used_key_takes_another() {
    for fault in [Fault::StoredFailure, Fault::DoneAndFailed] {
        let (world, _) = World::on_plan(FaultPlan::Seeded(413), "trial", &[]).await;
        world.pushes_the_catalogue().await;
        world
            .vendors
            .stripe
            .fail_next_at("POST /v1/subscriptions", fault);
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

/// The customer leaves a card on Stripe's page. A month passes, and the card pays for the fix.
#[tokio::test(start_paused = true)]
async fn what_a_converted_account_owes_is_collected() {
    let program = program("trial", &[]).await;
    let world = &program.world;
    world.pushes_the_catalogue().await;
    let methods = "/api/v1/billing/payment-methods";
    let (status, session) = program.ask("POST", methods, Some(&json!({}))).await;
    assert_eq!(status, StatusCode::CREATED, "{session}");
    world.pays(session["id"].as_str().expect("an id"));
    world.settle().await;
    let listed = program.get(methods).await;
    let method = &listed["payment_methods"][0];
    assert_eq!(method["is_default"], true, "{listed}");
    assert_eq!(
        charged(world),
        (method["id"].clone(), vec![method["id"].clone()])
    );

    world.issue_opens(40).await;
    world.settle().await;
    world.skip(Duration::from_secs(31 * 86_400));
    let stripe = &world.vendors.stripe;
    let subscription = stripe.subscriptions().remove(0);
    let id = subscription["id"].as_str().expect("an id");
    stripe.roll_period(id).expect("the next period");
    world.settle().await;
    let invoice = stripe.invoices().pop().expect("an invoice");
    assert_eq!(
        (&invoice["status"], &invoice["amount_paid"]),
        (&json!("paid"), &json!(1_500)),
        "{invoice}"
    );
    assert_eq!(
        said(&program.get("/api/v1/account").await),
        ("payg", "active", true)
    );
    program.world.done().await;
}

/// A newer card replaces an older one, for the customer and for the subscription that names it. A
/// card that the customer chose themselves stays.
#[tokio::test(start_paused = true)]
async fn the_newest_card_pays() {
    let program = program("trial", &[]).await;
    let world = &program.world;
    world.pushes_the_catalogue().await;
    let first = leaves_a_card(world);
    world.settle().await;
    assert_eq!(charged(world), (json!(first), vec![json!(first)]));
    world.skip(Duration::from_secs(60));
    let second = leaves_a_card(world);
    world.settle().await;
    assert_eq!(charged(world), (json!(second), vec![json!(second)]));
    let path = format!("/api/v1/billing/payment-methods/{first}/default");
    let (status, answer) = program.ask("POST", &path, None).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    assert_eq!(charged(world), (json!(first), vec![json!(first)]));
    world.settle().await;
    assert_eq!(charged(world), (json!(first), vec![json!(first)]));
    program.world.done().await;
}

/// The first charge of a conversion is declined. Another card ends in a paid subscription, before
/// and after the first one has expired.
#[tokio::test(start_paused = true)]
async fn a_declined_first_charge_does_not_end_conversion() {
    for expires in [false, true] {
        let sold = Sold::with(
            &format!("declined-{expires}"),
            &[("converts_to = \"payg\"", "converts_to = \"teams\"")],
        );
        let settings = [("CATALOGUE", sold.path())];
        let (world, _) = World::on_plan(FaultPlan::Seeded(414), "trial", &settings).await;
        world.pushes_the_catalogue().await;
        leaves(&world, "pm_card_chargeCustomerFail");
        world.settle().await;
        assert_eq!(subscribed(&world), ["incomplete"]);
        let stripe = &world.vendors.stripe;
        if expires {
            let made = stripe.subscriptions().remove(0);
            let id = made["id"].as_str().expect("an id");
            world.skip(Duration::from_secs(23 * 3_600));
            stripe.expire_subscription(id).expect("it is incomplete");
            world.settle().await;
        }
        world.skip(Duration::from_secs(3_600));
        let good = leaves_a_card(&world);
        world.settle().await;
        let expected: &[&str] = if expires {
            &["incomplete_expired", "active"]
        } else {
            &["active"]
        };
        assert_eq!(subscribed(&world), expected);
        assert_eq!(charged(&world).0, json!(good));
        let paid = stripe.invoices();
        let paid = paid.iter().filter(|invoice| invoice["status"] == "paid");
        assert_eq!(paid.count(), 1, "charged once");
        world.done().await;
    }
}

/// One conversion whose process may die at this call. Returns its calls.
async fn dies_at(call: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, _) = World::on_plan(FaultPlan::None, "trial", &[]).await;
    world.pushes_the_catalogue().await;
    let card = leaves_a_card(&world);
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(before + call, moment);
    }
    world.settle().await;
    let calls = world.stack.faults.since(before);
    assert_eq!(subscribed(&world), ["active"], "{call:?}");
    assert_eq!(
        charged(&world),
        (json!(card), vec![json!(card)]),
        "{call:?}"
    );
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_conversion() {
    let calls = dies_at(None).await;
    assert!(calls.len() >= 20, "{calls:?}");
    for death in deaths(&calls) {
        dies_at(Some(death)).await;
    }
}
