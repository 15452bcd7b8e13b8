//! The door that acts on Stripe's recorded events, a file each.
//!
//! Woken by the queue `stripe-events`; a message names an event row. It keeps what Stripe last said of subscriptions and
//! invoices; it calls nobody. Safe to run twice and in any order: each fact carries the moment it was made, an older one
//! changes nothing, and the row is finished once, by this door and no other.

mod config;
mod customer_subscription_created;
mod customer_subscription_deleted;
mod customer_subscription_updated;
mod invoice_paid;
mod invoice_payment_failed;
mod note;

pub use config::{Config, Ctx};

use domain::events::StripeEvent;
use domain::inbox::{EventKey, EventState, Finish};
use domain::retry::{Done, Failure, Fate};
use domain::time::Timestamp;
use queues::{Delivered, Message, SqsBatchResponse, SqsEvent, consume};
use webhooks::stripe;

const CONCURRENCY: usize = 10;

/// Acts on a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, _deadline: Timestamp) -> SqsBatchResponse {
    let act = async |delivered: Delivered| match &delivered.message {
        Message::Event(key) => on_event(ctx, key).await,
        Message::Work(..) | Message::Comment(_) | Message::Usage(_) => Ok(Done::Ignored("not an event")),
    };
    let fail = async |delivered: Delivered, failure: Failure| match &delivered.message {
        Message::Event(key) => {
            let fate = ctx.inbox.fail(key, &failure, (ctx.outside.random)(), ctx.outside.now()).await?;
            Ok((fate, failure))
        }
        Message::Work(..) | Message::Comment(_) | Message::Usage(_) => Ok((Fate::Over, failure)),
    };
    consume(&ctx.queues, event, CONCURRENCY, act, fail).await
}

async fn on_event(ctx: &Ctx, key: &EventKey) -> Result<Done, Failure> {
    let Some(event) = ctx.inbox.find(key).await? else { return Ok(Done::Ignored("no such event")) };
    if event.row.state != EventState::Owing {
        return Ok(Done::Duplicate);
    }
    let done = dispatch(ctx, &stripe::parse(&event.row.name, &event.body)?).await?;
    ctx.inbox.finish(key, &Finish::from(&done), ctx.outside.now()).await?;
    Ok(done)
}

async fn dispatch(ctx: &Ctx, event: &StripeEvent) -> Result<Done, Failure> {
    match event {
        StripeEvent::CustomerSubscriptionCreated(event) => customer_subscription_created::handle(ctx, event).await,
        StripeEvent::CustomerSubscriptionUpdated(event) => customer_subscription_updated::handle(ctx, event).await,
        StripeEvent::CustomerSubscriptionDeleted(event) => customer_subscription_deleted::handle(ctx, event).await,
        StripeEvent::InvoicePaid(event) => invoice_paid::handle(ctx, event).await,
        StripeEvent::InvoicePaymentFailed(event) => invoice_payment_failed::handle(ctx, event).await,
        StripeEvent::Ignored { .. } => Ok(Done::Ignored("an event we do not act on")),
    }
}
