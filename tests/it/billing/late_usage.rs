//! Usage that is reported after its billing period has closed is moved into the current period and
//! billed there, once.

use crate::billing::metering::{METER_EVENTS, hours_pass, pending};
use crate::world::wire::{ALWAYS, WIRED};
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::billing::subscriptions::Subscription;
use domain::ids::AccountId;
use domain::time::Timestamp;
use local_stack::world::CUSTOMER;
use serde_json::Value;
use stand_in_shared::faults::Moment;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const MONTH_SECONDS: i64 = 30 * 86_400;

impl World {
    fn now(&self) -> Timestamp {
        self.stack.outside.now()
    }

    /// Stripe reports that the account's current period began this long ago.
    pub async fn period_began(&self, ago: Duration) {
        let now = self.now().seconds();
        let start = now - i64::try_from(ago.as_secs()).expect("not that long");
        let account = self.account().await;
        let known = self.subscriptions_of(&account).await.remove(0);
        let said = self
            .stripe_sends_changed("customer.subscription.updated", |event| {
                event["id"] = format!("evt_began{start}").into();
                event["created"] = now.into();
                let subscription = &mut event["data"]["object"];
                subscription["id"] = known.id.as_str().into();
                subscription["customer"] = CUSTOMER.into();
                subscription["status"] = "active".into();
                subscription["trial_end"] = Value::Null;
                for item in subscription["items"]["data"].as_array_mut().expect("items") {
                    item["current_period_start"] = start.into();
                    item["current_period_end"] = (start + MONTH_SECONDS).into();
                    let sold = &known.items[0];
                    item["price"]["id"] = sold.price.as_str().into();
                    let product = sold.product.as_ref().expect("a product");
                    item["price"]["product"] = product.as_str().into();
                }
            })
            .await;
        assert!(said.is_success(), "{said}");
        self.drain(Queue::StripeEvents).await;
        let known = self.subscriptions_of(&account).await;
        assert_eq!(
            known[0].period.map(|period| period.start),
            Some(Timestamp::from_seconds(start)),
            "it is known"
        );
    }

    async fn subscriptions_of(&self, account: &AccountId) -> Vec<Subscription> {
        let whole = self.stack.store.account_find_whole(account).await;
        let (_, contracts) = whole
            .expect("the store answers")
            .expect("the account is there");
        contracts.subscriptions
    }

    /// The timestamp of the usage that was reported, once.
    fn reported_with(&self) -> i64 {
        let events = self.vendors.stripe.meter_events();
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(self.vendors.stripe.total(CUSTOMER, "pull_requests"), 1);
        events[0].timestamp
    }
}

#[tokio::test(start_paused = true)]
async fn usage_of_a_closed_period_is_reported_within_the_current_one() {
    // After the second delay, the usage is older than Stripe accepts.
    for late in [2 * DAY, 40 * DAY] {
        for fault_plan in [FaultPlan::None, FaultPlan::Seeded(81)] {
            let world = pending(fault_plan, &WIRED).await;
            world.skip(late);
            world.period_began(2 * HOUR).await;
            let before = world.now().seconds();
            world.settle().await;
            assert!(
                world.reported_with() >= before,
                "it is billed in the period that runs"
            );
            let job = world.commented_job().await;
            let usage = &world.shown_job(&job.facts.id).await["payment"]["usage"][0];
            assert_ne!(usage["reported_at"], Value::Null);
            world.done().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_its_own_period_still_bills_keeps_its_moment() {
    // Stripe keeps the invoice open for an hour. If the current period had already begun, the usage
    // belongs to it.
    for (late, began) in [(DAY, 30 * MINUTE), (DAY, 2 * DAY)] {
        let world = pending(FaultPlan::None, &WIRED).await;
        let used = world.now().seconds();
        world.skip(late);
        world.period_began(began).await;
        world.settle().await;
        assert!(
            world.reported_with() <= used,
            "{late:?} late, {began:?} into the period"
        );
        world.done().await;
    }
}

/// The first attempt fixes the timestamp: retries send the same one, and the look-up of Stripe's
/// totals uses it.
#[tokio::test(start_paused = true)]
async fn what_was_carried_forward_is_looked_for_where_it_was_carried() {
    let world = pending(FaultPlan::None, &WIRED).await;
    world.skip(2 * DAY);
    world.period_began(2 * HOUR).await;
    let held = world.wire.hold(METER_EVENTS, Moment::After);
    let carried = world.now().seconds();
    tokio::select! {
        _ = world.turn(Queue::Usage) => panic!("it is held"),
        () = held.reached() => {}
    }
    world.wire.cut("stripe.wire", ALWAYS);
    hours_pass(&world, 48).await;
    world.wire.clear();
    let sent = world.wire.heard(METER_EVENTS).len();
    // The period is over and the next one has begun; no further look-up happens.
    world.period_began(3 * HOUR).await;
    world.settle().await;
    assert_eq!(world.reported_with(), carried);
    assert_eq!(
        world.wire.heard(METER_EVENTS).len(),
        sent,
        "it was looked up, not sent"
    );
    world.done().await;
}

/// The same if Stripe never received the report: a look-up shows it, and it is carried to the
/// present.
#[tokio::test(start_paused = true)]
async fn what_was_carried_forward_in_vain_is_carried_again() {
    let world = pending(FaultPlan::None, &WIRED).await;
    world.skip(2 * DAY);
    world.period_began(2 * HOUR).await;
    world.wire.cut("stripe.wire", ALWAYS);
    world.turn(Queue::Usage).await;
    hours_pass(&world, 30).await;
    world.wire.clear();
    let present = world.now().seconds();
    world.settle().await;
    assert!(world.reported_with() >= present, "{present}");
    world.done().await;
}
