//! The door that gives a newcomer an account.
//!
//! Woken by the queue `provisioning`; a message names a newcomer, and his sign-up owes an account: a customer at Stripe, the
//! account with all that leads to it, and the welcome with the link to its first key. Safe to run twice, or to die anywhere:
//! the customer is made under a name that was fixed before, and looked for once Stripe may have forgotten the name, or
//! has said that it failed; the rest is one transaction that ends the sign-up, so there is one account, one welcome and one link, or none yet.
//! It makes no key: whoever opens the link has proved that the address is his.

mod config;
mod customer;
mod provision;

pub use config::{Config, Ctx};

use domain::retry::{Done, Failure, MessageFate, Retry};
use domain::time::Timestamp;
use queues::{Delivered, Message, SqsBatchResponse, SqsEvent, consume};

/// Stripe takes some twenty writes a second of a test account.
const CONCURRENCY: usize = 5;

/// Acts on a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, _deadline: Timestamp) -> SqsBatchResponse {
    let act = async |delivered: Delivered| match &delivered.message {
        Message::SignUp(newcomer) => provision::handle(ctx, newcomer).await,
        Message::Event(_)
        | Message::Request(_)
        | Message::Work(..)
        | Message::Comment(_)
        | Message::Usage(_)
        | Message::Notice(_)
        | Message::Assist(_) => Ok(Done::Ignored("nobody to give an account to")),
    };
    let fail = async |delivered: Delivered, failure: Failure| {
        if let (Message::SignUp(newcomer), Retry::Never) = (&delivered.message, &failure.retry) {
            provision::refuse(ctx, newcomer, &failure).await?;
        }
        Ok((
            MessageFate::of(failure.retry, delivered.receives, (ctx.outside.random)()),
            failure,
        ))
    };
    consume(&ctx.queues, event, CONCURRENCY, act, fail).await
}
