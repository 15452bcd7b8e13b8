//! Usage around the end of a period, a cancellation and a change of plan: what was delivered is on an
//! invoice, once, or on the operators' list with its amount.

use crate::billing::metering::METER_EVENTS;
use crate::world::FaultPlan;
use crate::world::months::{HOUR, Months, PHASES};
use crate::world::wire::ALWAYS;
use ::queues::Queue;
use http::StatusCode;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::{Value, json};
use stand_in_shared::faults::Moment;
use std::time::Duration;
use store::UsageState;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Asserts that every fix is billed, and nothing else, once the invoices of all periods are final.
async fn assert_billed(mut months: Months, fixes: i64) {
    months.pass(3 * HOUR).await;
    months.jump(months.period_end());
    months.pass(3 * HOUR).await;
    assert_eq!(months.billed().await, fixes);
    assert_eq!(months.sum(UsageState::Reported).await, fixes);
    for state in [UsageState::Stuck, UsageState::Owed] {
        assert_eq!(months.sum(state).await, 0, "{}", state.as_str());
    }
    months.world.done().await;
}

/// The first attempt fails ten minutes before the period's end, and Stripe is back when the period's
/// invoice is final. Stripe would accept the old timestamp and never bill it.
#[tokio::test(start_paused = true)]
async fn usage_that_was_tried_before_a_period_ended_is_billed_in_the_next() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(501)] {
        let mut months = Months::begin(fault_plan).await;
        let end = months.period_end();
        months.jump(end - 600);
        months.world.wire.cut("stripe.wire", ALWAYS);
        months.fix().await;
        months.pass(2 * HOUR).await;
        assert!(
            !months.world.wire.heard(METER_EVENTS).is_empty(),
            "it was tried"
        );
        assert_eq!(months.sum(UsageState::Owed).await, 1);
        months.world.wire.clear();
        months.pass(3 * HOUR).await;
        let sent = months.world.vendors.stripe.meter_events();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert!(sent[0].timestamp >= end, "it is of the present period");
        assert_billed(months, 1).await;
    }
}

/// The same, but the first attempt reached Stripe and only its answer was lost.
#[tokio::test(start_paused = true)]
async fn usage_that_stripe_had_counted_before_a_period_ended_is_not_sent_again() {
    let mut months = Months::begin(FaultPlan::None).await;
    let end = months.period_end();
    months.jump(end - 600);
    months.fix().await;
    let held = months.world.wire.hold(METER_EVENTS, Moment::After);
    months.world.elapse(Duration::from_secs(61)).await;
    months.world.sweep().await;
    tokio::select! {
        _ = months.world.turn(Queue::Usage) => panic!("it is held"),
        () = held.reached() => {}
    }
    months.world.wire.cut("stripe.wire", ALWAYS);
    months.pass(2 * HOUR).await;
    months.world.wire.clear();
    months.pass(3 * HOUR).await;
    let sent = months.world.vendors.stripe.meter_events();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].timestamp < end, "{sent:?}");
    assert_billed(months, 1).await;
}

/// In the hour in which the invoice is a draft, usage of the old period is still billed there.
#[tokio::test(start_paused = true)]
async fn usage_of_the_last_minutes_is_on_the_draft() {
    let mut months = Months::begin(FaultPlan::None).await;
    let end = months.period_end();
    months.jump(end - 60);
    months.world.wire.cut("stripe.wire", ALWAYS);
    months.fix().await;
    months.pass(10 * MINUTE).await;
    months.world.wire.clear();
    months.pass(2 * HOUR).await;
    let sent = months.world.vendors.stripe.meter_events();
    assert!(sent[0].timestamp < end, "{sent:?}");
    assert_eq!(months.billed().await, 1);
    assert_billed(months, 1).await;
}

/// An external agent's job that was begun on the account's plan.
pub async fn begins_a_job(months: &mut Months, issue: u64) -> String {
    let github = &months.world.vendors.github;
    github.add_issue(OWNER, REPOSITORY, issue, "A bug", "Please.");
    let wanted = json!({ "repository": "acme/greeter", "issue": issue, "agent": "external" });
    let key = format!("job {issue}");
    let asked = months
        .world
        .customer(&months.key, "POST", "/api/v1/jobs", &key, Some(&wanted));
    let (status, asked) = asked.await;
    assert_eq!(status, StatusCode::ACCEPTED, "{asked}");
    months.pass(3 * MINUTE).await;
    asked["id"].as_str().expect("an id").to_owned()
}

pub async fn delivers(months: &Months, job: &str, issue: u64) {
    let report = json!({ "phase": "mitigate", "status": "success", "repository": "acme/greeter",
        "issue": issue, "job_id": job, "pull_request": 31 });
    let key = format!("report {job}");
    let told = months
        .world
        .customer(&months.key, "POST", PHASES, &key, Some(&report));
    let (status, told) = told.await;
    assert_eq!(
        (status, &told["billing"]),
        (StatusCode::CREATED, &json!("billed")),
        "{told}"
    );
}

