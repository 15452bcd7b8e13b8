//! A process may die at any call while usage is taken back or credited, or while a subscription that
//! bills it ends or changes: each fix is billed once or is on the operators' list.

use crate::billing::usage_corrections::{assert_cancelled, cancels, reported};
use crate::billing::usage_credits::{FIX, assert_credited, credits, invoiced, why};
use crate::billing::usage_ends::{begins_a_job, delivers};
use crate::world::FaultPlan;
use crate::world::months::{HOUR, Months, SUBSCRIPTION};
use http::StatusCode;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};
use store::UsageState;

type Death = Option<(u64, Moment)>;

impl Months {
    /// The next calls, one of which ends its process. Returns how many calls there were before.
    fn death(&self, call: Death) -> u64 {
        let before = self.world.stack.faults.calls();
        if let Some((call, moment)) = call {
            self.world.stack.faults.crash_at(before + call, moment);
        }
        before
    }
}

/// Ends or changes the subscription while one fix is owed and a job is under way, with a death at
/// this call. The customer repeats the request until it is answered.
async fn ends(method: &str, body: Option<&Value>, query: &str, call: Death) -> Vec<Called> {
    let mut months = Months::begin(FaultPlan::None).await;
    let job = begins_a_job(&mut months, 31).await;
    months.fix().await;
    let before = months.death(call);
    let path = format!("{SUBSCRIPTION}{query}");
    loop {
        let world = &months.world;
        let answer = world.customer_once(&months.key, method, &path, "ends", body);
        match answer.await {
            Some((StatusCode::OK, _)) => break,
            Some((StatusCode::NOT_FOUND, answer)) if call.is_some() => {
                // It has ended, and the answer was lost.
                assert_eq!(answer["code"], "no_subscription", "{call:?}: {answer}");
                break;
            }
            Some((status, answer)) => {
                let waits = status.is_server_error() || status == StatusCode::CONFLICT;
                assert!(waits, "{call:?}: {status} {answer}");
            }
            None => {}
        }
        months.pass(HOUR).await;
    }
    months.run().await;
    let calls = months.world.stack.faults.since(before);
    delivers(&months, &job, 31).await;
    months.pass(3 * HOUR).await;
    if months.subscription().is_some() {
        months.jump(months.period_end());
        months.pass(3 * HOUR).await;
    }
    let (billed, listed) = (months.billed().await, months.sum(UsageState::Stuck).await);
    assert_eq!(billed + listed, 2, "{call:?}: {billed} + {listed}");
    assert_eq!(months.sum(UsageState::Owed).await, 0, "{call:?}");
    assert_eq!(months.sum(UsageState::Reported).await, billed, "{call:?}");
    months.world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_cancellation_with_usage_under_way() {
    let calls = ends("DELETE", None, "?when=now", None).await;
    assert!(calls.len() >= 10, "{calls:?}");
    for death in deaths(&calls) {
        ends("DELETE", None, "?when=now", Some(death)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_change_of_plan_with_usage_under_way() {
    let teams = json!({ "plan": "teams" });
    let calls = ends("PATCH", Some(&teams), "", None).await;
    assert!(calls.len() >= 10, "{calls:?}");
    for death in deaths(&calls) {
        ends("PATCH", Some(&teams), "", Some(death)).await;
    }
}

async fn corrects(call: Death) -> Vec<Called> {
    let (months, path) = reported(FaultPlan::None).await;
    let before = months.death(call);
    let (status, answer) = cancels(&months, &path).await;
    assert!(status.is_success(), "{call:?}: {status} {answer}");
    months.run().await;
    let calls = months.world.stack.faults.since(before);
    assert_cancelled(months).await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_correction() {
    let calls = corrects(None).await;
    assert!(calls.len() >= 5, "{calls:?}");
    for death in deaths(&calls) {
        corrects(Some(death)).await;
    }
}

async fn gives_back(call: Death) -> Vec<Called> {
    let (months, path) = invoiced(FaultPlan::None).await;
    let before = months.death(call);
    let (status, answer) = credits(&months, &path, &why()).await;
    assert!(status.is_success(), "{call:?}: {status} {answer}");
    months.run().await;
    let calls = months.world.stack.faults.since(before);
    assert_credited(months, FIX).await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_credit() {
    let calls = gives_back(None).await;
    assert!(calls.len() >= 5, "{calls:?}");
    for death in deaths(&calls) {
        gives_back(Some(death)).await;
    }
}
