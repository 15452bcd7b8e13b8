//! Sends customers the mails that they need.
//!
//! Woken by the queue `notices`; a message names an account and a fact, and the fact's notice is mailed once, unless the
//! account has no address, takes no mail, or does not want this kind. The notice's row keeps the outcome. Also woken by
//! `mail-events`, into which SES puts its feedback: addresses that bounce or complain are muted. Those messages are SES's own.
//!
//! Mail has no idempotency key, and a sent mail cannot be looked up. So everything is read and worded before the row is
//! claimed; then the claim is written, the mail is sent, and the row is ended, with nothing in between. Duplicate messages
//! send one mail, because only one of them gets the lease. A lost answer or a crash within that window leaves a doubt, and
//! `domain::notices::after_unclear` decides by kind: a mail that asks for something (a welcome link, a failed payment) may be
//! sent once more; mere news is not, and the row says that the outcome is unclear.

mod config;
mod feedback;
mod tell;
mod wording;

pub use config::{Config, Ctx};

use domain::notices::NoticeKey;
use domain::time::Timestamp;
use queues::{Message, Queue, SqsBatchResponse, SqsEvent, accept, consume};
use std::time::Duration;

/// SES allows new accounts one mail a second, and others more.
const CONCURRENCY: usize = 2;
/// A lease outlives the invocation that holds it by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Acts on a batch of messages.
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
