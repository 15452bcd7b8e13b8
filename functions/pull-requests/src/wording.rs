//! The texts that people read on GitHub, and the texts of the mail about a job.

use crate::expected::Expected;
use domain::billing::plans::Billable;
use domain::jobs::permissions::UNAPPROVED;
use domain::jobs::pulls::{self, Proposal, commit_marker};
use domain::jobs::untrusted::{disarmed, disarmed_title};
use domain::jobs::{
    CommentState, FixPaid, Funding, JobFacts, JobRow, JobState, REPAIRS_MAX, cost_to_customer,
};

/// The commit message: a subject, the issue, and the job's marker.
pub fn commit_message(row: &JobRow, proposal: &Proposal) -> String {
    format!(
        "{}\n\nRefs #{}\n\n{}",
        disarmed_title(proposal.title()),
        row.facts.issue_number,
        commit_marker(&row.facts.id)
    )
}

/// What the pull request says where its checks may not be read.
const NO_CHECKS: &str = "\n\nTallyhook did not wait for the checks of this pull request, because it may not read them. Grant the App's installation the permissions to read checks and commit statuses.";

/// The pull request's text. If GitHub refused the comment under the issue, this is the only place to
/// say so.
pub fn pull_body(row: &JobRow, proposal: &Proposal, expected: Expected) -> String {
    let issue = row.facts.issue_number;
    let mut body = pulls::pull_body(issue, proposal);
    if expected == Expected::NoRight {
        body.push_str(NO_CHECKS);
    }
    if row.commented.is_none() || row.comment.is_some() {
        return body;
    }
    format!(
        "{body}\n\nGitHub does not let Tallyhook comment on #{issue}. Check that the App's installation has the permission to write issues."
    )
}

/// The mail about a job that was delivered or has ended, with its result and its cost.
pub fn mail(row: &JobRow) -> String {
    let JobFacts {
        owner_login,
        repository_name,
        issue_number,
        id,
        terms,
        ..
    } = &row.facts;
    let issue = format!("issue #{issue_number} of {owner_login}/{repository_name}");
    let Some(pull) = &row.pull else {
        let reason = row.reason.as_deref().unwrap_or("it was given up");
        return format!("{issue} got no pull request, and nothing is billed: {reason}. Job {id}.");
    };
    if !was_delivered(row) {
        let reason = row.reason.as_deref().unwrap_or("it was closed");
        return format!(
            "{issue} got pull request #{}, which is not delivered, and nothing is billed: {reason}. Job {id}.",
            pull.number
        );
    }
    let cost = match (charge(row), &terms.funding) {
        (Charge::Free, _) => "It costs nothing".to_owned(),
        (Charge::WhenMerged, _) => "It is billed when it is merged".to_owned(),
        (Charge::Before, Funding::Metered { .. }) => {
            "The fix was billed before, so it is not billed again".to_owned()
        }
        (Charge::Once | Charge::Before, Funding::Prepaid { .. }) => {
            format!("It costs {} credits", cost_to_customer(row))
        }
        (Charge::Once | Charge::Before, _) => "It will appear once on your next invoice".to_owned(),
    };
    format!(
        "{issue} got pull request #{}: {}. {cost}. Job {id}.",
        pull.number, pull.url
    )
}

/// When a delivered job is charged, if it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Charge {
    Free,
    /// Not yet: the plan bills merged pull requests.
    WhenMerged,
    /// A report of an external agent was charged for this fix.
    Before,
    Once,
}

fn charge(row: &JobRow) -> Charge {
    let terms = &row.facts.terms;
    match (&terms.funding, terms.billable, row.fix_paid) {
        (Funding::Free, ..) => Charge::Free,
        (_, Billable::Merged, _) if row.state != JobState::Merged => Charge::WhenMerged,
        (_, _, FixPaid::Before) => Charge::Before,
        (_, _, FixPaid::WithJob) => Charge::Once,
    }
}

impl Charge {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free of charge",
            Self::WhenMerged => "billed once, when it is merged",
            Self::Before => "and the fix was billed before, so not again",
            Self::Once => "billed once",
        }
    }
}

