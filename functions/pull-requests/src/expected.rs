//! Whether a pull request has to wait for checks, and what a commit's checks are. It only reads.

use crate::{Ctx, repository, wishes};
use domain::jobs::JobRow;
use domain::jobs::checks::{Check, Validate};
use domain::retry::{Failure, Retry};
use github_api::{Access, GithubApi, GithubError, Repository};

/// Whether a pull request has to wait for its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Checks,
    Nothing,
    /// There would be checks, but the installation has not granted the permissions to read them.
    NoRight,
}

/// What a commit's checks are, if GitHub shows them.
pub enum Seen {
    Checks(Vec<Check>),
    NoRight,
    /// The server knows no checks.
    Unknown,
}

/// Decides whether the pull request of a job has to wait for checks. Without a choice in the
/// repository's policy, the base commit says whether there are any: its own checks, or workflows.
pub async fn expected(
    ctx: &Ctx,
    github: &GithubApi,
    pulls: &Repository,
    row: &JobRow,
) -> Result<Expected, Failure> {
    let validate = row.facts.wishes.validate();
    let base = match (validate, row.base_sha.as_deref()) {
        (Some(Validate::Off), _) | (_, None) => return Ok(Expected::Nothing),
        (Some(Validate::Checks) | None, Some(base)) => base,
    };
    // Whether there are checks is a question on the way. A GitHub that never answers it must not
    // stop the delivery. If the repository asks for checks, the question is asked to the end.
    let tires = match validate {
        None => wishes::gives_up(row, ctx.outside.now()),
        Some(_) => row.is_worn_out(),
    };
    let seen = match checks_of(ctx, github, row, base).await {
        Err(failure) if tires => {
            tracing::warn!(job.id = %row.facts.id, error = %failure, "the base's checks cannot be read");
            Seen::Unknown
        }
        other => other?,
    };
    let promised = match &seen {
        Seen::Checks(checks) => validate.is_some() || !checks.is_empty(),
        Seen::NoRight => validate.is_some(),
        Seen::Unknown => return Ok(Expected::Nothing),
    };
    if !promised && !has_workflows(pulls, base).await? {
        return Ok(Expected::Nothing);
    }
    Ok(match seen {
        Seen::Checks(_) => Expected::Checks,
        Seen::NoRight | Seen::Unknown => Expected::NoRight,
    })
}

async fn has_workflows(pulls: &Repository, base: &str) -> Result<bool, Failure> {
    match pulls.has_workflows(base).await.map_err(Failure::from) {
        // Who does not show the folder has no sign of checks.
        Err(failure) if failure.retry == Retry::Never => Ok(false),
        other => other,
    }
}

/// Reads the checks of a commit. An installation that has not approved the permissions, and a server
/// without checks, are no errors: the flow is then as without checks.
pub async fn checks_of(
    ctx: &Ctx,
    github: &GithubApi,
    row: &JobRow,
    sha: &str,
) -> Result<Seen, Failure> {
    let read = async {
        let checks = repository(ctx, github, row, Access::ReadChecks).await?;
        checks.checks_list(sha).await
    };
    match read.await {
        Ok(checks) => Ok(Seen::Checks(checks)),
        // The installation's other tokens work, so it is this right that GitHub does not give.
        Err(
            GithubError::NoAccess { .. }
            | GithubError::Credentials { .. }
            | GithubError::TokenRefused { .. },
        ) => Ok(Seen::NoRight),
        Err(GithubError::Unavailable { status: 501, .. }) => Ok(Seen::Unknown),
        Err(error) => {
            let failure = Failure::from(error);
            match failure.retry {
                Retry::Never => Ok(Seen::Unknown),
                _ => Err(failure),
            }
        }
    }
}
