//! Waits for the checks of a job's pull request, which decide whether it is delivered and billed.
//! Checks that fail send the change back to the agent, at most twice.
//!
//! Safe to run twice: reading changes nothing, closing a pull request twice closes it once, and the
//! outcome is written on the version that the lease was taken on.

use crate::evidence::evidence;
use crate::expected::{Seen, checks_of};
use crate::settled::settled;
use crate::{Ctx, repository};
use domain::jobs::checks::{CheckId, OnRed, Progress, failing, named, passing, poll_wait};
use domain::jobs::steps::{FailedChecks, Steps};
use domain::jobs::{CancelRequest, Job, JobLease, JobRow, Validating};
use domain::retry::{Done, Failure, Retry, Retryable};
use domain::time::Timestamp;
use flows::work::{self, Finish};
use github_api::{Access, GithubApi, Pull, PullState, Repository};
use std::collections::BTreeSet;

/// What becomes of the job.
enum Verdict {
    /// Delivered, with what the checks said.
    Delivered(String),
    /// Not delivered, and why.
    Red(String),
    /// The agent repairs the change.
    Repair(FailedChecks),
    Merged,
    Closed,
    Cancelled,
}

const PUSHED: &str = "Somebody pushed to its branch, so Tallyhook did not wait for its checks.";
const UNREAD: &str = "Its checks could not be read.";
const NO_RIGHT: &str =
    "Its checks could not be read; the App's installation lacks the permissions for that.";
const MISSING: &str = "It has no checks.";
const RED_UNREAD: &str =
    "its checks failed, and after the repair they could not be read; it stays open";
const AGAIN: &str = ", also after it was repaired";
const SAME: &str = ", in the same way after it was repaired";
const UNSEEN: &str = ", and did not complete within an hour after it was repaired";
const TIMED_OUT: &str = "Its checks did not complete within an hour.";

/// Reads the checks of a job's pull request, and ends the wait if they decide.
pub async fn poll(
    ctx: &Ctx,
    job: Job<Validating>,
    steps: &Steps,
    until: Timestamp,
) -> Result<Done, Failure> {
    let (random, clock) = (|| (ctx.outside.random)(), || ctx.outside.now());
    let run = async |lease: &mut JobLease<Validating>| {
        let row = lease.row();
        let look = verdict(ctx, row, steps);
        let verdict = ctx.limits().within(row.facts.installation, look).await?;
        let now = ctx.outside.now();
        let finish: Finish<Validating> = match verdict {
            Verdict::Delivered(checked) => Box::new(move |lease| lease.delivered(&checked, now)),
            Verdict::Red(reason) => Box::new(move |lease| lease.fail(&reason, now)),
            Verdict::Repair(failed) => Box::new(move |lease| lease.repairing(failed, now)),
            Verdict::Merged => Box::new(move |lease| lease.merged(now)),
            Verdict::Closed => Box::new(move |lease| lease.closed(now)),
            Verdict::Cancelled => Box::new(move |lease| lease.cancelled(now)),
        };
        Ok(finish)
    };
    let worked = work::work(&ctx.store, random, clock, job, until, run).await?;
    settled(ctx, worked, until).await
}

async fn verdict(ctx: &Ctx, row: &JobRow, steps: &Steps) -> Result<Verdict, Failure> {
    let is_cancelled = row.cancel_requested == CancelRequest::Asked;
    let unread = || match row.cancel_requested {
        CancelRequest::Asked => Verdict::Cancelled,
        // What failed once has to be seen to pass.
        CancelRequest::None if row.repairs > 0 => Verdict::Red(RED_UNREAD.to_owned()),
        CancelRequest::None => Verdict::Delivered(UNREAD.to_owned()),
    };
    // No attempt is left. The pull request is there, and people can read its checks.
    if row.is_worn_out() {
        return Ok(unread());
    }
    let (Some(pull), Some(head_sha)) = (&row.pull, &row.head_sha) else {
        return Err(Failure::never("the job has no pull request"));
    };
    let github = ctx.github.client().await?;
    let pulls = match repository(ctx, &github, row, Access::WritePulls).await {
        Err(error) if error.retry() == Retry::Never => return Ok(unread()),
        other => other?,
    };
    let present = match pulls.pull_load(pull.number).await {
        Err(error) if error.retry() == Retry::Never => return Ok(unread()),
        other => other?,
    };
    let on_red = row.facts.wishes.on_red();
    // An attempt that died may have closed it because of its checks.
    let is_over = |pull: &Pull| pull.state == PullState::Closed && on_red == OnRed::Draft;
    let Some(present) = present.filter(|pull| !is_over(pull)) else {
        return Ok(match row.cancel_requested {
            CancelRequest::Asked => Verdict::Cancelled,
            CancelRequest::None => Verdict::Closed,
        });
    };
    if present.state == PullState::Merged {
        return Ok(Verdict::Merged);
    }
    if is_cancelled {
        return Ok(match close(&pulls, pull.number).await? {
            Some(PullState::Merged) => Verdict::Merged,
            Some(PullState::Open | PullState::Closed) | None => Verdict::Cancelled,
        });
    }
    let look = Look {
        ctx,
        github: &github,
        pulls: &pulls,
        row,
        last: steps.checks(),
    };
    look.judged(&present, head_sha).await
}

/// A look at a pull request that waits for its checks.
struct Look<'a> {
    ctx: &'a Ctx,
    github: &'a GithubApi,
    pulls: &'a Repository,
    row: &'a JobRow,
    /// The checks that failed before the last repair.
    last: Option<&'a FailedChecks>,
}

