//! Tests the whole state machine (F-D1): every transition that exists, and that no other exists.
//!
//! A transition that is not listed here cannot be written: the stages have no method for it. The
//! `compile_fail` examples in the module's documentation show that terminal stages have no
//! transitions at all.

use super::steps::{FailedChecks, IssueText, Review, Step, StepOutput, Verdict, WorkPlan};
use super::*;
use crate::billing::plans::{BasisPoints, Billable, MeteredUnit};
use crate::billing::usage::Tokens;
use crate::billing::usage::{Meter, UsageSource};
use crate::ids::CustomerId;
use crate::jobs::pulls::{FileChange, FileEdit, Proposal, PullOptions};
use crate::retry::{ATTEMPTS_MAX, Failure, Retry, Retryable, backoff};
use crate::units::MICROS;
use moves::{lease, moves};
use std::collections::BTreeSet;

mod delegated;
mod delivering;
mod leases;
mod money;
mod moves;
mod repairs;

const BORN: Timestamp = Timestamp::from_millis(1_795_210_980_000);
const NOW: Timestamp = Timestamp::from_millis(1_795_210_990_000);
const UNTIL: Timestamp = Timestamp::from_millis(1_795_211_290_000);

fn facts() -> JobFacts {
    JobFacts {
        id: JobId::mint(BORN, [1; 10]),
        account: AccountId::mint(BORN, [2; 10]),
        installation: InstallationId::new(1),
        repository: RepositoryId::new(2),
        owner_login: "acme".to_owned(),
        repository_name: "greeter".to_owned(),
        base_branch: "main".to_owned(),
        issue_number: 7,
        trigger: "issue-70001".to_owned(),
        caused_by: None,
        retry_of: None,
        asked_by: "ann".to_owned(),
        terms: Terms {
            places: crate::billing::quotas::QuotaPlaces::default(),
            funding: Funding::Metered {
                customer: CustomerId::parse("cus_1").expect("an id"),
                counts: vec![(Meter::pull_requests(), MeteredUnit::Pulls)],
            },
            billable: Billable::PrOpened,
            budget: None,
            period: "2026-11".to_owned(),
            priced_by: "v1".to_owned(),
            spending: None,
        },
        wishes: PullOptions::default(),
        created_at: BORN,
    }
}

/// A job that has reached a state, with earlier attempts and rounds.
fn at(state: JobState) -> JobRow {
    let new = if state == JobState::Delegated {
        delegated(facts())
    } else {
        queued(facts())
    };
    JobRow {
        state,
        version: 9,
        attempts: 3,
        rounds: 1,
        steps: 4,
        ..new
    }
}

fn step(output: StepOutput) -> Step {
    Step {
        output,
        tokens: Tokens::of(10, 5),
        cost: Credits::ZERO,
        model: "m".to_owned(),
        calls: Vec::new(),
        at: NOW,
    }
}

fn pull() -> PullRef {
    PullRef {
        number: 8,
        url: "u".to_owned(),
    }
}

fn proposal() -> Proposal {
    let change = FileChange {
        path: "a".to_owned(),
        change: FileEdit::Write("x".to_owned()),
    };
    Proposal::check("t", "b", vec![change]).expect("a proposal")
}

fn review(verdict: Verdict) -> (Review, Step) {
    let review = Review {
        verdict,
        notes: "n".to_owned(),
    };
    (review.clone(), step(StepOutput::Review(review)))
}

#[derive(Debug)]
struct Bad(Retry);

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bad")
    }
}

impl std::error::Error for Bad {}

impl Retryable for Bad {
    fn retry(&self) -> Retry {
        self.0
    }
}

/// One failure of each retry class.
fn failures() -> [Failure; 5] {
    let wait = Duration::from_secs(60);
    [
        Retry::Soon,
        Retry::Outage,
        Retry::After(wait),
        Retry::Alarm(wait),
        Retry::Never,
    ]
    .map(|retry| Bad(retry).into())
}

fn failed(retry: Retry) -> Failure {
    Bad(retry).into()
}

/// All transitions, including those that stay in the same state.
const EDGES: [(JobState, &[JobState]); 15] = {
    use JobState::*;
    [
        (Delegated, &[Delegated, PrOpened, Failed, Cancelled]),
        (Queued, &[Planning, Cancelled]),
        (Planning, &[Planning, Coding, Failed, Cancelled]),
        (Coding, &[Coding, Reviewing, Failed, Cancelled]),
        (
            Reviewing,
            &[
                Coding,
                Reviewing,
                ReviewApproved,
                Rejected,
                Failed,
                Cancelled,
            ],
        ),
        (ReviewApproved, &[PrCreationInitiated, Cancelled]),
        (
            PrCreationInitiated,
            &[PrCreationInitiated, Validating, PrOpened, Failed, Cancelled],
        ),
        (
            Validating,
            &[
                Validating, Repairing, PrOpened, Merged, Closed, Failed, Cancelled,
            ],
        ),
        // A repair never ends the job: the checks do.
        (
            Repairing,
            &[Repairing, PrCreationInitiated, Validating, Merged],
        ),
        (PrOpened, &[Merged, Closed]),
        (Merged, &[]),
        (Closed, &[Merged]),
        (Rejected, &[]),
        (Failed, &[]),
        (Cancelled, &[]),
    ]
};

