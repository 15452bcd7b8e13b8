//! Reports of an external agent on a job that was delegated to it.
//!
//! One write records the report and moves the job. The job's own terms set the price of the fix,
//! and its hold pays for it; the report itself costs nothing more. The comment on the issue and
//! Stripe's usage follow as for any other job: messages announce them, and the sweeper repeats lost
//! ones.

use crate::routes::jobs::phases;
use crate::{ApiError, Ctx};
use domain::ids::JobId;
use domain::jobs::phases::{FixCharge, Phase, PhaseReport, PhaseResult};
use domain::jobs::{Delegated, Job, PullRef, Staged, Transition};
use domain::refusal::Refusal;
use domain::retry::Failure;
use domain::time::Timestamp;
use queues::Message;
use store::Reported;

/// A concurrent request may move the job between our read and our write, so we try again a few
/// times.
const ATTEMPTS_MAX: u32 = 4;

/// Records a report on a job, with the move that it causes. `charge` is the price of the report, or
/// why it is refused, if no job pays for it.
pub async fn report(
    ctx: &Ctx,
    (report, charge): (&PhaseReport, Result<Option<FixCharge>, Refusal>),
    id: &JobId,
    now: Timestamp,
) -> Result<Reported, ApiError> {
    for _ in 0..ATTEMPTS_MAX {
        if let Some(known) = ctx.store.phase_known(report).await? {
            return Ok(known);
        }
        let row = ctx
            .store
            .job_find(id)
            .await?
            .filter(|row| row.facts.account == report.account);
        let row = row.ok_or_else(absent)?;
        if row.fix() != report.fix {
            let detail = format!(
                "{id} is about {}; report on that, or leave `job_id` out.",
                row.fix()
            );
            return Err(ApiError::conflict("other_job", detail));
        }
        if !row.is_delegated() {
            let detail = format!(
                "Tallyhook works on {id} itself; leave `job_id` out, or request a job with `agent` set to `external`."
            );
            return Err(ApiError::conflict("not_delegated", detail));
        }
        let Staged::Delegated(job) = row.staged() else {
            // The job is delivered and paid for, or it ended without a pull request. A delivery
            // after that still happened, so it is recorded like a report without a job.
            return phases::record(ctx, report, charge).await;
        };
        let Some(transition) = move_of(ctx, job, report, now)? else {
            return Ok(ctx.store.phase_record(report, None).await?);
        };
        if let Some(reported) = ctx.store.phase_move(report, &transition).await? {
            send(ctx, report, id, &transition).await;
            return Ok(reported);
        }
    }
    Err(ApiError::failure(&Failure::after(
        std::time::Duration::from_secs(1),
        "concurrent requests move the job",
    )))
}

/// Returns the move that a report causes, if any.
fn move_of(
    ctx: &Ctx,
    job: Job<Delegated>,
    report: &PhaseReport,
    now: Timestamp,
) -> Result<Option<Transition>, ApiError> {
    if report.is_billable(&ctx.catalogue.phase) {
        let Some(number) = report.pull_request else {
            let detail = "A report that delivers a job needs its `pull_request`.";
            return Err(ApiError::bad_request("bad_pull_request", detail));
        };
        let facts = &job.row().facts;
        let url = format!(
            "{}/{}/{}/pull/{number}",
            ctx.github_web_url, facts.owner_login, facts.repository_name
        );
        return Ok(Some(job.delivered(PullRef { number, url }, now)));
    }
    let failed = (report.phase, report.ending) == (Phase::Mitigate, PhaseResult::Failure);
    Ok(failed.then(|| job.given_up("the external agent reported a failure", now)))
}

/// The error for a job that does not exist or that belongs to another account.
pub fn absent() -> ApiError {
    ApiError::not_found("There is no such job.")
}

/// Sends the job's messages. A lost message costs a minute: the rows are due, and the sweeper finds
/// them.
async fn send(ctx: &Ctx, report: &PhaseReport, id: &JobId, transition: &Transition) {
    let account = Some(&report.account);
    let usage = transition.money().debts().into_iter().map(Message::Usage);
    for message in usage.chain([Message::Comment(id.clone())]) {
        if let Err(error) = ctx.queues.send(&message, account).await {
            tracing::warn!(job.id = %id, %error, "could not queue what follows a report; the sweeper will");
        }
    }
}
