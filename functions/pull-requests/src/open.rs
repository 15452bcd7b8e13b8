//! Opens the pull request of an approved change, and records the usage that is owed to Stripe.

use crate::expected::{Expected, expected};
use crate::repair::repair;
use crate::settled::settled;
use crate::{Ctx, comment, repository, validate, wishes, wording};
use domain::ids::JobId;
use domain::jobs::pulls::{branch, commit_marker, hidden_marker};
use domain::jobs::steps::Steps;
use domain::jobs::untrusted::disarmed_title;
use domain::jobs::{CancelRequest, Job, JobLease, JobRow, Leasable, Opening, PullRef, Staged};
use domain::retry::{Done, Failure};
use domain::switches::Switch;
use domain::time::Timestamp;
use flows::work::{self, Finish};
use github_api::{Access, CommitOrder, Committed, Opened, Pull, PullOrder, Repository};

/// What a delivery creates: the tree, the commit, the branch and the pull request.
const CREATIONS: u32 = 4;

/// Opens the job's pull request, once.
pub async fn handle(ctx: &Ctx, id: &JobId, until: Timestamp) -> Result<Done, Failure> {
    let Some((row, steps)) = ctx.store.job_find_whole(id).await? else {
        return Ok(Done::Ignored("no such job"));
    };
    if work::switch(&ctx.switches, &row.facts.account, ctx.outside.now()).await == Switch::Off {
        return Ok(work::PAUSED);
    }
    // The pull request is recorded, but its comment may have failed. This message then tries again.
    if row.state.work().is_none() {
        return comment::tell(ctx, &row, until).await;
    }
    match row.staged() {
        Staged::Approved(job) => deliver(ctx, job, &steps, until).await,
        Staged::Opening(job) => deliver(ctx, job, &steps, until).await,
        Staged::Validating(job) => validate::poll(ctx, job, &steps, until).await,
        _ => Ok(Done::Duplicate),
    }
}

async fn deliver<S: Leasable<Working = Opening>>(
    ctx: &Ctx,
    job: Job<S>,
    steps: &Steps,
    until: Timestamp,
) -> Result<Done, Failure> {
    let (random, clock) = (|| (ctx.outside.random)(), || ctx.outside.now());
    let run = async |lease: &mut JobLease<Opening>| {
        let work = pull(ctx, lease, steps);
        let installation = lease.row().facts.installation;
        let ready = ctx.limits().within(installation, work).await?;
        let now = ctx.outside.now();
        let finish: Finish<Opening> = match ready {
            Some(Ready {
                pull,
                unmet,
                awaits,
            }) => Box::new(move |lease| match awaits {
                Some(head_sha) => lease.validating(pull, unmet, head_sha, now),
                None => lease.opened(pull, unmet, now),
            }),
            None => Box::new(move |lease| lease.cancelled(now)),
        };
        Ok(finish)
    };
    let worked = work::work(&ctx.store, random, clock, job, until, run).await?;
    settled(ctx, worked, until).await
}

/// A pull request that exists.
pub struct Ready {
    pub pull: PullRef,
    /// The labels and reviewers that GitHub refused.
    pub unmet: Option<String>,
    /// The commit whose checks decide, if there are any.
    pub awaits: Option<String>,
}

/// Creates or finds the pull request, with its labels and reviewers. Returns `None` if the job was
/// cancelled in time.
async fn pull(
    ctx: &Ctx,
    lease: &JobLease<Opening>,
    steps: &Steps,
) -> Result<Option<Ready>, Failure> {
    let row = lease.row();
    let github = ctx.github.client().await?;
    let repository = repository(ctx, &github, row, Access::WritePulls).await?;
    if let (Some(pull), Some(head_sha)) = (&row.pull, &row.head_sha) {
        return repair(ctx, &repository, row, steps, (pull, head_sha))
            .await
            .map(Some);
    }
    let expected = expected(ctx, &github, &repository, row).await?;
    let found = match row.cancel_requested {
        CancelRequest::Asked => made(&repository, &branch(&row.facts.id))
            .await?
            .map(with_head),
        // No attempt is left, but an earlier one may have succeeded although its response was lost.
        CancelRequest::None if row.is_worn_out() => {
            let pull = made(&repository, &branch(&row.facts.id)).await?;
            Some(with_head(pull.ok_or_else(|| worn_out(row))?))
        }
        CancelRequest::None => {
            let count = CREATIONS + wishes::creations(row);
            ctx.limits().create(row.facts.installation, count).await?;
            Some(ensured(&repository, row, steps, expected).await?)
        }
    };
    let Some((Pull { number, url, .. }, head_sha)) = found else {
        return Ok(None);
    };
    let awaits = (expected == Expected::Checks).then_some(head_sha);
    let unmet = wishes::grant(ctx, &github, &repository, row, number).await?;
    Ok(Some(Ready {
        pull: PullRef { number, url },
        unmet,
        awaits,
    }))
}

/// The newest commit of a pull request stands for ours, which is not looked for.
fn with_head(pull: Pull) -> (Pull, String) {
    let head_sha = pull.head_sha.clone();
    (pull, head_sha)
}

pub fn worn_out(row: &JobRow) -> Failure {
    let reason = row.reason.clone();
    Failure::never(reason.unwrap_or_else(|| {
        "the pull request could not be opened; every attempt ended without an answer".into()
    }))
}

/// Finds the pull request that an earlier attempt may have created. Without its branch, there is no
/// pull request. If the branch exists, a second look covers the delay of GitHub's list.
async fn made(repository: &Repository, head_branch: &str) -> Result<Option<Pull>, Failure> {
    let pull = repository.pull_find(head_branch).await?;
    if pull.is_some() || repository.branch_head(head_branch).await?.is_none() {
        return Ok(pull);
    }
    Ok(repository.pull_find(head_branch).await?)
}

/// Ensures that the pull request exists. Returns it with our commit.
async fn ensured(
    repository: &Repository,
    row: &JobRow,
    steps: &Steps,
    expected: Expected,
) -> Result<(Pull, String), Failure> {
    let head_branch = branch(&row.facts.id);
    let (proposal, base_sha) = delivered(row, steps)?;
    let commit = CommitOrder {
        branch: &head_branch,
        base_sha,
        changes: proposal.changes(),
        message: &wording::commit_message(row, proposal),
        marker: &commit_marker(&row.facts.id),
    };
    let (Committed::Created { sha } | Committed::AlreadyThere { sha }) =
        repository.commit_ensure(&commit).await?;
    let order = PullOrder {
        head_branch: &head_branch,
        base_branch: &row.facts.base_branch,
        title: &disarmed_title(proposal.title()),
        body: &wording::pull_body(row, proposal, expected),
        marker: &hidden_marker(&row.facts.id),
        draft: row.facts.wishes.draft(),
    };
    match repository.pull_ensure(&order).await? {
        Opened::Created(pull) | Opened::AlreadyThere(pull) => Ok((pull, sha)),
    }
}

/// The change to commit, and the commit that it is based on.
pub fn delivered<'a>(
    row: &'a JobRow,
    steps: &'a Steps,
) -> Result<(&'a domain::jobs::pulls::Proposal, &'a str), Failure> {
    let proposal = steps
        .proposal()
        .ok_or_else(|| Failure::never("the job has no change"))?;
    let base_sha = row
        .base_sha
        .as_deref()
        .ok_or_else(|| Failure::never("the job has no base"))?;
    Ok((proposal, base_sha))
}
