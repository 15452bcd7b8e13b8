//! The door that asks the model: one step of one job an invocation, or one assist.
//!
//! Woken by the queues `plan`, `code` and `review`, whose messages name a job, and `assists`, which work of the same kind is
//! asked for by (see `assists.rs`). It reads GitHub with a token for one repository,
//! asks the model, and moves the job on. Safe to run twice: a step is worked on under a lease, its outcome is written on
//! the version the lease was taken on, and a message for a step that is over is ignored. A sandbox that dies leaves a
//! lease that runs out, and the job's row is due at that moment.

mod ask;
mod assists;
mod budget;
mod code;
mod config;
mod delegated;
mod plan;
mod review;
mod summary;
mod test_files;

pub use config::{Config, Ctx};

use domain::ids::JobId;
use domain::jobs::steps::Steps;
use domain::jobs::{Job, JobLease, JobRow, JobWork, Leasable, Staged, Transition};
use domain::retry::{Done, Failure, MessageFate};
use domain::switches::Switch;
use domain::time::Timestamp;
use queues::{Delivered, Message, SqsBatchResponse, SqsEvent, consume};
use std::time::Duration;
use store::{Advanced, Claimed};

/// Model calls are long and costly; Lambda scales by invocations.
const CONCURRENCY: usize = 1;
/// A lease outlives the function that holds it by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Acts on a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    let act = async |delivered: Delivered| match &delivered.message {
        Message::Work(work, job) => on_work(ctx, *work, job, deadline).await,
        Message::Assist(assist) => assists::on_assist(ctx, assist, deadline).await,
        Message::Event(_)
        | Message::Request(_)
        | Message::Comment(_)
        | Message::Usage(_)
        | Message::Notice(_)
        | Message::SignUp(_) => Ok(Done::Ignored("not a step")),
    };
    let fail = async |delivered: Delivered, failure: Failure| {
        Ok((
            MessageFate::of(failure.retry, delivered.receives, (ctx.outside.random)()),
            failure,
        ))
    };
    consume(&ctx.queues, event, CONCURRENCY, act, fail).await
}

async fn on_work(
    ctx: &Ctx,
    work: JobWork,
    id: &JobId,
    deadline: Timestamp,
) -> Result<Done, Failure> {
    let Some((row, steps)) = ctx.store.job_find_whole(id).await? else {
        return Ok(Done::Ignored("no such job"));
    };
    let account = &row.facts.account;
    if ctx
        .switches
        .switch_now(ctx.outside.now(), |switches| switches.account(account))
        .await
        == Switch::Off
    {
        return Ok(Done::Waiting("the account is paused"));
    }
    match (work, row.staged()) {
        (JobWork::Plan, Staged::Delegated(job)) => delegated::look(ctx, job).await,
        (JobWork::Plan, Staged::Queued(job)) => step(ctx, job, &steps, deadline, plan::run).await,
        (JobWork::Plan, Staged::Planning(job)) => step(ctx, job, &steps, deadline, plan::run).await,
        (JobWork::Code, Staged::Coding(job)) => step(ctx, job, &steps, deadline, code::run).await,
        (JobWork::Review, Staged::Reviewing(job)) => {
            step(ctx, job, &steps, deadline, review::run).await
        }
        // The job has gone on, and this message is late.
        _ => Ok(Done::Duplicate),
    }
}

/// Works under a lease: takes it, runs the step, writes what came of it, and says who is next.
async fn step<S: Leasable>(
    ctx: &Ctx,
    job: Job<S>,
    steps: &Steps,
    deadline: Timestamp,
    run: impl AsyncFnOnce(&Ctx, &JobRow, &Steps) -> Result<Finish<S::Working>, Failure>,
) -> Result<Done, Failure> {
    let Ok(claim) = job.claim(deadline.plus(LEASE_MARGIN), ctx.outside.now()) else {
        return Ok(NOT_NOW);
    };
    let Claimed::Yours(lease) = ctx.store.job_claim(claim).await? else {
        return Ok(Done::Duplicate);
    };
    let worked = if lease.row().is_worn_out() {
        Err(worn_out())
    } else {
        run(ctx, lease.row(), steps).await
    };
    let (transition, failure) = match worked {
        Ok(finish) => (finish(*lease), None),
        Err(failure) => (
            lease.failed(&failure, (ctx.outside.random)(), ctx.outside.now()),
            Some(failure),
        ),
    };
    let Advanced::Applied(row) = ctx.store.job_advance(&transition).await? else {
        return Ok(Done::Duplicate);
    };
    match failure {
        Some(failure) if row.state.work().is_some() => {
            Err(failure.due_in(row.wait(ctx.outside.now())))
        }
        Some(_) | None => {
            ctx.queues
                .send(&next(&row), Some(&row.facts.account))
                .await?;
            Ok(Done::Applied(row.state.as_str().to_owned()))
        }
    }
}

/// Somebody works on it, or nobody may yet; when it is due, the sweeper sends it again.
const NOT_NOW: Done = Done::Ignored("not now");

fn worn_out() -> Failure {
    Failure::never("every try ended without a word; the work may be too large for one step")
}

/// How a step ends: the move that spends the lease.
type Finish<W> = Box<dyn FnOnce(JobLease<W>) -> Transition + Send>;

fn next(row: &JobRow) -> Message {
    let id = row.facts.id.clone();
    match row.state.work() {
        Some(work) => Message::Work(work, id),
        None => Message::Comment(id),
    }
}