#[test]
fn there_are_the_listed_edges_and_no_others() {
    for (state, expected) in EDGES {
        let found: BTreeSet<JobState> = moves(&at(state))
            .iter()
            .map(|seen| seen.row.state)
            .collect();
        assert_eq!(
            found,
            expected.iter().copied().collect(),
            "from {}",
            state.as_str()
        );
    }
    assert_eq!(
        EDGES.map(|(state, _)| state),
        JobState::ALL,
        "the list is whole"
    );
}

/// Whether people take the pull request before its checks have completed.
fn takes(from: JobState, to: JobState) -> bool {
    matches!(from, JobState::Validating | JobState::Repairing) && to == JobState::Merged
}

/// The properties that all transitions have in common.
#[test]
fn every_move_is_one_version_one_line_and_its_own_company() {
    for state in JobState::ALL {
        for seen in moves(&at(state)) {
            let (row, to) = (&seen.row, seen.row.state);
            let what = format!("{} to {}", state.as_str(), to.as_str());
            assert_eq!(row.version, seen.from_version + 1, "{what}");
            // A lease's transition starts from the version that its claim wrote.
            assert!([9, 10].contains(&seen.from_version), "{what}");
            let moved = seen.from_state != to;
            assert_eq!(seen.entered, moved.then_some(to), "{what}");
            assert!(
                !moved || row.timeline.last().is_some_and(|moment| moment.state == to),
                "{what}"
            );
            assert_eq!(
                matches!(seen.money, BillingEffect::Billed { .. }),
                to == JobState::PrOpened || takes(state, to),
                "{what}: charged with the pull request and never else"
            );
            let reported = state == JobState::Delegated && to == JobState::PrOpened;
            assert_eq!(
                seen.frees_issue,
                (to.is_over() && !state.is_over()) || reported,
                "{what}: what an agent reports is its own affair"
            );
            assert_eq!(row.facts, facts(), "{what}: facts never change");
            assert!(
                row.due_at.is_some(),
                "{what}: it owes at least its comment, and so it is on the list"
            );
            let has_reason = matches!(
                to,
                JobState::Failed | JobState::Rejected | JobState::Cancelled
            );
            assert_eq!(
                row.reason.is_some(),
                has_reason || row.cancel_requested == CancelRequest::Asked,
                "{what}"
            );
            assert!(
                !moved || row.attempts == 0,
                "{what}: attempts are those of the present work"
            );
            // What coding used was counted turn by turn, and checks use nothing.
            let (steps, input) = match (&seen.step, state) {
                (Some(_), JobState::Coding | JobState::Repairing | JobState::Validating) => (5, 0),
                (Some(_), _) => (5, 10),
                (None, _) => (4, 0),
            };
            assert_eq!(
                (row.steps, row.tokens.input),
                (steps, input),
                "{what}: a step is counted with its move"
            );
        }
    }
}

#[test]
fn a_review_may_send_back_so_often() {
    for (rounds, expected) in [
        (0, JobState::Coding),
        (ROUNDS_MAX - 1, JobState::Coding),
        (ROUNDS_MAX, JobState::Failed),
    ] {
        let Staged::Reviewing(job) = (JobRow {
            rounds,
            ..at(JobState::Reviewing)
        })
        .staged() else {
            panic!("reviewing")
        };
        let (review, step) = review(Verdict::Rework);
        let transition = lease(job).reviewed(&review, step);
        assert_eq!(transition.row().state, expected, "after {rounds}");
        assert!(transition.step().is_some(), "the review is kept either way");
    }
}

/// Requesting cancellation while the pull request is being opened does not take away the worker's
/// lease.
#[test]
fn asking_to_stop_leaves_the_work_to_its_holder() {
    let Staged::Opening(job) = at(JobState::PrCreationInitiated).staged() else {
        panic!("opening")
    };
    let working = lease(job).row().clone();
    let Staged::Opening(job) = working.clone().staged() else {
        panic!("opening")
    };
    let asked = job.request_cancel("why", NOW);
    let row = asked.row();
    assert_eq!(
        (row.state, row.cancel_requested, row.reason.as_deref()),
        (
            JobState::PrCreationInitiated,
            CancelRequest::Asked,
            Some("why")
        )
    );
    assert_eq!(row.lease_until, working.lease_until);
    assert!(
        row.due_at > row.lease_until && row.not_before == row.due_at,
        "who holds it may finish, and then it must show"
    );
    assert_eq!(
        row.version,
        working.version + 1,
        "so the holder's own write finds it"
    );
    assert!(!asked.frees_issue());
}

#[test]
fn words_are_read_back() {
    for state in JobState::ALL {
        assert_eq!(JobState::parse(state.as_str()), Some(state));
        // People can still reopen and merge the pull request of a closed job.
        assert_eq!(
            state.is_over() && state != JobState::Closed,
            moves(&at(state)).is_empty(),
            "{}",
            state.as_str()
        );
        assert!(
            state.is_over() || state == JobState::PrOpened || state.work().is_some(),
            "{} owes work",
            state.as_str()
        );
    }
    for notice in CommentState::ALL {
        assert_eq!(CommentState::parse(notice.as_str()), Some(notice));
        assert!(JobState::ALL.iter().any(|state| state.notice() == notice));
    }
    for word in ["", "queued", "PR_OPENED ", "OPENED"] {
        assert_eq!(JobState::parse(word), None, "{word:?}");
    }
    let order = IssueText::of(&"ü".repeat(2_000), &"🦀".repeat(100_000));
    assert_eq!(
        (order.title.len(), order.body.len()),
        (1_000, steps::ORDER_BYTES_MAX),
        "cut between characters"
    );
}
