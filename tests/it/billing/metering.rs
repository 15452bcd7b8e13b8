//! Usage reports to Stripe: whatever Stripe and the network do, a delivered pull request counts one
//! and is reported once.

use crate::world::verbs::together;
use crate::world::wire::{ALWAYS, WIRED};
use crate::world::{FaultPlan, World};
use ::queues::{Message, Queue};
use boot::Settings as _;
use domain::billing::plans::Span;
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::UsageId;
use domain::jobs::{JobRow, JobState};
use domain::time::Timestamp;
use local_stack::world::{CUSTOMER, OWNER, REPOSITORY};
use serde_json::json;
use stand_in_aws::event_source::Function;
use stand_in_shared::faults::{Effect, Moment};
use stand_in_stripe::Fault;
use std::sync::Arc;
use std::time::Duration;
use store::UsageState;
use tower::ServiceExt;

pub const METER_EVENTS: &str = "POST stripe.wire/v1/billing/meter_events";
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Lets the account's present period last for a quarter, so that no invoice comes in between.
async fn billed_by_the_quarter(world: &World) {
    let (store, account) = (&world.stack.store, world.account().await);
    let whole = store.account_find_whole(&account).await.expect("an answer");
    let (_, contracts) = whole.expect("the account");
    for mut one in contracts.subscriptions {
        let start = world.stack.outside.now();
        one.period = Some(Span {
            start,
            end: start.plus(92 * DAY),
        });
        one.as_of = start.plus(Duration::from_secs(1));
        let noted = store.subscription_note(&account, &one).await;
        noted.expect("the store answers");
    }
}

/// A world with an open pull request whose usage has not been reported.
pub async fn pending(fault_plan: FaultPlan, settings: &[(&str, &str)]) -> World {
    let world = World::with(fault_plan, settings).await;
    billed_by_the_quarter(&world).await;
    world.github_sends("issues.opened").await;
    while world.open_job().await.is_none() || world.present_job().await.state != JobState::PrOpened
    {
        let mut handed = 0;
        for queue in Queue::ALL
            .into_iter()
            .filter(|queue| *queue != Queue::Usage)
        {
            handed += world.turn(queue).await;
        }
        if handed == 0 {
            world.elapse(Duration::from_secs(31)).await;
            world.sweep().await;
        }
    }
    assert_eq!(world.owed().await, 1);
    assert_eq!(world.vendors.stripe.meter_events(), []);
    world
}

/// Lets hours pass in which the functions and the sweeper run as usual.
pub async fn hours_pass(world: &World, hours: u32) {
    for _ in 0..hours {
        world.skip(HOUR * 9 / 10);
        world.elapse(HOUR / 10).await;
        world.sweep().await;
        world.drain(Queue::Usage).await;
    }
}

/// Asserts that usage was reported once, with the values that were fixed when the pull request was
/// opened.
async fn assert_reported_once(world: &World) {
    let events = world.vendors.stripe.meter_events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(world.vendors.stripe.total(CUSTOMER, "pull_requests"), 1);
    let job = world.commented_job().await;
    let opened = job
        .timeline
        .iter()
        .find(|moment| moment.state == JobState::PrOpened)
        .expect("it was opened")
        .at;
    assert_eq!(
        events[0].timestamp,
        opened.seconds(),
        "when it became billable, not when it was reported"
    );
    assert_eq!(
        events[0].identifier,
        format!("{}-pull_requests", UsageId::of_job(&job.facts.id))
    );
    assert_eq!(world.owed().await, 0);
    assert_ne!(reported_at(world, &job).await, serde_json::Value::Null);
}

/// The usage record as operators see it.
async fn reported_at(world: &World, job: &JobRow) -> serde_json::Value {
    let shown = world.shown_job(&job.facts.id).await;
    let usage = &shown["payment"]["usage"][0];
    assert_eq!(usage["meter"], "pull_requests", "{shown}");
    usage["reported_at"].clone()
}

async fn assert_nothing_reported(world: &World) {
    let ours = world.vendors.stripe.meter_events();
    let ours = ours.iter().filter(|event| event.identifier != "strange");
    assert_eq!(ours.count(), 0);
    let job = world.commented_job().await;
    assert_eq!(reported_at(world, &job).await, serde_json::Value::Null);
}

