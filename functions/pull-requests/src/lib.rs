//! The door that writes to GitHub, and the only one: branches, commits, pull requests, comments.
//!
//! Woken by the queue `pulls`; a message names a job and what it owes there. Safe to run twice: every effect has an
//! identity fixed beforehand (the branch's name, a marker in commit, pull request and comment) and is looked up before it
//! is made, under a lease, since GitHub would take two comments. What it did is written on the version the lease was
//! taken on; with the pull request goes the usage that Stripe must be told, in the same transaction.

mod comment;
mod config;
mod finished;
mod open;
mod wishes;
mod wording;

pub use config::{Config, Ctx};

use domain::jobs::{JobRow, JobWork};
use domain::retry::{Done, Failure, MessageFate};
use domain::switches::Switch;
use domain::time::Timestamp;
use github_api::{Access, Repository};
use queues::{Delivered, Message, SqsBatchResponse, SqsEvent, consume};
use std::time::Duration;

const CONCURRENCY: usize = 5;
/// A lease outlives the function that holds it by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Acts on a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    let until = deadline.plus(LEASE_MARGIN);
    let act = async |delivered: Delivered| match &delivered.message {
        Message::Work(JobWork::Pull, job) => open::handle(ctx, job, until).await,
        Message::Comment(job) => comment::handle(ctx, job, until).await,
        Message::Work(JobWork::Plan | JobWork::Code | JobWork::Review, _)
        | Message::Event(_)
        | Message::Request(_)
        | Message::Usage(_)
        | Message::Notice(_)
        | Message::SignUp(_)
        | Message::Assist(_) => Ok(Done::Ignored("nothing to write to GitHub")),
    };
    let fail = async |delivered: Delivered, failure: Failure| {
        Ok((
            MessageFate::of(failure.retry, delivered.receives, (ctx.outside.random)()),
            failure,
        ))
    };
    consume(&ctx.queues, event, CONCURRENCY, act, fail).await
}

/// What is said of a job that may not go on.
pub(crate) const PAUSED: Done = Done::Waiting("the account is paused");

/// Whether the job may go on.
pub(crate) async fn goes_on(ctx: &Ctx, row: &JobRow) -> Switch {
    ctx.switches
        .switch_now(ctx.outside.now(), |switches| {
            switches.account(&row.facts.account)
        })
        .await
}

/// The job's repository, for writing.
pub(crate) async fn repository(ctx: &Ctx, row: &JobRow) -> Result<Repository, Failure> {
    let facts = &row.facts;
    let github = ctx.github.client().await?;
    let opened = github.repository(
        facts.installation,
        &facts.owner_login,
        &facts.repository_name,
        facts.repository,
        Access::Write,
        ctx.outside.now(),
    );
    Ok(opened.await?)
}
