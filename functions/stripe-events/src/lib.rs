//! The function that acts on Stripe's recorded events, a file for each object.
//!
//! Woken by the queue `stripe-events`; a message names an event's row. It grants credits that were paid for and takes them
//! back after refunds and disputes, records the latest state of subscriptions and invoices, queues notices, and sets usage
//! aside that Stripe could not count. On Stripe it creates nothing but the subscription of an account whose trial converts.
//!
//! Safe to run twice and in any order: credits move by facts about a payment, each recorded once; every other fact carries
//! its time, and an older one changes nothing; a subscription is looked up before it is created; and only this function
//! finishes the row, once.

mod attribution;
mod checkout;
mod config;
mod convert;
mod customer;
mod dispute;
mod invoice;
mod meter;
mod notify;
mod payment;
mod payment_method;
mod record_payment;
mod refund;
mod subscription;

pub use config::{Config, Ctx};

use domain::inbox::events::{StripeEvent, StripeMode};
use domain::inbox::{EventKey, EventRow, EventSource, EventState, Finish};
use domain::retry::{Done, Failure, MessageFate};
use domain::switches::Switch;
use domain::time::Timestamp;
use queues::{Delivered, Message, SqsBatchResponse, SqsEvent, consume};
use webhooks::stripe;

const CONCURRENCY: usize = 10;

/// Acts on a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, _deadline: Timestamp) -> SqsBatchResponse {
    let act = async |delivered: Delivered| match &delivered.message {
        Message::Event(key) => on_event(ctx, key).await,
        Message::Request(_)
        | Message::Work(..)
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
        Message::Request(_)
        | Message::Work(..)
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
        .switch_now(now, |switches| switches.process(EventSource::Stripe))
        .await
        == Switch::Off
    {
        ctx.inbox.postpone(key, now).await?;
        return Ok(Done::Waiting("acting on Stripe's events is stopped"));
    }
    let Some(event) = ctx.inbox.find(key).await? else {
        return Ok(Done::Ignored("no such event"));
    };
    if event.row.state != EventState::Pending {
        return Ok(Done::Duplicate);
    }
    let done = act(ctx, &event.row, &event.body).await?;
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

async fn act(ctx: &Ctx, row: &EventRow, body: &[u8]) -> Result<Done, Failure> {
    let (envelope, event) = stripe::parse(&row.name, body)?;
    match envelope {
        Some(envelope) if is_foreign(ctx, envelope.mode).await? => {
            tracing::warn!(event.key = %row.key, event.name = row.name, alarm = true,
                "an event of the mode that STRIPE_SECRET_KEY is not for");
            Ok(Done::Unattributed("of Stripe's other mode"))
        }
        Some(_) | None => dispatch(ctx, &event, row).await,
    }
}

/// Whether an event is of the mode that our key is not for: play money must not buy credits.
async fn is_foreign(ctx: &Ctx, mode: StripeMode) -> Result<bool, Failure> {
    let ours = ctx.stripe_maybe().await?.and_then(|stripe| stripe.mode());
    Ok(ours.is_some_and(|ours| ours != mode))
}

async fn dispatch(ctx: &Ctx, event: &StripeEvent, row: &EventRow) -> Result<Done, Failure> {
    match event {
        StripeEvent::Checkout(event) => checkout::handle(ctx, event, row).await,
        StripeEvent::Payment(event) => payment::handle(ctx, event, row).await,
        StripeEvent::Charge(event) => refund::charge(ctx, event).await,
        StripeEvent::Refund(event) => refund::handle(ctx, event).await,
        StripeEvent::Dispute(event) => dispute::handle(ctx, event).await,
        StripeEvent::Customer(event) => customer::handle(ctx, event).await,
        StripeEvent::Subscription(event) => subscription::handle(ctx, event, row).await,
        StripeEvent::Invoice(event) => invoice::handle(ctx, event, row).await,
        StripeEvent::PaymentMethod(event) => payment_method::handle(ctx, event).await,
        StripeEvent::Meter(event) => meter::handle(ctx, event).await,
        StripeEvent::Ignored { .. } => Ok(Done::Ignored("an event we do not act on")),
    }
}
