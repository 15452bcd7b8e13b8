//! From an approved change to an open pull request and a debt to Stripe.

use crate::{Ctx, PAUSED, comment, goes_on, repository, wishes, wording};
use domain::ids::JobId;
use domain::jobs::pulls::{branch, commit_marker, hidden_marker, pull_body, without_mentions};
use domain::jobs::steps::Steps;
use domain::jobs::{
    CancelRequest, ConcurrentMove, Job, JobLease, JobRow, Leasable, Opening, PullRef, Staged,
};
use domain::retry::{Done, Failure};
use domain::switches::Switch;
use domain::time::Timestamp;
use github_api::{CommitOrder, Opened, Pull, PullOrder, Repository};
use queues::Message;
use store::{Advanced, Claimed};

/// Opens the job's pull request, once.
pub async fn handle(ctx: &Ctx, id: &JobId, until: Timestamp) -> Result<Done, Failure> {
    let Some((row, steps)) = ctx.store.job_find_whole(id).await? else {
        return Ok(Done::Ignored("no such job"));
    };
    if goes_on(ctx, &row).await == Switch::Off {
        return Ok(PAUSED);
    }
    match row.staged() {
        Staged::Approved(job) => deliver(ctx, job, &steps, until).await,
        Staged::Opening(job) => deliver(ctx, job, &steps, until).await,
        _ => Ok(Done::Duplicate),
    }
}

async fn deliver<S: Leasable<Working = Opening>>(
    ctx: &Ctx,
    job: Job<S>,
    steps: &Steps,
    until: Timestamp,
) -> Result<Done, Failure> {
    // Somebody works on it, or nobody may yet; when it is due, the sweeper sends it again.
    let Ok(claim) = job.claim(until, ctx.outside.now()) else {
        return Ok(Done::Ignored("not now"));
    };
    let Claimed::Yours(lease) = ctx.store.job_claim(claim).await? else {
        return Ok(Done::Duplicate);
    };
    let (transition, failure) = match pull(ctx, &lease, steps).await {
        Ok(Some(pull)) => (
            lease.opened(
                PullRef {
                    number: pull.number,
                    url: pull.url,
                },
                ctx.outside.now(),
            ),
            None,
        ),
        Ok(None) => (lease.cancelled(ctx.outside.now()), None),
        Err(failure) => (
            lease.failed(&failure, (ctx.outside.random)(), ctx.outside.now()),
            Some(failure),
        ),
    };
    let row = match ctx.store.job_advance(&transition).await? {
        Advanced::Applied(row) => row,
        // Somebody asked to stop meanwhile. Whether there is a pull request now is looked up by the next try.
        Advanced::Stale => return Err(ConcurrentMove.into()),
    };
    match failure {
        Some(failure) if row.state.work().is_some() => {
            return Err(failure.due_in(row.wait(ctx.outside.now())));
        }
        Some(_) | None => {}
    }
    for debts in transition.money().debts() {
        ctx.queues
            .send(&Message::Usage(debts), Some(&row.facts.account))
            .await?;
    }
    comment::tell(ctx, &row, until).await?;
    Ok(Done::Applied(row.state.as_str().to_owned()))
}

/// The pull request, made or found, with what was wished for it; none when the job was cancelled in time.
async fn pull(
    ctx: &Ctx,
    lease: &JobLease<Opening>,
    steps: &Steps,
) -> Result<Option<Pull>, Failure> {
    let row = lease.row();
    let repository = repository(ctx, row).await?;
    let pull = match row.cancel_requested {
        CancelRequest::Asked => made(&repository, &branch(&row.facts.id)).await?,
        // Another try would be one too many, but an earlier one may have succeeded without a word.
        CancelRequest::None if row.is_worn_out() => {
            let pull = made(&repository, &branch(&row.facts.id)).await?;
            Some(pull.ok_or_else(|| worn_out(row))?)
        }
        CancelRequest::None => Some(ensured(&repository, row, steps).await?),
    };
    if let Some(pull) = &pull {
        wishes::grant(&repository, row, pull.number).await?;
    }
    Ok(pull)
}

fn worn_out(row: &JobRow) -> Failure {
    let reason = row.reason.clone();
    Failure::never(reason.unwrap_or_else(|| {
        "the pull request could not be opened; every try ended without a word".into()
    }))
}

/// The pull request that an earlier try may have made. Without its branch there is none. With it, a list that lags shows
/// itself on a second look.
async fn made(repository: &Repository, head_branch: &str) -> Result<Option<Pull>, Failure> {
    let pull = repository.pull_find(head_branch).await?;
    if pull.is_some() || repository.branch_head(head_branch).await?.is_none() {
        return Ok(pull);
    }
    Ok(repository.pull_find(head_branch).await?)
}

async fn ensured(repository: &Repository, row: &JobRow, steps: &Steps) -> Result<Pull, Failure> {
    let head_branch = branch(&row.facts.id);
    let (proposal, base_sha) = delivered(row, steps)?;
    let commit = CommitOrder {
        branch: &head_branch,
        base_sha,
        changes: proposal.changes(),
        message: &wording::commit_message(row, proposal),
        marker: &commit_marker(&row.facts.id),
        authored_at: row.facts.created_at,
    };
    repository.commit_ensure(&commit).await?;
    let order = PullOrder {
        head_branch: &head_branch,
        base_branch: &row.facts.base_branch,
        title: &without_mentions(proposal.title()),
        body: &pull_body(row.facts.issue_number, proposal),
        marker: &hidden_marker(&row.facts.id),
        draft: row.facts.wishes.draft(),
    };
    match repository.pull_ensure(&order).await? {
        Opened::Created(pull) | Opened::AlreadyThere(pull) => Ok(pull),
    }
}

fn delivered<'a>(
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
