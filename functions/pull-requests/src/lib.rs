//! The only function that writes to GitHub: branches, commits, pull requests and comments.
//!
//! Invoked by the queue `pulls`, whose messages name a job whose pull request or comment is due.
//! Safe to run twice: every effect has an identity that is fixed beforehand (the branch's name, or
//! a marker in the commit, pull request and comment). It is looked up before it is created, under a
//! lease, because GitHub would accept two comments. The outcome is written on the version that the
//! lease was taken on, in one transaction with the usage that is owed to Stripe.

mod comment;
mod config;
mod evidence;
mod expected;
mod finished;
mod open;
mod repair;
mod settled;
mod validate;
mod wishes;
mod wording;

pub use config::{Config, Ctx};

use domain::ids::JobId;
use domain::jobs::{JobRow, JobWork};
use domain::time::Timestamp;
use flows::work::LEASE_MARGIN;
use github_api::{Access, GithubApi, GithubError, Repository};
use queues::{Message, SqsBatchResponse, SqsEvent, consume};

const CONCURRENCY: usize = 5;

/// Handles a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    let until = deadline.plus(LEASE_MARGIN);
    let handle = async |task: Task| match task {
        Task::Open(job) => open::handle(ctx, &job, until).await,
        Task::Comment(job) => comment::handle(ctx, &job, until).await,
    };
    let random = || (ctx.outside.random)();
    consume(&ctx.queues, event, CONCURRENCY, random, select, handle).await
}

#[derive(Clone)]
enum Task {
    Open(JobId),
    Comment(JobId),
}

fn select(message: &Message) -> Option<Task> {
    match message {
        Message::Work(JobWork::Pull, job) => Some(Task::Open(job.clone())),
        Message::Comment(job) => Some(Task::Comment(job.clone())),
        _ => None,
    }
}

/// Opens the job's repository for writing.
pub(crate) async fn repository(
    ctx: &Ctx,
    github: &GithubApi,
    row: &JobRow,
    access: Access,
) -> Result<Repository, GithubError> {
    let facts = &row.facts;
    let opened = github.repository(
        facts.installation,
        &facts.owner_login,
        &facts.repository_name,
        facts.repository,
        access,
        ctx.outside.now(),
    );
    opened.await
}