#[tokio::test(start_paused = true)]
async fn recovers_from_stripe_api_failures() {
    let tables: [&[Fault]; 8] = [
        &[Fault::RateLimit],
        &[Fault::LockTimeout, Fault::LockTimeout],
        &[Fault::Status(500)],
        &[
            Fault::Status(503),
            Fault::RateLimit,
            Fault::Status(409),
            Fault::LockTimeout,
        ],
        &[Fault::StoredFailure],
        &[Fault::Status(402), Fault::Status(401), Fault::Status(403)],
        &[
            Fault::StoredFailure,
            Fault::Status(500),
            Fault::StoredFailure,
        ],
        &[Fault::Status(500); 6],
    ];
    for faults in tables {
        for fault_plan in [FaultPlan::None, FaultPlan::Seeded(61)] {
            let world = pending(fault_plan, &[]).await;
            faults
                .iter()
                .for_each(|fault| world.vendors.stripe.fail_next(*fault));
            world.settle().await;
            assert_reported_once(&world).await;
            world.done().await;
        }
    }
}

/// F-F1: the call succeeds and its answer is lost, any number of times.
#[tokio::test(start_paused = true)]
async fn a_report_whose_answer_is_lost_is_not_made_twice() {
    for times in [1, 2, 5] {
        for fault_plan in [FaultPlan::None, FaultPlan::Seeded(62)] {
            let world = pending(fault_plan, &[]).await;
            let on = "POST stripe.stand-in/v1/billing/meter_events".to_owned();
            world.stack.faults.inject(stand_in_shared::faults::Fault {
                on,
                times,
                effect: Effect::AnswerLost,
            });
            world.settle().await;
            assert_reported_once(&world).await;
            world.done().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_never_tried_is_simply_sent_however_late() {
    let world = pending(FaultPlan::None, &WIRED).await;
    world.skip(33 * DAY);
    world.settle().await;
    assert_reported_once(&world).await;
    assert!(
        world.wire.heard("meters").is_empty(),
        "there is nothing to look up"
    );
    world.done().await;
}

/// Stripe accepts the report and does not answer for two days; by then it has forgotten the
/// identifier. A look-up of its totals shows that the report arrived.
#[tokio::test(start_paused = true)]
async fn after_an_outage_what_stripe_has_counted_is_not_sent_again() {
    let world = pending(FaultPlan::None, &WIRED).await;
    let held = world.wire.hold(METER_EVENTS, Moment::After);
    tokio::select! {
        _ = world.turn(Queue::Usage) => panic!("it is held"),
        () = held.reached() => {}
    }
    world.wire.cut("stripe.wire", ALWAYS);
    hours_pass(&world, 48).await;
    assert_eq!(
        world.owed().await,
        1,
        "it is unknown whether it was reported"
    );
    world.wire.clear();
    let sent = world.wire.heard(METER_EVENTS).len();
    world.settle().await;
    assert_reported_once(&world).await;
    assert_eq!(
        world.wire.heard(METER_EVENTS).len(),
        sent,
        "it was looked up, not sent"
    );
    assert!(!world.wire.heard("event_summaries").is_empty());
    world.done().await;
}

/// The report never reached Stripe, which Tallyhook cannot know after two days. A look-up shows
/// that the usage is not counted, so it is sent.
#[tokio::test(start_paused = true)]
async fn after_an_outage_what_stripe_has_not_counted_is_sent() {
    let world = pending(FaultPlan::None, &WIRED).await;
    world.wire.cut("stripe.wire", ALWAYS);
    hours_pass(&world, 48).await;
    let tries = world.wire.heard("stripe.wire").len();
    assert!(tries <= 48 * 5, "{tries} tries in 48 hours are a storm");
    world.wire.clear();
    world.settle().await;
    assert_reported_once(&world).await;
    world.done().await;
}

/// The first report after the window is itself lost. The next look-up must not take it for missing.
#[tokio::test(start_paused = true)]
async fn a_late_send_whose_answer_is_lost_is_looked_up_again() {
    let world = pending(FaultPlan::None, &WIRED).await;
    world.wire.cut("stripe.wire", ALWAYS);
    hours_pass(&world, 30).await;
    world.wire.clear();
    let on = METER_EVENTS.to_owned();
    world.stack.faults.inject(stand_in_shared::faults::Fault {
        on,
        times: 1,
        effect: Effect::AnswerLost,
    });
    world.settle().await;
    assert_reported_once(&world).await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn usage_older_than_stripe_takes_is_stuck_and_not_lost() {
    let world = pending(FaultPlan::None, &WIRED).await;
    world.skip(35 * DAY);
    world.settle().await;
    assert_nothing_reported(&world).await;
    assert_eq!(world.owed().await, 0, "set aside for a person");
    assert!(world.wire.heard(METER_EVENTS).is_empty());
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn usage_for_a_meter_that_stripe_does_not_know_is_stuck() {
    let world = pending(FaultPlan::None, &WIRED).await;
    let meter = world.vendors.stripe.add_meter("pull_requests");
    let request = http::Request::post(format!("/v1/billing/meters/{meter}/deactivate"))
        .header("authorization", "Bearer sk_test_x");
    let response = world
        .vendors
        .stripe
        .router()
        .oneshot(request.body(axum::body::Body::empty()).expect("a request"))
        .await;
    assert!(response.expect("infallible").status().is_success());
    world.settle().await;
    assert_nothing_reported(&world).await;
    assert_eq!(
        (world.owed().await, world.wire.heard(METER_EVENTS).len()),
        (0, 1),
        "asked once, and set aside"
    );
    world.done().await;
}

/// Stripe has counted usage that Tallyhook does not know. An operator has to decide, and nothing is
/// sent meanwhile.
#[tokio::test(start_paused = true)]
async fn a_count_that_does_not_add_up_is_left_to_a_person() {
    let world = pending(FaultPlan::None, &WIRED).await;
    world.wire.cut("stripe.wire", ALWAYS);
    hours_pass(&world, 30).await;
    world.wire.clear();
    let at = world
        .commented_job()
        .await
        .timeline
        .last()
        .expect("a moment")
        .at
        .seconds();
    let form = format!(
        "event_name=pull_requests&payload[stripe_customer_id]={CUSTOMER}&payload[value]=5&timestamp={at}&identifier=strange"
    );
    let request = http::Request::post("/v1/billing/meter_events")
        .header("authorization", "Bearer sk_test_x")
        .header("content-type", "application/x-www-form-urlencoded");
    let response = world
        .vendors
        .stripe
        .router()
        .oneshot(
            request
                .body(axum::body::Body::from(form))
                .expect("a request"),
        )
        .await;
    assert!(response.expect("infallible").status().is_success());
    world.settle().await;
    assert_eq!(
        world.vendors.stripe.meter_events().len(),
        1,
        "only the strange one"
    );
    assert_eq!(world.owed().await, 0, "set aside");
    let stuck = world
        .stack
        .store
        .usage_list(&world.account().await, UsageState::Stuck, None, 10)
        .await
        .expect("the store answers");
    assert_eq!(stuck.rows.len(), 1, "it does not pass for reported");
    assert_nothing_reported(&world).await;
    world.done().await;
}

// --- billing switched off ---

/// The function that reports to Stripe, as configured once billing is on.
pub fn billing_on(world: &World) -> Function {
    let settings = [
        ("MAIN_TABLE", "tallyhook-main"),
        ("USAGE_QUEUE_URL", &world.mapping(Queue::Usage).queue_url),
        ("STRIPE_URL", "https://stripe.wire"),
        ("STRIPE_SECRET_KEY", "sk_test_local"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEMBEDDED"),
        ("AWS_SECRET_ACCESS_KEY", "embedded"),
    ];
    let Ok(config) = usage_reports::Config::load(boot::Env::of(settings)) else {
        panic!("the settings are complete")
    };
    let ctx = Arc::new(usage_reports::Ctx::connect(
        config,
        world.stack.outside.clone(),
    ));
    Arc::new(move |event, deadline| {
        let ctx = Arc::clone(&ctx);
        Box::pin(async move {
            usage_reports::handle(&ctx, event, Timestamp::from_millis(deadline)).await
        })
    })
}

#[tokio::test(start_paused = true)]
async fn with_billing_off_usage_is_kept_and_reported_when_it_is_on() {
    let off = [WIRED[0], WIRED[1], WIRED[2], ("BILLING_ENABLED", "false")];
    let mut world = pending(FaultPlan::None, &off).await;
    hours_pass(&world, 72).await;
    assert!(
        world.wire.heard(METER_EVENTS).is_empty(),
        "Stripe is not even called"
    );
    assert_eq!(world.owed().await, 1);
    let waiting = world.waiting(Queue::Usage).await;
    assert!(waiting <= 3, "{waiting} messages about one debt");
    let function = billing_on(&world);
    let usage = world
        .stack
        .mappings
        .iter_mut()
        .find(|(queue, _)| *queue == Queue::Usage);
    usage.expect("the queue is there").1.function = function;
    world.settle().await;
    assert_reported_once(&world).await;
    world.done().await;
}

// --- concurrency ---

#[tokio::test(start_paused = true)]
async fn of_two_workers_one_reports_and_the_other_waits() {
    let world = pending(FaultPlan::None, &WIRED).await;
    let debts = AccountMeter {
        account: world.account().await,
        meter: Meter::pull_requests(),
    };
    world.queue_gets(&Message::Usage(debts.clone())).await;
    let held = world.wire.hold(METER_EVENTS, Moment::Before);
    tokio::join!(world.turn(Queue::Usage), async {
        held.reached().await;
        world.queue_gets(&Message::Usage(debts)).await;
        world.turn(Queue::Usage).await;
        assert_eq!(
            world.wire.heard(METER_EVENTS).len(),
            1,
            "the second one keeps away"
        );
        held.release();
    });
    world.settle().await;
    assert_reported_once(&world).await;
    assert_eq!(world.wire.busiest(METER_EVENTS), 1);
    world.done().await;
}

/// A worker dies while it holds the lease. Another worker takes over once the lease expires.
#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_while_reporting_is_replaced() {
    for moment in [Moment::Before, Moment::After] {
        let world = pending(FaultPlan::None, &WIRED).await;
        let held = world.wire.hold(METER_EVENTS, moment);
        tokio::select! {
            _ = world.turn(Queue::Usage) => panic!("it is held"),
            () = held.reached() => {}
        }
        world.settle().await;
        assert_reported_once(&world).await;
        world.done().await;
    }
}

/// Stripe accepts one call at a time for a customer and a meter.
#[tokio::test(start_paused = true)]
async fn twenty_jobs_of_one_account_are_reported_one_after_another() {
    const JOBS: u64 = 20;
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(71)] {
        let world = World::with(fault_plan, &WIRED).await;
        for n in 0..JOBS {
            world.vendors.github.add_issue(
                OWNER,
                REPOSITORY,
                100 + n,
                &format!("Issue {n}"),
                "Please.",
            );
        }
        let world_ref = &world;
        together((0..JOBS).map(|n| {
            world_ref.github_sends_changed("issues.opened", move |event| {
                event["issue"]["number"] = (100 + n).into();
                event["issue"]["id"] = (70_100 + n).into();
                event["issue"]["title"] = json!(format!("Issue {n}"));
            })
        }))
        .await;
        world.settle().await;
        let jobs = usize::try_from(JOBS).expect("few");
        assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), jobs);
        let events = world.vendors.stripe.meter_events();
        assert_eq!(events.len(), jobs);
        assert_eq!(
            events
                .iter()
                .map(|event| &event.identifier)
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            jobs
        );
        assert_eq!(
            world.vendors.stripe.total(CUSTOMER, "pull_requests"),
            i64::try_from(JOBS).expect("few")
        );
        assert_eq!(
            world.wire.busiest(METER_EVENTS),
            1,
            "never two calls at the same time"
        );
        assert_eq!(world.owed().await, 0);
        world.done().await;
    }
}
