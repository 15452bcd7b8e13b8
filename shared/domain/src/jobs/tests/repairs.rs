//! Failed checks send the change back: the job keeps its pull request, and its money waits.

use super::*;

fn call() -> Credits {
    Credits::whole(2).expect("few credits")
}

/// A job whose checks failed for the first time, under a plan that limits agents.
fn red() -> JobRow {
    let mut row = JobRow {
        turns: 3,
        head_sha: Some("c1".to_owned()),
        pull: Some(pull()),
        ..at(JobState::Validating)
    };
    row.facts.terms.places.agent = true;
    row
}

fn failed_checks() -> FailedChecks {
    FailedChecks {
        failed: BTreeSet::new(),
        reports: Vec::new(),
    }
}

fn repairing(row: JobRow) -> Transition {
    let Staged::Validating(job) = row.staged() else {
        panic!("validating")
    };
    lease(job).repairing(failed_checks(), NOW)
}

/// A row in the state that a transition leads to, whose work can begin.
fn after(transition: &Transition) -> JobRow {
    JobRow {
        not_before: None,
        ..transition.row().clone()
    }
}

#[test]
fn a_repair_takes_no_place_and_moves_no_money() {
    let back = repairing(red());
    let Staged::Repairing(job) = after(&back).staged() else {
        panic!("repairing")
    };
    let coded = lease(job).coded(step(StepOutput::Code(proposal())));
    let Staged::Opening(job) = after(&coded).staged() else {
        panic!("opening")
    };
    let pushed = lease(job).validating(pull(), None, "c2".to_owned(), NOW);
    for transition in [&back, &coded, &pushed] {
        assert_eq!(transition.money(), BillingEffect::None);
        assert!(!transition.returns_agent(), "it was returned before");
        assert!(!transition.frees_issue());
    }
    let row = pushed.row();
    assert_eq!((row.repairs, row.head_sha.as_deref()), (1, Some("c2")));
    assert_eq!(coded.row().untold(), Some(CommentState::Repairing));
}

#[test]
fn a_repair_that_fails_leads_back_to_the_checks() {
    for class in [Retry::Never, Retry::Soon] {
        for pushes in [false, true] {
            let mut row = after(&repairing(red()));
            row.attempts = ATTEMPTS_MAX - 1;
            row.in_flight = call();
            if pushes {
                row.state = JobState::PrCreationInitiated;
            }
            let ended = match row.staged() {
                Staged::Repairing(job) => lease(job).failed(&failed(class), 0, NOW),
                Staged::Opening(job) => lease(job).failed(&failed(class), 0, NOW),
                other => panic!("{other:?}"),
            };
            let row = ended.row();
            assert_eq!(row.state, JobState::Validating, "{class:?}");
            assert!(!row.may_repair() && row.repair_ended.is_some());
            assert_eq!(row.reason, None, "the job has not ended");
            assert_eq!((row.in_flight, row.lost), (Credits::ZERO, call()));
        }
    }
}

#[test]
fn there_are_two_repairs_at_most_and_none_without_a_conversation() {
    assert!(red().may_repair());
    for row in [
        JobRow {
            repairs: REPAIRS_MAX,
            ..red()
        },
        JobRow { turns: 0, ..red() },
        JobRow {
            repair_ended: Some("why".to_owned()),
            ..red()
        },
    ] {
        assert!(!row.may_repair());
    }
}

/// A turn of a worker that was overtaken by a cancellation is lost, and its call is ours to pay.
#[test]
fn a_cancellation_takes_the_work_from_its_worker() {
    let mut row = after(&repairing(red()));
    row.in_flight = call();
    let Staged::Repairing(job) = row.staged() else {
        panic!("repairing")
    };
    let asked = job.request_cancel("enough", NOW);
    let row = asked.row();
    assert_eq!(row.state, JobState::Validating);
    assert_eq!(row.cancel_requested, CancelRequest::Asked);
    assert_eq!((row.lost, row.due_at), (call(), Some(NOW)));
}

/// The rounds of the conversation count what the review and the checks have sent back.
#[test]
fn rounds_are_counted_on() {
    let mut row = red();
    row.rounds = 2;
    assert_eq!(repairing(row).row().sent_back(), 3);
}
