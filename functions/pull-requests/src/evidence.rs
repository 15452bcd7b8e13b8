//! What failed checks say, for the agent that repairs the change. It only reads.
//!
//! What GitHub does not show, or not in time, is left out: a report of names alone is still a report.

use crate::{Ctx, repository, wishes};
use domain::jobs::JobRow;
use domain::jobs::checks::{Check, CheckId, CheckState};
use domain::jobs::evidence::{CheckReport, log_tail};
use domain::jobs::steps::FailedChecks;
use domain::retry::{Failure, Retry};
use github_api::{Access, Download, GithubApi, GithubError};
use std::collections::BTreeSet;

/// The most checks that are looked into.
const CHECKS_MAX: usize = 4;
/// The end of a log that is looked at.
const LOG_BYTES_MAX: usize = 2 << 20;

/// Collects what these failed checks say.
pub async fn evidence(
    ctx: &Ctx,
    github: &GithubApi,
    row: &JobRow,
    checks: &[Check],
    failed: BTreeSet<CheckId>,
) -> Result<FailedChecks, Failure> {
    // An attempt that ends without a word may have ended here. The next ones must not.
    let reads = !wishes::gives_up(row, ctx.outside.now());
    let mut reports = Vec::new();
    let red = checks
        .iter()
        .filter(|check| check.state == CheckState::Failed && failed.contains(&check.id));
    for check in red.take(CHECKS_MAX) {
        let mut said = vec![check.words.said.clone()];
        if let Some(run) = check.words.run.filter(|_| reads) {
            if check.words.has_annotations {
                said.push(annotations(ctx, github, row, run).await?);
            }
            if check.words.has_log {
                said.push(log(ctx, github, row, run).await?);
            }
        }
        reports.push(CheckReport::of(&check.id.name, &said));
    }
    Ok(FailedChecks { failed, reports })
}

async fn annotations(
    ctx: &Ctx,
    github: &GithubApi,
    row: &JobRow,
    run: u64,
) -> Result<String, Failure> {
    let read = async {
        let checks = repository(ctx, github, row, Access::ReadChecks).await?;
        checks.annotations_list(run).await
    };
    let found = shown(ctx, row, read.await)?.unwrap_or_default();
    let lines = found.iter().map(|one| {
        let message = one.message.as_deref().unwrap_or_default();
        format!("{}:{}: {message}", one.path, one.start_line)
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

async fn log(ctx: &Ctx, github: &GithubApi, row: &JobRow, run: u64) -> Result<String, Failure> {
    let read = async {
        let logs = repository(ctx, github, row, Access::ReadLogs).await?;
        logs.log_load(run).await
    };
    Ok(match shown(ctx, row, read.await)? {
        Some(Download::File(log)) => {
            let from = log.len().saturating_sub(LOG_BYTES_MAX);
            log_tail(&String::from_utf8_lossy(&log[from..]))
        }
        Some(Download::Unavailable(_)) | None => String::new(),
    })
}

/// Leaves out what GitHub refuses, and what it does not answer for long.
fn shown<T>(ctx: &Ctx, row: &JobRow, read: Result<T, GithubError>) -> Result<Option<T>, Failure> {
    match read.map_err(Failure::from) {
        Ok(found) => Ok(Some(found)),
        Err(failure)
            if failure.retry == Retry::Never || wishes::gives_up(row, ctx.outside.now()) =>
        {
            tracing::info!(job.id = %row.facts.id, error = %failure, "what a check says cannot be read");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}
