//! What an agent outside reports of a job that it was given: the report and the job's move are one write.
//!
//! The job's own terms say what the fix costs, and its hold pays; the report costs nothing beside. Its issue is told, and
//! Stripe, as of any other job: the sweeper finds the row due.

use crate::{ApiError, Ctx};
use domain::ids::JobId;
use domain::jobs::phases::{FixCharge, Phase, PhaseReport, PhaseResult};
use domain::jobs::{Delegated, Job, PullRef, Staged, Transition};
use domain::retry::Failure;
use domain::time::Timestamp;
use store::Reported;

/// Others may move the job at the same time, but not for ever.
const TRIES_MAX: u32 = 4;

/// Records a report on a job, with the move that it brings about.
/// `charge` is what it would cost without a job.
pub async fn report(
    ctx: &Ctx,
    (report, charge): (&PhaseReport, Option<&FixCharge>),
    id: &JobId,
    now: Timestamp,
) -> Result<Reported, ApiError> {
    for _ in 0..TRIES_MAX {
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
                "{id} is about {}; report what it is about, or leave job_id out",
                row.fix()
            );
            return Err(ApiError::conflict("other_job", detail));
        }
        if !row.is_delegated() {
            let detail = format!(
                "{id} is worked on here; leave job_id out, or ask for a job with agent external"
            );
            return Err(ApiError::conflict("not_delegated", detail));
        }
        let Staged::Delegated(job) = row.staged() else {
            // Delivered, and so paid for; or over without a pull request, and what is delivered all the same has happened.
            return Ok(ctx.store.phase_record(report, charge).await?);
        };
        let Some(transition) = brings_about(ctx, job, report, now)? else {
            return Ok(ctx.store.phase_record(report, None).await?);
        };
        if let Some(reported) = ctx.store.phase_move(report, &transition).await? {
            return Ok(reported);
        }
    }
    Err(ApiError::failure(&Failure::after(
        std::time::Duration::from_secs(1),
        "others move the job at the same time",
    )))
}

/// The move of a job that a report on it brings about, if it does.
fn brings_about(
    ctx: &Ctx,
    job: Job<Delegated>,
    report: &PhaseReport,
    now: Timestamp,
) -> Result<Option<Transition>, ApiError> {
    if report.is_billable(&ctx.catalogue.phase) {
        let Some(number) = report.pull_request else {
            let detail = "the report that delivers a job names its pull_request";
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
    Ok(failed.then(|| job.given_up("the agent that it was given to has not managed it", now)))
}

/// What is said of jobs that are not there, and of other accounts'.
pub fn absent() -> ApiError {
    ApiError::not_found("there is no such job")
}
