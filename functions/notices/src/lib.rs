//! Mails notices to customers.
//!
//! Invoked by the queue `notices`. A message names an account and a fact, and the fact's notice is
//! mailed once, unless the account has no address, its address is muted, or it does not want this
//! kind. The notice's row keeps the outcome. Also invoked by `mail-events`, which holds feedback in
//! SES's own format: addresses that bounce or complain are muted.
//!
//! Mail has no idempotency key, and a sent mail cannot be looked up. So everything is read and
//! worded before the row is claimed. Then the claim is written, the mail is sent, and the row is
//! closed, with nothing in between. Duplicate messages send one mail, because only one of them gets
//! the lease. After a lost response or a crash in that window, it is unclear whether the mail was
//! sent, and `domain::notices::after_unclear` decides by kind: a mail that asks for something (a
//! welcome link, a failed payment) may be sent once more. A mail that only informs is not, and the
//! row says that the outcome is unclear.

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