/// The comment under the issue.
pub fn comment(row: &JobRow, notice: CommentState) -> String {
    let job = &row.facts.id;
    let reason = row.shown_reason().map(disarmed).unwrap_or_default();
    let pull = row
        .pull
        .as_ref()
        .map_or_else(String::new, |pull| format!("#{}", pull.number));
    let tokens = row.tokens.total();
    let unmet = row.unmet.as_deref().map_or_else(String::new, |unmet| {
        format!(
            "\n\nGitHub refused a part of `.tallyhook.toml`: {}.",
            disarmed(unmet)
        )
    });
    let checked = row
        .checked
        .as_deref()
        .map_or_else(String::new, |checked| format!(" {}", disarmed(checked)));
    let bill = charge(row).as_str();
    let bills_merges = row.facts.terms.billable == Billable::Merged;
    match notice {
        CommentState::Working if row.is_delegated() => {
            format!(
                "An external agent is working on this issue; waiting for its report. Job `{job}`."
            )
        }
        CommentState::Working => {
            format!("On it: planning, coding and reviewing a change for this issue. Job `{job}`.")
        }
        CommentState::Validating => {
            format!("{pull} is open and waits for its checks. Job `{job}`.")
        }
        CommentState::Repairing => {
            let (now, most) = (row.repairs, REPAIRS_MAX);
            format!(
                "Checks of {pull} failed. Repairing the change ({now} of at most {most}). Job `{job}`."
            )
        }
        CommentState::Opened if row.is_delegated() => {
            format!("The pull request is ready: {pull}. Job `{job}`, {bill}.")
        }
        CommentState::Opened => {
            format!(
                "The pull request is ready: {pull}. Job `{job}`, {tokens} tokens, {bill}.{checked}{unmet}"
            )
        }
        CommentState::Merged if was_closed(row) => {
            format!("{pull} was reopened and merged. Job `{job}`.")
        }
        CommentState::Merged if bills_merges || !was_opened(row) => {
            format!("{pull} was merged. Job `{job}`, {bill}.")
        }
        CommentState::Merged => format!("{pull} was merged. Job `{job}`."),
        CommentState::Closed if bills_merges || !was_delivered(row) => {
            format!("{pull} was closed without merging, so nothing is billed. Job `{job}`.")
        }
        CommentState::Closed => format!("{pull} was closed without merging. Job `{job}`."),
        CommentState::Rejected => {
            format!(
                "The review did not accept the change, so there is no pull request and nothing is billed. {reason}\n\nJob `{job}`."
            )
        }
        CommentState::Failed => failed(row, &reason),
        CommentState::Cancelled if row.pull.is_some() => {
            format!(
                "Cancelled: {reason}. {pull} is not delivered, and nothing is billed. Job `{job}`."
            )
        }
        CommentState::Cancelled => {
            format!(
                "Cancelled: {reason}. There is no pull request and nothing is billed. Job `{job}`."
            )
        }
    }
}

/// The comment of a job that failed.
fn failed(row: &JobRow, reason: &str) -> String {
    let job = &row.facts.id;
    // No invitation to try again: the same person would be refused again.
    if row.facts.trigger.starts_with(UNAPPROVED) {
        return format!("Not started: {reason}.\n\nJob `{job}`.");
    }
    // The reason concerns the account, and another command would meet the same.
    if row.public_reason.is_some() {
        return format!("Not started, and nothing is billed: {reason}.\n\nJob `{job}`.");
    }
    let Some(pull) = &row.pull else {
        return format!(
            "This did not work out, so there is no pull request and nothing is billed: {reason}.\n\nComment `/tallyhook fix` to try again. Job `{job}`."
        );
    };
    format!(
        "#{} is not delivered, and nothing is billed: {reason}.\n\nComment `/tallyhook fix` to try again. Job `{job}`.",
        pull.number
    )
}

/// Whether the pull request was closed before its present state.
fn was_closed(row: &JobRow) -> bool {
    row.timeline
        .iter()
        .any(|entry| entry.state == JobState::Closed)
}

/// Whether the pull request has been delivered, and not only opened.
fn was_delivered(row: &JobRow) -> bool {
    was_opened(row) || row.state == JobState::Merged
}

fn was_opened(row: &JobRow) -> bool {
    row.timeline
        .iter()
        .any(|entry| entry.state == JobState::PrOpened)
}
