//! The function that handles GitHub's recorded events, one file for each kind of object.
//!
//! Invoked by the queue `github-events`. A message names the row of an event, of a job that the API
//! requested, or of a hold that has expired. This function handles requests because it reads GitHub,
//! and holds because it posts to the ledger and is never busy for long. It creates and cancels jobs,
//! ends them with their pull requests, records installations, what it sees of their repositories,
//! and Marketplace purchases, and signs up new owners. It only reads GitHub.
//!
//! Safe to run twice: one fact creates one job, a transition is written on the version that it was
//! decided on, and only this function finishes the event's row, once.

mod config;
mod holds;
mod installation;
mod issue;
mod marketplace;
mod permission;
mod policy;
mod pull_request;
mod repositories;
mod requested;
mod sign_ups;

pub use config::{Config, Ctx};

use domain::ids::JobId;
use domain::inbox::events::GithubEvent;
use domain::inbox::{EventKey, EventRow};
use domain::ledger::HoldKey;
use domain::retry::{Done, Failure, MessageFate};
use domain::time::Timestamp;
use flows::act;
use flows::jobs::order::Orders;
use queues::{Message, SqsBatchResponse, SqsEvent, consume_with};
use webhooks::github;

const CONCURRENCY: usize = 10;

/// Handles a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, _deadline: Timestamp) -> SqsBatchResponse {
    let handle = async |task: Task| match task {
        Task::Event(key) => {
            let (inbox, switches, clock) = (&ctx.inbox, &ctx.switches, || ctx.outside.now());
            act(
                inbox,
                switches,
                clock,
                &key,
                async |row: &EventRow, body: &[u8]| dispatch(ctx, row, body).await,
            )
            .await
        }
        Task::Request(id) => requested::handle(ctx, &id).await,
        Task::Hold(key) => holds::release(ctx, &key).await,
    };
    let fail = async |task: Task, failure: Failure, receives| {
        let fate = match task {
            Task::Event(key) => {
                let (random, now) = ((ctx.outside.random)(), ctx.outside.now());
                ctx.inbox.fail(&key, &failure, random, now).await?
            }
            Task::Request(id) => requested::fail(ctx, &id, &failure).await?,
            // The hold's row stays due whatever happens to the message.
            Task::Hold(_) => MessageFate::of(failure.retry, receives, (ctx.outside.random)()),
        };
        Ok((fate, fate.of_row(failure)))
    };
    consume_with(&ctx.queues, event, CONCURRENCY, select, handle, fail).await
}

#[derive(Clone)]
enum Task {
    Event(EventKey),
    /// A job that the API requested.
    Request(JobId),
    /// A hold that has expired.
    Hold(HoldKey),
}

fn select(message: &Message) -> Option<Task> {
    match message {
        Message::Event(key) => Some(Task::Event(key.clone())),
        Message::Request(id) => Some(Task::Request(id.clone())),
        Message::Hold(key) => Some(Task::Hold(key.clone())),
        _ => None,
    }
}

async fn dispatch(ctx: &Ctx, row: &EventRow, body: &[u8]) -> Result<Done, Failure> {
    let now = ctx.outside.now();
    match &github::parse(&row.name, body)? {
        GithubEvent::Issue(event) => issue::handle(ctx, event, row, now).await,
        GithubEvent::PullRequest(event) => pull_request::handle(ctx, event, now).await,
        GithubEvent::Installation(event) => installation::handle(ctx, event, row, now).await,
        GithubEvent::Marketplace(event) => marketplace::handle(ctx, event, row, now).await,
        GithubEvent::Ignored { .. } => Ok(Done::Ignored("an event we do not act on")),
    }
}

fn orders(ctx: &Ctx, now: Timestamp) -> Orders<'_> {
    Orders {
        store: &ctx.store,
        queues: &ctx.queues,
        catalogue: &ctx.catalogue,
        dashboard_url: ctx.dashboard_url.as_deref(),
        now,
    }
}
