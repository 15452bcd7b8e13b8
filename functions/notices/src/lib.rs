//! Mails notices to customers.
//!
//! Invoked by the queue `notices`, whose messages name an account and a fact, and by `mail-events`,
//! which holds feedback in SES's own format. Safe to run twice: each notice is mailed once, under a
//! lease (`tell.rs`), and its row keeps the outcome. Feedback only mutes addresses.

mod config;
mod feedback;
mod tell;
mod wording;

pub use config::{Config, Ctx};

use domain::notices::NoticeKey;
use domain::time::Timestamp;
use queues::{Message, Queue, SqsBatchResponse, SqsEvent, accept, consume};
use std::time::Duration;

/// SES allows new accounts one mail a second, and established accounts more.
const CONCURRENCY: usize = 2;
/// A lease outlives the invocation that holds it by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Handles a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    if Queue::of(&event) == Some(Queue::MailEvents) {
        return accept(event, CONCURRENCY, async |body| {
            feedback::handle(ctx, &body).await
        })
        .await;
    }
    let until = deadline.plus(LEASE_MARGIN);
    let handle = async |key: NoticeKey| tell::handle(ctx, &key, until).await;
    let random = || (ctx.outside.random)();
    consume(&ctx.queues, event, CONCURRENCY, random, select, handle).await
}

fn select(message: &Message) -> Option<NoticeKey> {
    match message {
        Message::Notice(key) => Some(key.clone()),
        _ => None,
    }
}
