//! Stripe's subscription events, in any order.

use crate::world::shop::{behind_prefix, subscribes};
use crate::world::verbs::permutations;
use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World, fixture};
use domain::billing::subscriptions::{Status, Subscription};
use domain::ids::{AccountId, SubscriptionId};
use domain::inbox::EventState;
use local_stack::world::CUSTOMER;
use serde_json::Value;

/// A Stripe event: its sample, its creation time in seconds, and the status that it reports.
type Said = (&'static str, i64, &'static str);

const CREATED: &str = "customer.subscription.created";
const UPDATED: &str = "customer.subscription.updated";
const PAUSED: &str = "customer.subscription.paused";
const DELETED: &str = "customer.subscription.deleted";

/// An event about the subscription with this name.
fn event(name: &str, nth: usize, (sample, created, status): Said) -> Value {
    let mut event = fixture("stripe", sample);
    event["id"] = format!("evt_{name}n{nth}").into();
    event["created"] = created.into();
    event["data"]["object"]["id"] = format!("sub_{name}").into();
    event["data"]["object"]["status"] = status.into();
    event
}

/// The stored subscription.
async fn kept(world: &World, account: &AccountId, name: &str) -> Subscription {
    let whole = world
        .stack
        .store
        .account_find_whole(account)
        .await
        .expect("the store answers");
    let id = SubscriptionId::parse(&format!("sub_{name}")).expect("an id");
    let (_, all) = whole.expect("the account is there");
    all.subscriptions
        .into_iter()
        .find(|known| known.id == id)
        .expect("the subscription is kept")
}

