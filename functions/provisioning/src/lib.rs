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

use domain::accounts::signups::Newcomer;
use domain::retry::{Failure, Fate, Retry};
use domain::time::Timestamp;
use queues::{Message, SqsBatchResponse, SqsEvent, consume_with};

/// Stripe takes some twenty writes a second of a test account.
const CONCURRENCY: usize = 5;

/// Acts on a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, _deadline: Timestamp) -> SqsBatchResponse {
    let handle = async |newcomer: Newcomer| provision::handle(ctx, &newcomer).await;
    let fail = async |newcomer: Newcomer, failure: Failure, receives: u32| {
        if failure.retry == Retry::Never {
            let newcomer = &newcomer;
            provision::refuse(ctx, newcomer, &failure).await?;
        }
        let fate = Fate::of(failure.retry, receives, (ctx.outside.random)());
        Ok((fate, failure))
    };
    consume_with(&ctx.queues, event, CONCURRENCY, select, handle, fail).await
}

fn select(message: &Message) -> Option<Newcomer> {
    match message {
        Message::SignUp(applicant) => Some(applicant.clone()),
        _ => None,
    }
}
