//! The function that calls the model: each invocation runs one step of one job, or one assist.
//!
//! Invoked by the queues `plan`, `code` and `review`, whose messages name a job, and `assists`,
//! whose messages name an assist (`assists.rs`). It reads GitHub with a token for one repository,
//! asks the model, and advances the job. Safe to run twice: a step runs under a lease, its outcome
//! is written on the version that the lease was taken on, and a message for a finished step is
//! ignored. If a sandbox dies, its lease expires, and the job's row is due at that moment.

mod ask;
mod assists;
mod base;
mod brief;
mod budget;
mod caller;
mod code;
mod config;
mod delegated;
mod plan;
mod review;
mod summary;
mod talk;
mod test_files;
mod tools;

pub use config::{Config, Ctx};

use caller::lease_end;
use domain::ids::{AssistId, JobId};
use domain::jobs::steps::Steps;
use domain::jobs::turns::Conversing;
use domain::jobs::{Job, JobLease, JobRow, JobWork, Leasable, Staged};
use domain::retry::{Done, Failure};
use domain::switches::Switch;
use domain::time::Timestamp;
use flows::work::{self, Finish, Worked};
use queues::{Message, SqsBatchResponse, SqsEvent, consume};

/// Model calls are long and costly. Lambda scales by invocations instead.
const CONCURRENCY: usize = 1;

/// Handles a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    let handle = async |task: Task| match task {
        Task::Step(work, job) => on_work(ctx, work, &job, deadline).await,
        Task::Assist(assist) => assists::on_assist(ctx, &assist, deadline).await,
    };
    let random = || (ctx.outside.random)();
    consume(&ctx.queues, event, CONCURRENCY, random, select, handle).await
}

#[derive(Clone)]
enum Task {
    Step(JobWork, JobId),
    Assist(AssistId),
}

fn select(message: &Message) -> Option<Task> {
    match message {
        Message::Work(work, job) => Some(Task::Step(*work, job.clone())),
        Message::Assist(assist) => Some(Task::Assist(assist.clone())),
        _ => None,
    }
}

async fn on_work(
    ctx: &Ctx,
    kind: JobWork,
    id: &JobId,
    deadline: Timestamp,
) -> Result<Done, Failure> {
    let Some((row, steps)) = ctx.store.job_find_whole(id).await? else {
        return Ok(Done::Ignored("no such job"));
    };
    let account = &row.facts.account;
    let switch = work::switch(&ctx.switches, account, ctx.outside.now());
    if switch.await == Switch::Off {
        return Ok(work::PAUSED);
    }
    match (kind, row.staged()) {
        (JobWork::Plan, Staged::Delegated(job)) => delegated::look(ctx, job).await,
        (JobWork::Plan, Staged::Queued(job)) => step(ctx, job, &steps, plan::run).await,
        (JobWork::Plan, Staged::Planning(job)) => step(ctx, job, &steps, plan::run).await,
        // A conversation is a large future, so it is not a part of this one.
        (JobWork::Code, Staged::Coding(job)) => Box::pin(code(ctx, job, &steps, deadline)).await,
        (JobWork::Code, Staged::Repairing(job)) => Box::pin(code(ctx, job, &steps, deadline)).await,
        (JobWork::Review, Staged::Reviewing(job)) => step(ctx, job, &steps, review::run).await,
        // The job has advanced, and this message is late.
        _ => Ok(Done::Duplicate),
    }
}

async fn code<S: Leasable>(
    ctx: &Ctx,
    job: Job<S>,
    steps: &Steps,
    deadline: Timestamp,
) -> Result<Done, Failure>
where
    S::Working: Conversing,
{
    let run = async |ctx: &Ctx, lease: &mut JobLease<S::Working>, steps: &Steps| {
        code::run(ctx, lease, steps, deadline).await
    };
    step(ctx, job, steps, run).await
}

/// Runs a step under a lease, and sends the message for what the job needs next.
async fn step<S: Leasable>(
    ctx: &Ctx,
    job: Job<S>,
    steps: &Steps,
    run: impl AsyncFnOnce(
        &Ctx,
        &mut JobLease<S::Working>,
        &Steps,
    ) -> Result<Finish<S::Working>, Failure>,
) -> Result<Done, Failure> {
    let (random, clock) = (|| (ctx.outside.random)(), || ctx.outside.now());
    let until = lease_end(clock());
    let run = async |lease: &mut JobLease<S::Working>| {
        if lease.row().is_worn_out() {
            return Err(worn_out());
        }
        let installation = lease.row().facts.installation;
        let work = run(ctx, lease, steps);
        ctx.limits().within(installation, work).await
    };
    match work::work(&ctx.store, random, clock, job, until, run).await? {
        Worked::Moved(row, _) => {
            let account = &row.facts.account;
            ctx.queues.send(&next(&row), Some(account)).await?;
            Ok(Done::Applied(row.state.as_str().to_owned()))
        }
        Worked::Not(done) => Ok(done),
        Worked::Overtaken => Ok(Done::Duplicate),
    }
}

fn worn_out() -> Failure {
    Failure::never("every try ended without a word; the work may be too large for one step")
}

fn next(row: &JobRow) -> Message {
    let id = row.facts.id.clone();
    match row.state.work() {
        Some(work) => Message::Work(work, id),
        None => Message::Comment(id),
    }
}
