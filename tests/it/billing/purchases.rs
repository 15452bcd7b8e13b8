//! Purchased credits: granted once, for what was sold, when it is paid.

use crate::world::shop::{PACK, PRICE, whole};
use crate::world::{FaultPlan, World};
use domain::ids::PaymentId;
use domain::inbox::{EventSource, EventState};
use domain::ledger::Cause;
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::Value;
use stand_in_stripe::Settlement;

const COMPLETED: &str = "checkout.session.completed";
const SUCCEEDED: &str = "payment_intent.succeeded";

#[tokio::test(start_paused = true)]
async fn a_purchase_is_granted_once() {
    for seed in 121..124 {
        let world = World::with(FaultPlan::Seeded(seed), &[]).await;
        let account = world.account().await;
        let payment = world.buys_a_pack().await;
        world.settle().await;
        let entries = world
            .stack
            .store
            .entry_all(&account)
            .await
            .expect("the store answers");
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(
            (entries[0].amount, entries[0].note.as_str()),
            (whole(10_000), "10,000 credits")
        );
        let cause = Cause::Payment(PaymentId::parse(&payment).expect("an id"));
        assert_eq!(entries[0].cause, cause.to_string());
        assert!(
            entries[0].source.starts_with("cs_") && !entries[0].priced_by.is_empty(),
            "{entries:?}"
        );
        assert_eq!(world.purse(&account).await, (10_000, 0));
        world.done().await;
    }
}

/// Either event alone is enough, and both in either order grant nothing more.
#[tokio::test(start_paused = true)]
async fn either_of_its_events_grants_it() {
    let world = World::with(FaultPlan::Seeded(124), &[]).await;
    let account = world.account().await;
    let mut credits = 0;
    for types in [
        &[COMPLETED][..],
        &[SUCCEEDED],
        &[COMPLETED, SUCCEEDED],
        &[SUCCEEDED, COMPLETED],
    ] {
        world.buys_a_pack().await;
        let sent = world.stripe_sent(types);
        assert_eq!(sent.len(), types.len());
        for (nth, kind) in types.iter().enumerate() {
            let event = sent
                .iter()
                .find(|event| event["type"] == *kind)
                .expect("it was sent");
            let (state, says) = world.acts_on(event).await;
            let expected = if nth == 0 {
                "granted 10000 credits for payment"
            } else {
                "done before"
            };
            assert!(
                state == EventState::Processed && says.contains(expected),
                "{says}"
            );
        }
        credits += 10_000;
        assert_eq!(world.purse(&account).await, (credits, 0));
    }
    world.settle().await;
    world.done().await;
}

