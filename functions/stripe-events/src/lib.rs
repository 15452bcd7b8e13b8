//! The function that handles Stripe's recorded events, one file for each kind of object.
//!
//! Invoked by the queue `stripe-events`, whose messages name an event's row, an account whose
//! balance is to be topped up or whose mail address an operator changed, or a refund that an operator
//! requested. Grants credits that were paid
//! for and takes them back after refunds and disputes, records the latest state of subscriptions and
//! invoices, queues notices, and sets aside usage that Stripe could not count. On Stripe it refunds
//! what operators request, sets the payment method of a customer who leaves one, creates the subscription of an
//! account whose trial converts, expires the Checkouts that a paid plan supersedes, and ends all but
//! one of several subscriptions.
//!
//! Safe to run twice and in any order: each fact about a payment is recorded once, every other fact
//! carries its time and never replaces a newer one, a subscription is looked up before it is
//! created, and only this function finishes the event's row, once.

mod attribution;
mod checkout;
mod config;
mod convert;
mod customer;
mod customer_mail;
mod dispute;
mod dunning;
mod invoice;
mod meter;
mod notify;
mod payment;
mod payment_method;
mod record_payment;
mod refund;
mod refund_request;
mod rivals;
mod schedule;
mod subscription;
mod top_up;
mod unbilled;

pub use config::{Config, Ctx};

use domain::billing::refunds::RefundKey;
use domain::ids::AccountId;
use domain::inbox::events::{StripeEvent, StripeMode};
use domain::inbox::{EventKey, EventRow};
use domain::retry::{Done, Failure, MessageFate};
use domain::time::Timestamp;
use flows::act;
use queues::{Message, SqsBatchResponse, SqsEvent, consume_with};
use webhooks::stripe;

const CONCURRENCY: usize = 10;

/// Handles a batch of messages.
pub async fn handle(ctx: &Ctx, event: SqsEvent, _deadline: Timestamp) -> SqsBatchResponse {
    let handle = async |task: Task| match task {
        Task::Event(key) => {
            let (inbox, switches, clock) = (&ctx.inbox, &ctx.switches, || ctx.outside.now());
            act(
                inbox,
                switches,
                clock,
                &key,
                async |row: &EventRow, body: &[u8]| dispatch(ctx, row, body).await,
            )
            .await
        }
        Task::TopUp(account) => top_up::handle(ctx, &account).await,
        Task::Refund(key) => refund_request::handle(ctx, &key).await,
        Task::CustomerMail(account) => customer_mail::handle(ctx, &account).await,
    };
    let fail = async |task: Task, failure: Failure, receives| {
        let (random, now) = ((ctx.outside.random)(), ctx.outside.now());
        let fate = match task {
            Task::Event(key) => ctx.inbox.fail(&key, &failure, random, now).await?,
            // The row stays due whatever happens to the message.
            Task::TopUp(_) | Task::Refund(_) | Task::CustomerMail(_) => {
                MessageFate::of(failure.retry, receives, random)
            }
        };
        Ok((fate, fate.of_row(failure)))
    };
    consume_with(&ctx.queues, event, CONCURRENCY, select, handle, fail).await
}

#[derive(Clone)]
enum Task {
    Event(EventKey),
    /// An account whose balance is to be topped up.
    TopUp(AccountId),
    /// A refund that an operator requested.
    Refund(RefundKey),
    /// An account whose mail address an operator changed.
    CustomerMail(AccountId),
}

fn select(message: &Message) -> Option<Task> {
    match message {
        Message::Event(key) => Some(Task::Event(key.clone())),
        Message::TopUp(account) => Some(Task::TopUp(account.clone())),
        Message::Refund(key) => Some(Task::Refund(key.clone())),
        Message::CustomerMail(account) => Some(Task::CustomerMail(account.clone())),
        _ => None,
    }
}

async fn dispatch(ctx: &Ctx, row: &EventRow, body: &[u8]) -> Result<Done, Failure> {
    let (envelope, event) = stripe::parse(&row.name, body)?;
    if let Some(envelope) = envelope
        && is_foreign(ctx, envelope.mode).await?
    {
        tracing::warn!(event.key = %row.key, event.name = row.name, alarm = true,
            "the event is of the mode that STRIPE_SECRET_KEY is not for");
        return Ok(Done::Unattributed("of Stripe's other mode"));
    }
    match &event {
        StripeEvent::Checkout(event) => checkout::handle(ctx, event, row).await,
        StripeEvent::Payment(event) => payment::handle(ctx, event, row).await,
        StripeEvent::Charge(event) => refund::charge(ctx, event).await,
        StripeEvent::Refund(event) => refund::handle(ctx, event).await,
        StripeEvent::Dispute(event) => dispute::handle(ctx, event).await,
        StripeEvent::Customer(event) => customer::handle(ctx, event).await,
        StripeEvent::Subscription(event) => subscription::handle(ctx, event, row).await,
        StripeEvent::Schedule(event) => schedule::handle(ctx, event, row).await,
        StripeEvent::Invoice(event) => invoice::handle(ctx, event, row).await,
        StripeEvent::PaymentMethod(event) => payment_method::handle(ctx, event).await,
        StripeEvent::Meter(event) => meter::handle(ctx, event).await,
        StripeEvent::Ignored { .. } => Ok(Done::Ignored("an event we do not act on")),
    }
}

/// Reports whether an event's mode differs from our key's mode: test money must not buy credits.
async fn is_foreign(ctx: &Ctx, mode: StripeMode) -> Result<bool, Failure> {
    let ours = ctx.stripe_maybe().await?.and_then(|stripe| stripe.mode());
    Ok(ours.is_some_and(|ours| ours != mode))
}
