//! The function that acts on GitHub's recorded events, a file for each object.
//!
//! Woken by the queue `github-events`; a message names the row of an event, or of a job that was requested by the API,
//! which is acted on here because this function reads GitHub. It creates jobs and cancels them, ends them with their pull
//! requests, records installations and Marketplace purchases, and signs new owners up. On GitHub it only reads.
//!
//! Safe to run twice: a fact creates one job, a move holds on the version it was decided on, and only this function
//! finishes the row, once.

mod config;
mod installation;
mod issue;
mod marketplace;
mod newcomers;
mod order;
mod policy;
mod pull_request;
mod refusal;
mod requested;
mod warnings;

pub use config::{Config, Ctx};

use domain::inbox::events::GithubEvent;
use domain::inbox::{EventKey, EventRow, EventSource, EventState, Finish};
use domain::retry::{Done, Failure, MessageFate};
use domain::switches::Switch;
use domain::time::Timestamp;
use queues::{Delivered, Message, SqsBatchResponse, SqsEvent, consume};
use webhooks::github;

const CONCURRENCY: usize = 10;

/// Acts on a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, _deadline: Timestamp) -> SqsBatchResponse {
    let act = async |delivered: Delivered| match &delivered.message {
        Message::Event(key) => on_event(ctx, key).await,
        Message::Request(id) => requested::handle(ctx, id).await,
        Message::Work(..)
        | Message::Comment(_)
        | Message::Usage(_)
        | Message::Notice(_)
        | Message::SignUp(_)
        | Message::Assist(_) => Ok(Done::Ignored("not an event")),
    };
    let fail = async |delivered: Delivered, failure: Failure| match &delivered.message {
        Message::Event(key) => {
            let fate = ctx
                .inbox
                .fail(key, &failure, (ctx.outside.random)(), ctx.outside.now())
                .await?;
            Ok((fate, failure))
        }
        Message::Request(id) => Ok((requested::fail(ctx, id, &failure).await?, failure)),
        Message::Work(..)
        | Message::Comment(_)
        | Message::Usage(_)
        | Message::Notice(_)
        | Message::SignUp(_)
        | Message::Assist(_) => Ok((MessageFate::Acknowledge, failure)),
    };
    consume(&ctx.queues, event, CONCURRENCY, act, fail).await
}

async fn on_event(ctx: &Ctx, key: &EventKey) -> Result<Done, Failure> {
    let now = ctx.outside.now();
    if ctx
        .switches
        .switch_now(now, |switches| switches.process(EventSource::Github))
        .await
        == Switch::Off
    {
        ctx.inbox.postpone(key, now).await?;
        return Ok(Done::Waiting("acting on GitHub's events is stopped"));
    }
    let Some(event) = ctx.inbox.find(key).await? else {
        return Ok(Done::Ignored("no such event"));
    };
    if event.row.state != EventState::Pending {
        return Ok(Done::Duplicate);
    }
    let done = dispatch(
        ctx,
        &event.row,
        &github::parse(&event.row.name, &event.body)?,
    )
    .await?;
    match Finish::of(&done) {
        Some(finish) => ctx
            .inbox
            .finish(key, &finish, ctx.outside.now())
            .await
            .map(drop)?,
        None => ctx.inbox.postpone(key, ctx.outside.now()).await?,
    }
    Ok(done)
}

async fn dispatch(ctx: &Ctx, row: &EventRow, event: &GithubEvent) -> Result<Done, Failure> {
    let now = ctx.outside.now();
    match event {
        GithubEvent::Issue(event) => issue::handle(ctx, event, now).await,
        GithubEvent::PullRequest(event) => pull_request::handle(ctx, event, now).await,
        GithubEvent::Installation(event) => installation::handle(ctx, event, now).await,
        GithubEvent::Marketplace(event) => marketplace::handle(ctx, event, row, now).await,
        GithubEvent::Ignored { .. } => Ok(Done::Ignored("an event we do not act on")),
    }
}