/// The catalogue decides how many credits are granted, not the amount paid or the metadata.
#[tokio::test(start_paused = true)]
async fn credits_come_from_the_catalogue_alone() {
    let world = World::with(FaultPlan::Seeded(125), &[]).await;
    let account = world.account().await;
    let (mut credits, mut free) = (0, String::new());
    for (minor, quantity) in [(PRICE, 3), (1, 1), (0, 1)] {
        let price = world.price(PACK, minor).await;
        let spoof = [
            ("metadata[credits]", "1000000"),
            ("payment_intent_data[metadata][credits]", "1000000"),
        ];
        let more = if minor == 0 { &spoof[..1] } else { &spoof[..] };
        let session = world.cart(CUSTOMER, &price, quantity, more).await;
        if world.pays(&session).is_empty() {
            free = Cause::Payment(PaymentId::parse(&session).expect("an id")).to_string();
        }
        world.settle().await;
        credits += 10_000 * quantity;
        assert_eq!(
            world.purse(&account).await,
            (credits, 0),
            "{quantity} for {minor} each"
        );
    }
    let entries = world
        .stack
        .store
        .entry_all(&account)
        .await
        .expect("the store answers");
    let free = entries.iter().filter(|entry| entry.cause == free);
    assert_eq!(
        free.count(),
        1,
        "without a payment the session takes its place"
    );
    let three = entries
        .iter()
        .find(|entry| entry.amount == whole(30_000))
        .expect("three at once");
    assert_eq!(three.note, "3 × 10,000 credits");
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn money_that_takes_days_is_granted_when_it_has_come() {
    let world = World::with(FaultPlan::Seeded(126), &[]).await;
    let account = world.account().await;
    let stripe = world.vendors.stripe.clone();
    for (settlement, expected) in [(Settlement::Failed, 0), (Settlement::Paid, 10_000)] {
        let price = world.price(PACK, PRICE).await;
        let session = world.cart(CUSTOMER, &price, 1, &[]).await;
        stripe.pay_session_later(&session).expect("an open session");
        let sent = world.stripe_sent(&[COMPLETED]);
        let (state, says) = world.acts_on(&sent[0]).await;
        assert_eq!(
            (state, says.as_str()),
            (EventState::Processed, "not paid yet; nothing granted")
        );
        assert_eq!(world.purse(&account).await, (0, 0));
        stripe
            .settle_session(&session, settlement)
            .expect("a session that waits");
        world.settle().await;
        assert_eq!(world.purse(&account).await, (expected, 0), "{settlement:?}");
    }
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_never_paid_is_never_granted() {
    let world = World::with(FaultPlan::Seeded(127), &[]).await;
    let account = world.account().await;
    let stripe = world.vendors.stripe.clone();
    let price = world.price(PACK, PRICE).await;
    let left = world.cart(CUSTOMER, &price, 1, &[]).await;
    stripe.expire_session(&left).expect("an open session");
    let declined = world.cart(CUSTOMER, &price, 1, &[]).await;
    stripe.fail_next_payment(CUSTOMER).expect("a customer");
    assert!(
        stripe.pay_session(&declined).is_err(),
        "the card is declined"
    );
    world.settle().await;
    assert_eq!(world.entries(&account).await, Vec::<&str>::new());
    // The next attempt succeeds.
    world.pays(&declined);
    world.settle().await;
    assert_eq!(world.purse(&account).await, (10_000, 0));
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_in_the_catalogue_grants_nothing() {
    let world = World::with(FaultPlan::Seeded(128), &[]).await;
    let account = world.account().await;
    let price = world.price("prod_mugs", PRICE).await;
    world.pays(&world.cart(CUSTOMER, &price, 1, &[]).await);
    for event in world.stripe_sent(&[COMPLETED, SUCCEEDED]) {
        let (state, says) = world.acts_on(&event).await;
        assert_eq!(
            (state, says.as_str()),
            (EventState::Ignored, "nothing of the catalogue was bought")
        );
    }
    assert_eq!(world.entries(&account).await, Vec::<&str>::new());
    world.settle().await;
    world.done().await;
}

/// Without a Stripe key, nothing is granted and nothing is lost: the event waits and its outcome
/// names what is missing.
#[tokio::test(start_paused = true)]
async fn without_a_key_a_purchase_waits() {
    let world = World::with(FaultPlan::None, &[("STRIPE_SECRET_KEY", "")]).await;
    let account = world.account().await;
    world.buys_a_pack().await;
    for event in world.stripe_sent(&[COMPLETED, SUCCEEDED]) {
        assert_eq!(world.stripe_delivers(&event).await, StatusCode::ACCEPTED);
        world.turn(::queues::Queue::StripeEvents).await;
        let row = world
            .event(EventSource::Stripe, event["id"].as_str().expect("an id"))
            .await
            .expect("it is there");
        assert_eq!((row.state, row.tries.attempts), (EventState::Pending, 0));
    }
    assert_eq!(world.purse(&account).await, (0, 0));
    world.abandoned();
}

/// Test-mode payments grant nothing if the key is a live key, and vice versa.
#[tokio::test(start_paused = true)]
async fn an_event_of_stripes_other_mode_moves_nothing() {
    for (key, live) in [("sk_test_local", true), ("rk_live_local", false)] {
        let world = World::with(FaultPlan::None, &[("STRIPE_SECRET_KEY", key)]).await;
        let account = world.account().await;
        world.buys_a_pack().await;
        for mut event in world.stripe_sent(&[COMPLETED, SUCCEEDED]) {
            event["livemode"] = Value::Bool(live);
            let (state, says) = world.acts_on(&event).await;
            assert_eq!(
                (state, says.as_str()),
                (EventState::Unattributed, "of Stripe's other mode")
            );
        }
        assert_eq!(world.entries(&account).await, Vec::<&str>::new());
        world.settle().await;
        world.done().await;
    }
}
