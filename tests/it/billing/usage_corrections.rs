//! `POST /api/v1/admin/accounts/{id}/usage/{meter}/{usage}/cancel`: an operator takes back a report
//! that is wrong, and Stripe bills it no more.

use crate::world::FaultPlan;
use crate::world::months::{HOUR, Months};
use crate::world::operator::assert_problem;
use crate::world::wire::{ALWAYS, Reply};
use http::StatusCode;
use serde_json::{Value, json};
use stand_in_shared::faults::{Effect, Fault, Moment};
use stand_in_stripe::Fault as StripeFault;
use std::time::Duration;
use store::UsageState;

const ADJUSTMENTS: &str = "POST stripe.wire/v1/billing/meter_event_adjustments";
const DAY: Duration = Duration::from_secs(86_400);

fn why() -> Value {
    json!({ "reason": "the fix was reported for another repository" })
}

/// Two fixes that were reported to Stripe, and the path to cancel the first one.
pub async fn reported(fault_plan: FaultPlan) -> (Months, String) {
    let mut months = Months::begin(fault_plan).await;
    months.fix().await;
    months.fix().await;
    months.pass(2 * HOUR).await;
    let records = months.records(UsageState::Reported).await;
    assert_eq!(records.len(), 2, "{records:?}");
    let id = records[0]["id"].as_str().expect("an id");
    let path = format!(
        "/api/v1/admin/accounts/{}/usage/pull_requests/{id}/cancel",
        months.account
    );
    (months, path)
}

pub async fn cancels(months: &Months, path: &str) -> (StatusCode, Value) {
    loop {
        let answer = months.world.operator("POST", path, Some(&why())).await;
        if !answer.0.is_server_error() {
            return answer;
        }
    }
}

/// Asserts that one of the two fixes is cancelled here and at Stripe, and the other one is billed.
pub async fn assert_cancelled(mut months: Months) {
    months.pass(6 * HOUR).await;
    let cancelled = months.records(UsageState::Cancelled).await;
    assert_eq!(cancelled.len(), 1, "{cancelled:?}");
    let shown = &cancelled[0]["cancellation"];
    assert_eq!(
        (&shown["by"], &shown["reason"], &shown["refused"]),
        (&json!("local"), &why()["reason"], &Value::Null)
    );
    assert_ne!(shown["cancelled_at"], Value::Null, "{shown}");
    assert_eq!(months.sum(UsageState::Reported).await, 1);
    let events = months.world.vendors.stripe.meter_events();
    assert_eq!(events.iter().filter(|event| event.counted).count(), 1);
    months.jump(months.period_end());
    months.pass(3 * HOUR).await;
    assert_eq!(months.billed().await, 1);
    assert_eq!(months.sum(UsageState::Stuck).await, 0);
    months.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_report_is_taken_back_once() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(521)] {
        let (months, path) = reported(fault_plan).await;
        for (body, code) in [
            (json!({}), "bad_body"),
            (json!({ "reason": " " }), "bad_reason"),
        ] {
            let response = months
                .world
                .admin_request("POST", &path, Some("local-token"), Some(&body))
                .await;
            assert_problem(&body.to_string(), &response, 400, code);
        }
        let (status, shown) = cancels(&months, &path).await;
        assert_eq!(
            (status, &shown["state"]),
            (StatusCode::ACCEPTED, &json!("cancelled")),
            "{shown}"
        );
        let (status, again) = cancels(&months, &path).await;
        assert_eq!(
            (status, &again["cancellation"]["asked_at"]),
            (StatusCode::OK, &shown["cancellation"]["asked_at"]),
            "{again}"
        );
        assert_cancelled(months).await;
    }
}

/// Stripe fails, keeps its failure, or cancels the report and its answer is lost.
#[tokio::test(start_paused = true)]
async fn a_correction_survives_stripes_failures() {
    let (months, path) = reported(FaultPlan::None).await;
    cancels(&months, &path).await;
    months
        .world
        .vendors
        .stripe
        .fail_next(StripeFault::StoredFailure);
    assert_cancelled(months).await;

    let (months, path) = reported(FaultPlan::None).await;
    cancels(&months, &path).await;
    months.world.stack.faults.inject(Fault {
        on: ADJUSTMENTS.to_owned(),
        times: 2,
        effect: Effect::AnswerLost,
    });
    assert_cancelled(months).await;
}

/// The process that cancels at Stripe dies around the call.
#[tokio::test(start_paused = true)]
async fn a_correction_survives_a_death() {
    for moment in [Moment::Before, Moment::After] {
        let (months, path) = reported(FaultPlan::None).await;
        cancels(&months, &path).await;
        let held = months.world.wire.hold(ADJUSTMENTS, moment);
        tokio::select! {
            () = months.run() => panic!("it is held"),
            () = held.reached() => {}
        }
        assert_cancelled(months).await;
    }
}

/// Stripe refuses: the record is reported again and says why.
#[tokio::test(start_paused = true)]
async fn a_correction_that_stripe_refuses_is_shown_on_the_record() {
    let (mut months, path) = reported(FaultPlan::None).await;
    let no = json!({ "error": { "type": "invalid_request_error", "message": "Not this one." } });
    months
        .world
        .wire
        .answer(ADJUSTMENTS, ALWAYS, Reply::json(400, no));
    let (status, _) = cancels(&months, &path).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    months.pass(HOUR).await;
    months.world.wire.clear();
    assert_eq!(months.sum(UsageState::Cancelled).await, 0);
    let records = months.records(UsageState::Reported).await;
    let refused: Vec<_> = records
        .iter()
        .filter(|record| record["cancellation"]["refused"].is_string())
        .collect();
    assert_eq!(refused.len(), 1, "{records:?}");
    // It can be tried again.
    let (status, shown) = cancels(&months, &path).await;
    assert_eq!(
        (status, &shown["cancellation"]["refused"]),
        (StatusCode::ACCEPTED, &Value::Null)
    );
    assert_cancelled(months).await;
}

#[tokio::test(start_paused = true)]
async fn what_can_no_longer_be_taken_back_is_explained() {
    let (mut months, path) = reported(FaultPlan::None).await;
    months.pass(DAY).await;
    let ask = async |months: &Months, path: &str| {
        let admin = &months.world;
        admin
            .admin_request("POST", path, Some("local-token"), Some(&why()))
            .await
    };
    assert_problem("a day later", &ask(&months, &path).await, 409, "too_late");
    let unknown = path.replace("/use_", "/use_0");
    assert_problem("no id", &ask(&months, &unknown).await, 404, "not_found");
    // The invoice of a report is final.
    let end = months.period_end();
    months.jump(end - 1_800);
    months.fix().await;
    months.pass(3 * HOUR).await;
    let records = months.records(UsageState::Reported).await;
    let last = records
        .iter()
        .max_by_key(|record| record["used_at"].to_string())
        .expect("there are some");
    let id = last["id"].as_str().expect("an id");
    let (head, _) = path.split_once("/use_").expect("a path");
    let late = format!("{head}/{id}/cancel");
    assert_problem("invoiced", &ask(&months, &late).await, 409, "invoiced");
    months.world.wire.cut("stripe.wire", ALWAYS);
    months.fix().await;
    let owed = months.records(UsageState::Owed).await;
    let id = owed[0]["id"].as_str().expect("an id");
    let early = format!("{head}/{id}/cancel");
    assert_problem("owed", &ask(&months, &early).await, 409, "not_reported");
    months.world.wire.clear();
    months.pass(HOUR).await;
    months.world.done().await;
}
