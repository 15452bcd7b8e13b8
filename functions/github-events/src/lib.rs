//! The door that acts on GitHub's recorded events, a file each.
//!
//! Woken by the queue `github-events`; a message names an event's row or that of a request by the API, which is acted on
//! here because this door reads GitHub. It creates jobs, calls them off, notes their pull requests' fate, where the App is
//! installed and what was bought on the Marketplace, and signs new owners up; of GitHub it only reads. Safe to run twice: a
//! job is created once per fact, a move holds only on the version it was decided on, and the row is finished once, by this
//! door and no other.

mod config;
mod installation;
mod issue_comment_created;
mod issues_closed;
mod issues_labeled;
mod issues_opened;
mod marketplace_purchase;
mod newcomers;
mod order;
mod policy;
mod pull_request_closed;
mod pull_request_opened;
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
        GithubEvent::IssuesOpened(event) => issues_opened::handle(ctx, event, now).await,
        GithubEvent::IssuesLabeled(event) => issues_labeled::handle(ctx, event, now).await,
        GithubEvent::IssuesClosed(event) => issues_closed::handle(ctx, event, now).await,
        GithubEvent::IssueCommentCreated(event) => {
            issue_comment_created::handle(ctx, event, now).await
        }
        GithubEvent::PullRequestOpened(event) => pull_request_opened::handle(event),
        GithubEvent::PullRequestClosed(event) => pull_request_closed::handle(ctx, event, now).await,
        GithubEvent::Installation(event) => installation::handle(ctx, event, now).await,
        GithubEvent::MarketplacePurchase(event) => {
            marketplace_purchase::handle(ctx, event, row, now).await
        }
        GithubEvent::Ignored { .. } => Ok(Done::Ignored("an event we do not act on")),
    }
}
