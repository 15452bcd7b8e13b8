//! The door that acts on Stripe's recorded events, a file each.
//!
//! Woken by the queue `stripe-events`; a message names an event row. It grants credits that were paid for and takes back
//! what was refunded or disputed, keeps what Stripe last said of subscriptions and invoices, owes customers notices and
//! sets usage aside that Stripe could not count. At Stripe it makes nothing but the subscription of an account whose trial
//! converts. Safe to run twice and in any order: credits move by facts about a payment that are taken in once, every other
//! fact carries the moment it was made and an older one changes nothing, a subscription is looked up before it is made, and
//! the row is finished once, by this door and no other.

mod attribution;
mod charge_dispute_closed;
mod charge_dispute_created;
mod charge_dispute_funds_reinstated;
mod charge_dispute_funds_withdrawn;
mod charge_dispute_updated;
mod charge_refunded;
mod checkout_session_async_payment_failed;
mod checkout_session_async_payment_succeeded;
mod checkout_session_completed;
mod checkout_session_expired;
mod config;
mod convert;
mod customer_created;
mod customer_deleted;
mod customer_subscription_created;
mod customer_subscription_deleted;
mod customer_subscription_paused;
mod customer_subscription_resumed;
mod customer_subscription_trial_will_end;
mod customer_subscription_updated;
mod customer_updated;
mod invoice_created;
mod invoice_finalization_failed;
mod invoice_finalized;
mod invoice_marked_uncollectible;
mod invoice_paid;
mod invoice_payment_action_required;
mod invoice_payment_failed;
mod invoice_payment_succeeded;
mod invoice_voided;
mod notify;
mod payment_intent_payment_failed;
mod payment_intent_succeeded;
mod payment_method_attached;
mod payment_method_detached;
mod purchase;
mod record_payment;
mod record_state;
mod refund_created;
mod refund_failed;
mod refund_updated;
mod uncounted;
mod v1_billing_meter_error_report_triggered;
mod v1_billing_meter_no_meter_found;

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
    use StripeEvent as Is;
    match event {
        Is::CheckoutSessionCompleted(event) => {
            checkout_session_completed::handle(ctx, event, row).await
        }
        Is::CheckoutSessionAsyncPaymentSucceeded(event) => {
            checkout_session_async_payment_succeeded::handle(ctx, event, row).await
        }
        Is::CheckoutSessionAsyncPaymentFailed(event) => {
            checkout_session_async_payment_failed::handle(ctx, event).await
        }
        Is::CheckoutSessionExpired(event) => checkout_session_expired::handle(ctx, event).await,
        Is::PaymentIntentSucceeded(event) => {
            payment_intent_succeeded::handle(ctx, event, row).await
        }
        Is::PaymentIntentPaymentFailed(event) => {
            payment_intent_payment_failed::handle(ctx, event).await
        }
        Is::ChargeRefunded(event) => charge_refunded::handle(ctx, event).await,
        Is::RefundCreated(event) => refund_created::handle(ctx, event).await,
        Is::RefundUpdated(event) => refund_updated::handle(ctx, event).await,
        Is::RefundFailed(event) => refund_failed::handle(ctx, event).await,
        Is::ChargeDisputeCreated(event) => charge_dispute_created::handle(ctx, event).await,
        Is::ChargeDisputeUpdated(event) => charge_dispute_updated::handle(ctx, event).await,
        Is::ChargeDisputeClosed(event) => charge_dispute_closed::handle(ctx, event).await,
        Is::ChargeDisputeFundsWithdrawn(event) => {
            charge_dispute_funds_withdrawn::handle(ctx, event).await
        }
        Is::ChargeDisputeFundsReinstated(event) => {
            charge_dispute_funds_reinstated::handle(ctx, event).await
        }
        Is::CustomerCreated(event) => customer_created::handle(ctx, event).await,
        Is::CustomerUpdated(event) => customer_updated::handle(ctx, event).await,
        Is::CustomerDeleted(event) => customer_deleted::handle(ctx, event).await,
        Is::CustomerSubscriptionCreated(event) => {
            customer_subscription_created::handle(ctx, event, row).await
        }
        Is::CustomerSubscriptionUpdated(event) => {
            customer_subscription_updated::handle(ctx, event, row).await
        }
        Is::CustomerSubscriptionDeleted(event) => {
            customer_subscription_deleted::handle(ctx, event, row).await
        }
        Is::CustomerSubscriptionPaused(event) => {
            customer_subscription_paused::handle(ctx, event, row).await
        }
        Is::CustomerSubscriptionResumed(event) => {
            customer_subscription_resumed::handle(ctx, event, row).await
        }
        Is::CustomerSubscriptionTrialWillEnd(event) => {
            customer_subscription_trial_will_end::handle(ctx, event, row).await
        }
        Is::InvoiceCreated(event) => invoice_created::handle(ctx, event, row).await,
        Is::InvoiceFinalized(event) => invoice_finalized::handle(ctx, event, row).await,
        Is::InvoiceFinalizationFailed(event) => {
            invoice_finalization_failed::handle(ctx, event, row).await
        }
        Is::InvoicePaid(event) => invoice_paid::handle(ctx, event, row).await,
        Is::InvoicePaymentSucceeded(event) => {
            invoice_payment_succeeded::handle(ctx, event, row).await
        }
        Is::InvoicePaymentFailed(event) => invoice_payment_failed::handle(ctx, event, row).await,
        Is::InvoicePaymentActionRequired(event) => {
            invoice_payment_action_required::handle(ctx, event, row).await
        }
        Is::InvoiceVoided(event) => invoice_voided::handle(ctx, event, row).await,
        Is::InvoiceMarkedUncollectible(event) => {
            invoice_marked_uncollectible::handle(ctx, event, row).await
        }
        Is::PaymentMethodAttached(event) => payment_method_attached::handle(ctx, event).await,
        Is::PaymentMethodDetached(event) => payment_method_detached::handle(ctx, event).await,
        Is::V1BillingMeterErrorReportTriggered(event) => {
            v1_billing_meter_error_report_triggered::handle(ctx, event).await
        }
        Is::V1BillingMeterNoMeterFound(event) => {
            v1_billing_meter_no_meter_found::handle(ctx, event).await
        }
        Is::Ignored { .. } => Ok(Done::Ignored("an event we do not act on")),
    }
}