impl Look<'_> {
    /// Judges the checks of our commit, also if people have pushed another one: what failed before
    /// they did is not delivered.
    async fn judged(&self, present: &Pull, head_sha: &str) -> Result<Verdict, Failure> {
        let (ctx, row) = (self.ctx, self.row);
        let is_open = present.state == PullState::Open;
        let checks = match checks_of(ctx, self.github, row, head_sha).await? {
            Seen::Checks(checks) => checks,
            Seen::NoRight | Seen::Unknown if !is_open => return Ok(Verdict::Closed),
            Seen::NoRight | Seen::Unknown if self.last.is_some() => {
                return Ok(Verdict::Red(RED_UNREAD.to_owned()));
            }
            Seen::NoRight => return Ok(Verdict::Delivered(NO_RIGHT.to_owned())),
            Seen::Unknown => return Ok(Verdict::Delivered(UNREAD.to_owned())),
        };
        let is_ours = present.head_sha == head_sha;
        let (began, now) = (row.validating_since(), ctx.outside.now());
        let awaited = self.last.map(|last| last.failed.clone());
        let awaited = awaited.unwrap_or_default();
        let progress = if is_ours && is_open {
            Progress::of(&checks, &awaited, began, now)
        } else {
            // What failed before and was not seen to pass since has still failed.
            Progress::Failed(&failing(&checks) | &(&awaited - &passing(&checks)))
        };
        let failed = match progress {
            Progress::Waiting => {
                return Err(Failure::after(
                    poll_wait(began, now),
                    "the checks of the pull request are running",
                ));
            }
            Progress::Missing => return Ok(Verdict::Delivered(MISSING.to_owned())),
            Progress::TimedOut if awaited.is_empty() => {
                return Ok(Verdict::Delivered(TIMED_OUT.to_owned()));
            }
            // What failed once has to be seen to pass.
            Progress::TimedOut => return self.red(&awaited, UNSEEN, is_ours, present).await,
            Progress::Passed(count) => return Ok(Verdict::Delivered(passed(count))),
            Progress::Failed(failed) => failed,
        };
        let before = self.failing_before(&failed).await?;
        let new = &failed - &before;
        if new.is_empty() && !is_open {
            return Ok(Verdict::Closed);
        }
        if new.is_empty() {
            return Ok(Verdict::Delivered(if is_ours {
                excused(&(&failed & &before))
            } else {
                PUSHED.to_owned()
            }));
        }
        if is_ours && is_open && row.may_repair() {
            let found = evidence(ctx, self.github, row, &checks, new.clone()).await?;
            if self.last != Some(&found) {
                return Ok(Verdict::Repair(found));
            }
            return self.red(&new, SAME, is_ours, present).await;
        }
        let why = match (&row.repair_ended, row.repairs) {
            _ if !is_ours => String::new(),
            (Some(why), _) => format!(", and the change was not repaired: {why}"),
            (None, 0) => String::new(),
            (None, _) => AGAIN.to_owned(),
        };
        self.red(&new, &why, is_ours, present).await
    }

    /// What fails without the change too is not the change's fault.
    async fn failing_before(
        &self,
        failed: &BTreeSet<CheckId>,
    ) -> Result<BTreeSet<CheckId>, Failure> {
        let base = self.row.base_sha.as_deref().filter(|_| !failed.is_empty());
        let Some(base) = base else {
            return Ok(BTreeSet::new());
        };
        Ok(
            match checks_of(self.ctx, self.github, self.row, base).await? {
                Seen::Checks(checks) => failing(&checks),
                Seen::NoRight | Seen::Unknown => BTreeSet::new(),
            },
        )
    }

    /// Ends the job unbilled, and closes the pull request if the policy says so.
    async fn red(
        &self,
        failed: &BTreeSet<CheckId>,
        why: &str,
        is_ours: bool,
        present: &Pull,
    ) -> Result<Verdict, Failure> {
        let red = |left| Verdict::Red(format!("its checks failed: {}{why}; {left}", named(failed)));
        if present.state != PullState::Open {
            return Ok(red("it was closed"));
        }
        // A branch that people work on is theirs.
        if !is_ours || self.row.facts.wishes.on_red() == OnRed::Draft {
            return Ok(red("it stays open"));
        }
        Ok(match close(self.pulls, present.number).await? {
            Some(PullState::Merged) => Verdict::Merged,
            Some(PullState::Open | PullState::Closed) => red("it was closed"),
            None => red("it stays open"),
        })
    }
}

fn excused(old: &BTreeSet<CheckId>) -> String {
    format!(
        "Its checks passed, except what fails without the change too: {}.",
        named(old)
    )
}

fn passed(count: usize) -> String {
    match count {
        0 => "None of its checks passed or failed.".to_owned(),
        1 => "Its check passed.".to_owned(),
        _ => format!("Its {count} checks passed."),
    }
}

/// Closes the pull request, and returns its state then: people may have merged it before. Returns
/// `None` if GitHub refuses that.
async fn close(pulls: &Repository, number: u64) -> Result<Option<PullState>, Failure> {
    match pulls.pull_close(number).await.map_err(Failure::from) {
        Ok(pull) => Ok(Some(pull.state)),
        Err(failure) if failure.retry == Retry::Never => {
            tracing::warn!(error = %failure, "GitHub does not close the pull request");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}
