//! The door that tells Stripe what is owed.
//!
//! Woken by the queue `usage`; a message names an account and a meter, and all that this account owes on it is told, one
//! record after another, by one worker at a time. Usage whose invoice is closed is carried into the present period. Safe to
//! run twice: a record's identifier and value are fixed, the first try and the moment it tells are written down before it is
//! made, and once Stripe may have forgotten the identifier it is asked what it has counted before anything is sent again.

mod config;
mod report;

pub use config::{Config, Ctx};

use domain::retry::{Done, Failure, MessageFate};
use domain::time::Timestamp;
use queues::{Delivered, Message, SqsBatchResponse, SqsEvent, consume};
use std::time::Duration;

const CONCURRENCY: usize = 5;
/// A place outlives the function that holds it by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Acts on a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
    let act = async |delivered: Delivered| match &delivered.message {
        Message::Usage(debts) => report::handle(ctx, debts, deadline.plus(LEASE_MARGIN)).await,
        Message::Event(_)
        | Message::Request(_)
        | Message::Work(..)
        | Message::Comment(_)
        | Message::Notice(_)
        | Message::SignUp(_)
        | Message::Assist(_) => Ok(Done::Ignored("nothing to tell Stripe")),
    };
    let fail = async |delivered: Delivered, failure: Failure| {
        Ok((
            MessageFate::of(failure.retry, delivered.receives, (ctx.outside.random)()),
            failure,
        ))
    };
    consume(&ctx.queues, event, CONCURRENCY, act, fail).await
}