/// What is owed when a customer cancels is on the last invoice. What is delivered afterwards is on
/// the operators' list.
#[tokio::test(start_paused = true)]
async fn usage_around_a_cancellation_is_invoiced_or_listed() {
    let mut months = Months::begin(FaultPlan::None).await;
    let job = begins_a_job(&mut months, 31).await;
    months.pass(DAY).await;
    months.fix().await;
    assert_eq!(months.sum(UsageState::Owed).await, 1, "it is owed");
    let (status, answer) = months.asks("DELETE", None, "?when=now").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(months.billed().await, 1, "the last invoice has it");
    delivers(&months, &job, 31).await;
    months.pass(3 * HOUR).await;
    let listed = months.records(UsageState::Stuck).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(
        (
            &listed[0]["value"],
            &listed[0]["amount_minor"],
            &listed[0]["amount_is"]
        ),
        (&json!(1), &json!(1_500), &json!("exact"))
    );
    let why = listed[0]["reason"].as_str().expect("a reason");
    assert!(why.contains("no subscription bills this usage"), "{why}");
    assert_eq!(months.world.vendors.stripe.meter_events().len(), 1);
    assert_eq!(months.billed().await, 1);
    months.world.done().await;
}

/// A person cancels at Stripe's dashboard without a last invoice, which would bill nothing.
#[tokio::test(start_paused = true)]
async fn usage_that_a_cancellation_elsewhere_leaves_without_invoice_is_listed() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(502)] {
        let mut months = Months::begin(fault_plan).await;
        months.fix().await;
        months.fix().await;
        months.pass(HOUR).await;
        assert_eq!(months.sum(UsageState::Reported).await, 2);
        let one = months.subscription().expect("it is live");
        let id = one["id"].as_str().expect("an id");
        let stripe = &months.world.vendors.stripe;
        stripe.cancel_subscription(id).expect("it is live");
        months.pass(2 * HOUR).await;
        assert_eq!(months.billed().await, 0);
        assert_eq!(months.sum(UsageState::Stuck).await, 2);
        for record in months.records(UsageState::Stuck).await {
            let why = record["reason"].as_str().expect("a reason");
            assert!(why.contains("no invoice"), "{why}");
            assert_eq!(record["amount_minor"], 1_500);
        }
        // The customer subscribes again, and an operator bills it there.
        let (status, answer) = months
            .asks("POST", Some(json!({ "plan": "payg" })), "")
            .await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        months.run().await;
        for record in months.records(UsageState::Stuck).await {
            let id = record["id"].as_str().expect("an id");
            let path = format!(
                "/api/v1/admin/accounts/{}/usage/pull_requests/{id}/resend",
                months.account
            );
            months.world.insist("POST", &path, &Value::Null).await;
        }
        assert_billed(months, 2).await;
    }
}

/// A change to a plan that bills no fixes: what is owed before it is reported before it, and what is
/// delivered afterwards is listed.
#[tokio::test(start_paused = true)]
async fn usage_around_a_change_of_plan_is_invoiced_or_listed() {
    let mut months = Months::begin(FaultPlan::None).await;
    let job = begins_a_job(&mut months, 32).await;
    months.pass(DAY).await;
    months.fix().await;
    let (status, answer) = months
        .asks("PATCH", Some(json!({ "plan": "starter" })), "")
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(
        months.world.vendors.stripe.meter_events().len(),
        1,
        "it was reported before"
    );
    delivers(&months, &job, 32).await;
    months.pass(3 * HOUR).await;
    months.jump(months.period_end());
    months.pass(3 * HOUR).await;
    let (billed, listed) = (months.billed().await, months.sum(UsageState::Stuck).await);
    assert_eq!(
        billed + listed,
        2,
        "{billed} are billed, {listed} are listed"
    );
    assert!(listed >= 1, "the later one is");
    assert_eq!(months.world.vendors.stripe.meter_events().len(), 1);
    months.world.done().await;
}

/// Stripe has finalized an invoice earlier than usual, so that it lacks a report it accepted.
#[tokio::test(start_paused = true)]
async fn usage_that_a_final_invoice_lacks_is_listed() {
    let mut months = Months::begin(FaultPlan::None).await;
    let end = months.period_end();
    months.jump(end - 120);
    months.world.wire.cut("stripe.wire", ALWAYS);
    months.fix().await;
    months.pass(Duration::from_secs(180)).await;
    let id = months.subscription().expect("it is live")["id"].clone();
    let id = id.as_str().expect("an id").to_owned();
    months.finalize(&id);
    months.world.wire.clear();
    // The events about it are late. Until they come, the moment looks as if it were still billed.
    let late = months.world.vendors.stripe.outbox_take();
    months.world.elapse(5 * MINUTE).await;
    months.world.sweep().await;
    while months.world.turn(Queue::Usage).await > 0 {}
    assert_eq!(months.sum(UsageState::Reported).await, 1);
    for event in &late {
        let told = months.world.stripe_delivers(event).await;
        assert!(told.is_success(), "{told}");
    }
    months.pass(HOUR).await;
    assert_eq!(
        (months.billed().await, months.sum(UsageState::Stuck).await),
        (0, 1)
    );
    months.world.done().await;
}
