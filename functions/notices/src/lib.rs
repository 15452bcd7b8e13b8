//! The door that tells customers by mail what they have to know.
//!
//! Woken by the queue `notices`; a message names an account and a fact, and the fact's notice is told once: to the account's
//! address, unless it has none, takes no mail, or does not want this kind. Whatever becomes of a notice stands on its row.
//!
//! Woken by `mail-events`, too, into which SES puts what became of mails: addresses that mail comes back from, and those of
//! readers who complain, are muted. That queue's messages are SES's own and no pointers.
//!
//! Mail knows no key by which a second call would be the same mail, and nothing can be looked up. So everything is read and
//! worded before the row is claimed; the claim is written, the mail handed over, and the row ended, with nothing in between.
//! Messages that come twice, late or to two processes send one mail, since one of them gets the lease. What is left is an
//! answer that gets lost, and a process that dies within that window: then nobody knows, and `domain::notices::after_unclear`
//! decides by kind. Where something has to be done (a welcome's link, a failed payment, an empty balance) each such doubt may
//! at worst send the mail once more; for mere news it is at worst never sent, and the row says that it is unclear.

mod config;
mod feedback;
mod tell;
mod wording;

pub use config::{Config, Ctx};

use domain::retry::{Done, Failure, MessageFate};
use domain::time::Timestamp;
use queues::{Delivered, Message, Queue, SqsBatchResponse, SqsEvent, accept, consume};
use std::time::Duration;

/// SES lets new accounts send one mail a second, and others some more.
const CONCURRENCY: usize = 2;
/// A lease outlives the function that holds it by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Acts on a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    if Queue::of(&event) == Some(Queue::MailEvents) {
        return accept(event, CONCURRENCY, async |body| {
            feedback::handle(ctx, &body).await
        })
        .await;
    }
    let act = async |delivered: Delivered| match &delivered.message {
        Message::Notice(key) => tell::handle(ctx, key, deadline.plus(LEASE_MARGIN)).await,
        Message::Event(_)
        | Message::Request(_)
        | Message::Work(..)
        | Message::Comment(_)
        | Message::Usage(_)
        | Message::SignUp(_)
        | Message::Assist(_) => Ok(Done::Ignored("nothing to tell a customer")),
    };
    let fail = async |delivered: Delivered, failure: Failure| {
        Ok((
            MessageFate::of(failure.retry, delivered.receives, (ctx.outside.random)()),
            failure,
        ))
    };
    consume(&ctx.queues, event, CONCURRENCY, act, fail).await
}
