//! What a job keeps when it is delivered, and what happens while its checks run.

use super::*;
use crate::jobs::checks::{APPEAR_MAX, CHECKS_MAX};

/// Support can see why somebody wanted to stop a job that was delivered all the same. The reason of
/// an earlier failed attempt is not kept.
#[test]
fn a_delivered_job_keeps_only_the_reason_to_stop() {
    for asked in [false, true] {
        let mut row = JobRow {
            reason: Some("gave up after 12 attempts: no answer".to_owned()),
            ..at(JobState::PrCreationInitiated)
        };
        if asked {
            let Staged::Opening(job) = row.staged() else {
                panic!("opening")
            };
            row = job
                .request_cancel("the issue was closed", NOW)
                .row()
                .clone();
            row.not_before = None;
        }
        let Staged::Opening(job) = row.staged() else {
            panic!("opening")
        };
        let refused = Some("`bug` (refused)".to_owned());
        let opened = lease(job).opened(pull(), refused.clone(), NOW).into_row();
        let reason = asked.then_some("the issue was closed");
        assert_eq!((opened.reason.as_deref(), opened.unmet), (reason, refused));
    }
}

/// The agent's work is done when the checks begin, so its place is free; the issue is not.
#[test]
fn nobody_works_while_the_checks_run() {
    let mut row = at(JobState::PrCreationInitiated);
    row.facts.terms.places.agent = true;
    let Staged::Opening(job) = row.staged() else {
        panic!("opening")
    };
    let waits = lease(job).validating(pull(), None, "c1".to_owned(), NOW);
    assert!(waits.returns_agent() && !waits.frees_issue());
    assert_eq!(waits.money(), BillingEffect::None);
    let row = waits.row().clone();
    assert_eq!(
        (row.validating_since(), row.due_at, row.not_before),
        (NOW, row.not_before, Some(NOW.plus(Duration::from_secs(30))))
    );
    assert!(APPEAR_MAX < CHECKS_MAX);
    let Staged::Validating(job) = row.clone().staged() else {
        panic!("validating")
    };
    assert!(job.claim(UNTIL, NOW).is_err(), "it is too early");
    let Staged::Validating(job) = row.staged() else {
        panic!("validating")
    };
    let later = NOW.plus(Duration::from_secs(30));
    let lease = job.claim(UNTIL, later).expect("it is time").granted();
    let delivered = lease.delivered("green", later);
    assert!(!delivered.returns_agent(), "it was returned");
    assert_eq!(delivered.row().checked.as_deref(), Some("green"));
}

/// The pull request exists, so attempts that fail do not end the job.
#[test]
fn a_wait_for_checks_outlives_its_attempts() {
    let row = JobRow {
        attempts: ATTEMPTS_MAX - 1,
        ..at(JobState::Validating)
    };
    let Staged::Validating(job) = row.staged() else {
        panic!("validating")
    };
    let row = lease(job).failed(&failed(Retry::Soon), 0, NOW).into_row();
    assert_eq!(row.state, JobState::Validating);
    assert!(row.is_worn_out());
}