/// Sends the events in every order, each order for a separate subscription; all must end the same.
async fn ends_as(world: &World, life: &[Said], expected: &str) {
    let account = world.account().await;
    for order in permutations(life.len()) {
        let name = order.iter().map(usize::to_string).collect::<String>()
            + expected.get(..1).unwrap_or_default();
        for place in &order {
            let (state, says) = world.acts_on(&event(&name, *place, life[*place])).await;
            assert!(
                matches!(state, EventState::Processed | EventState::Ignored),
                "{state:?}: {says}"
            );
        }
        let kept = kept(world, &account, &name).await;
        assert_eq!(kept.status.as_str(), expected, "{order:?} of {life:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriptions_events_end_the_same_in_every_order() {
    let life: [Said; 5] = [
        (CREATED, 1_000, "trialing"),
        (PAUSED, 2_000, "paused"),
        (UPDATED, 3_000, "active"),
        (UPDATED, 4_000, "past_due"),
        (DELETED, 5_000, "canceled"),
    ];
    let world = World::with(FaultPlan::None, &[]).await;
    for length in 1..=life.len() {
        ends_as(&world, &life[..length], life[length - 1].2).await;
    }
    world.settle().await;
    world.done().await;
}

/// Stripe's timestamps are whole seconds. If Stripe no longer knows the subscription, the later
/// status in the life cycle counts.
#[tokio::test(start_paused = true)]
async fn what_fell_into_one_second_ends_the_same_in_every_order() {
    let lives: [(&[Said], &str); 4] = [
        (
            &[
                (CREATED, 1_000, "incomplete"),
                (UPDATED, 1_000, "active"),
                (DELETED, 1_000, "canceled"),
            ],
            "canceled",
        ),
        (
            &[
                (CREATED, 1_000, "incomplete"),
                (UPDATED, 1_000, "active"),
                (UPDATED, 1_000, "past_due"),
            ],
            "past_due",
        ),
        (
            &[(CREATED, 1_000, "trialing"), (PAUSED, 1_000, "paused")],
            "paused",
        ),
        (
            &[
                (UPDATED, 1_000, "incomplete"),
                (UPDATED, 1_000, "active"),
                (UPDATED, 2_000, "unpaid"),
            ],
            "unpaid",
        ),
    ];
    for settings in [&[][..], &[("STRIPE_SECRET_KEY", "")]] {
        let world = World::with(FaultPlan::Seeded(101), settings).await;
        for (life, expected) in lives {
            ends_as(&world, life, expected).await;
        }
        world.settle().await;
        world.done().await;
    }
}

/// If Stripe can be asked, its answer counts, with the timestamp of the events in question.
#[tokio::test(start_paused = true)]
async fn of_two_events_in_one_second_stripe_decides() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    let account = world.account().await;
    for (name, order) in [("one", [0, 1]), ("other", [1, 0])] {
        let life: [Said; 2] = [(UPDATED, 1_000, "active"), (UPDATED, 1_000, "past_due")];
        let mut now = fixture("stripe", UPDATED)["data"]["object"].clone();
        now["id"] = format!("sub_{name}").into();
        now["status"] = "unpaid".into();
        world.wire.answer(
            &format!("GET stripe.wire/v1/subscriptions/sub_{name}"),
            ALWAYS,
            Reply::json(200, now),
        );
        for place in order {
            world.acts_on(&event(name, place, life[place])).await;
        }
        let known = kept(&world, &account, name).await;
        assert_eq!(
            (known.status.as_str(), known.as_of.seconds()),
            ("unpaid", 1_000)
        );
        assert_eq!(
            world.wire.heard(&format!("subscriptions/sub_{name}")).len(),
            1
        );
        // A newer event still wins.
        world
            .acts_on(&event(name, 2, (UPDATED, 1_001, "active")))
            .await;
        assert_eq!(kept(&world, &account, name).await.status, Status::Active);
    }
    world.settle().await;
    world.done().await;
}

/// A subscription that has ended stays ended, even if a newer event about it arrives.
#[tokio::test(start_paused = true)]
async fn a_cancelled_subscription_does_not_come_back() {
    let world = World::with(FaultPlan::None, &[]).await;
    let account = world.account().await;
    world
        .acts_on(&event("1", 0, (DELETED, 1_000, "canceled")))
        .await;
    let (state, says) = world
        .acts_on(&event("1", 1, (UPDATED, 2_000, "active")))
        .await;
    assert_eq!(
        (state, says.as_str()),
        (EventState::Ignored, "a newer state is recorded")
    );
    assert_eq!(kept(&world, &account, "1").await.status, Status::Canceled);
    // A subscription whose newest event reports it as active has ended if an older event says so.
    world
        .acts_on(&event("2", 0, (UPDATED, 2_000, "active")))
        .await;
    world
        .acts_on(&event("2", 1, (DELETED, 1_000, "canceled")))
        .await;
    assert_eq!(kept(&world, &account, "2").await.status, Status::Canceled);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_status_changes_no_entitlement() {
    let world = World::with(FaultPlan::Seeded(104), &[]).await;
    let account = world.account().await;
    world
        .acts_on(&event("1", 0, (UPDATED, 1_000, "past_due")))
        .await;
    let (state, says) = world
        .acts_on(&event("1", 1, (UPDATED, 2_000, "hibernating")))
        .await;
    assert!(
        state == EventState::Processed && says.contains("hibernating"),
        "{says}"
    );
    let known = kept(&world, &account, "1").await;
    assert_eq!(
        (known.status, known.as_of.seconds()),
        (Status::PastDue, 2_000)
    );
    world.settle().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_event_again_changes_nothing() {
    let world = World::with(FaultPlan::Seeded(102), &[]).await;
    let event = event("1", 0, (UPDATED, 1_000, "active"));
    let first = world.acts_on(&event).await;
    assert_eq!(world.acts_on(&event).await, first);
    assert_eq!(
        world
            .logged(domain::inbox::EventSource::Stripe, &EventState::ALL)
            .await
            .len(),
        1
    );
    world.settle().await;
    world.done().await;
}

/// A subscription at Stripe, from its beginning to its end.
#[tokio::test(start_paused = true)]
async fn a_real_subscription_is_kept_as_stripe_has_it() {
    let world = World::with(FaultPlan::Seeded(105), &[]).await;
    let account = world.account().await;
    let id = subscribes(&world, CUSTOMER).await;
    world.settle().await;
    let known = kept(&world, &account, behind_prefix(&id)).await;
    assert_eq!((&known.status, known.items.len()), (&Status::Active, 1));
    assert_eq!(
        known.items[0]
            .product
            .as_ref()
            .map(|product| product.as_str()),
        Some("tallyhook_plan_starter")
    );
    let period = known.period.expect("a period");
    assert!(
        period.start < period.end && known.ends_at.is_none(),
        "{known:?}"
    );
    let invoices = world
        .stack
        .store
        .invoice_list(&account)
        .await
        .expect("the store answers");
    assert_eq!(
        invoices
            .iter()
            .map(|invoice| invoice.status.as_str())
            .collect::<Vec<_>>(),
        ["paid"]
    );
    assert_eq!(invoices[0].subscription.as_ref(), Some(&known.id));
    assert_eq!(
        world.entries(&account).await,
        Vec::<&str>::new(),
        "a subscription buys no credits"
    );
    world.done().await;
}

/// The end of a trial is announced once, and not if the trial is already over.
#[tokio::test(start_paused = true)]
async fn a_trial_that_ends_is_announced_once() {
    let world = World::with(FaultPlan::Seeded(106), &[]).await;
    let account = world.account().await;
    let ends = "customer.subscription.trial_will_end";
    for (name, life) in [
        (
            "goeson",
            vec![(ends, 1_000, "trialing"), (ends, 1_001, "trialing")],
        ),
        (
            "isover",
            vec![(DELETED, 2_000, "canceled"), (ends, 1_000, "trialing")],
        ),
    ] {
        for (nth, said) in life.into_iter().enumerate() {
            world.acts_on(&event(name, nth, said)).await;
        }
    }
    let notices = world
        .stack
        .store
        .notice_list(&account)
        .await
        .expect("the store answers");
    let facts: Vec<_> = notices.iter().map(|notice| notice.fact.as_str()).collect();
    assert_eq!(facts, ["trial_ending#sub_goeson"]);
    assert!(
        notices[0].words.contains("ends on 2026-12-04"),
        "{}",
        notices[0].words
    );
    world.settle().await;
    world.done().await;
}
