//! Records of one minute whose answers were lost: those that Stripe has counted are distinguished, or
//! all of them are held for a person. Stripe's summaries lag.

use crate::billing::metering::METER_EVENTS;
use crate::world::FaultPlan;
use crate::world::months::{HOUR, Months};
use crate::world::wire::ALWAYS;
use ::queues::Queue;
use serde_json::Value;
use stand_in_shared::faults::{Effect, Fault, Moment};
use std::collections::BTreeSet;
use std::time::Duration;
use store::UsageState;

/// Two fixes of one minute whose first attempts got no answer, after an outage of thirty hours. Of
/// the two, `counted` reached Stripe.
async fn lost(counted: u32) -> Months {
    let mut months = Months::begin(FaultPlan::None).await;
    months.fix().await;
    months.fix().await;
    for n in 0..2 {
        months.world.elapse(Duration::from_secs(90)).await;
        months.world.sweep().await;
        let moment = if n < counted {
            Moment::After
        } else {
            Moment::Before
        };
        let held = months.world.wire.hold(METER_EVENTS, moment);
        // The worker dies with one record on its way, and a later one continues with the other.
        tokio::select! {
            _ = months.world.turn(Queue::Usage) => panic!("it is held"),
            () = held.reached() => {}
        }
        months.holds_back_what_was_tried().await;
    }
    months.world.wire.cut("stripe.wire", ALWAYS);
    months.pass(30 * HOUR).await;
    let owed = months.owed().await;
    let minutes: BTreeSet<i64> = owed
        .iter()
        .map(|one| one.moment().seconds().div_euclid(60))
        .collect();
    assert_eq!((owed.len(), minutes.len()), (2, 1), "{owed:?}");
    assert!(
        owed.iter().all(|one| one.attempts_made.is_some()),
        "{owed:?}"
    );
    assert_eq!(
        months.world.vendors.stripe.meter_events().len(),
        usize::try_from(counted).expect("few")
    );
    months.world.wire.clear();
    months
}

impl Months {
    async fn holds_back_what_was_tried(&self) {
        let later = self.at().plus(HOUR);
        for one in self.owed().await {
            if one.attempts_made.is_some() {
                let held = self.world.stack.store.owed_wait(&one, later).await;
                held.expect("the store answers");
            }
        }
    }

    async fn owed(&self) -> Vec<store::Owed> {
        let owed = self.world.stack.store.owed_list(&self.debts(), 10).await;
        owed.expect("the store answers")
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_lost_records_each_is_billed_once() {
    for counted in 0..3 {
        let mut months = lost(counted).await;
        months.pass(6 * HOUR).await;
        let total = months
            .world
            .vendors
            .stripe
            .total(local_stack::world::CUSTOMER, "pull_requests");
        assert_eq!(total, 2, "{counted} were counted");
        assert_eq!(months.sum(UsageState::Reported).await, 2, "{counted}");
        assert_eq!(months.sum(UsageState::Stuck).await, 0, "{counted}");
        months.jump(months.period_end());
        months.pass(3 * HOUR).await;
        assert_eq!(months.billed().await, 2, "{counted}");
        months.world.done().await;
    }
}

/// Stripe counts more in the minute than was ever sent: a person has to look at both records, and
/// none of them is taken for reported.
#[tokio::test(start_paused = true)]
async fn a_minute_in_which_stripe_has_counted_too_much_is_left_to_a_person() {
    let mut months = lost(1).await;
    let at = months.world.vendors.stripe.meter_events()[0].timestamp;
    let at = at.to_string();
    let form = [
        ("event_name", "pull_requests"),
        ("payload[stripe_customer_id]", local_stack::world::CUSTOMER),
        ("payload[value]", "7"),
        ("timestamp", at.as_str()),
        ("identifier", "strange"),
    ];
    months
        .world
        .stripe_makes("billing/meter_events", &form)
        .await;
    months.pass(6 * HOUR).await;
    assert_eq!(months.sum(UsageState::Stuck).await, 2);
    assert_eq!(months.sum(UsageState::Reported).await, 0);
    let stuck = months.records(UsageState::Stuck).await;
    for record in &stuck {
        let why = record["reason"].as_str().expect("a reason");
        assert!(why.contains("Stripe counted 8 in this minute"), "{why}");
        assert_eq!(record["reported_at"], Value::Null);
    }
    months.world.settle().await;
    months.world.done().await;
}

/// The answer of a report after the window is lost too. Its summary lags, and it is not sent twice.
/// The message that met the failure comes back hours later, and finds nothing to do.
#[tokio::test(start_paused = true)]
async fn a_summary_that_lags_is_not_taken_for_a_missing_report() {
    let mut months = lost(0).await;
    months.world.stack.faults.inject(Fault {
        on: METER_EVENTS.to_owned(),
        times: 2,
        effect: Effect::AnswerLost,
    });
    months.pass(13 * HOUR).await;
    let total = months
        .world
        .vendors
        .stripe
        .total(local_stack::world::CUSTOMER, "pull_requests");
    assert_eq!((total, months.sum(UsageState::Reported).await), (2, 2));
    months.world.done().await;
}
