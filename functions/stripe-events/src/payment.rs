//! `payment_intent.*`: a payment succeeded, for a checkout or for anything else.
//!
//! A payment of an automatic top-up carries what it sells. For any other payment, the checkout's own event reports the same payment; whichever event comes first grants the
//! credits.

use crate::{Ctx, attribution, checkout, top_up};
use domain::billing::top_ups::is_top_up;
use domain::ids::PaymentIntentId;
use domain::inbox::EventRow;
use domain::inbox::events::{
    CheckoutChange, CheckoutEvent, CheckoutPayment, CheckoutPurpose, PaymentChange, PaymentEvent,
};
use domain::retry::{Done, Failure};
use stripe_api::{CheckoutSession, IntentStatus, PaymentStatus, SessionMode};

/// Grants what was bought, if the payment belongs to a checkout or a top-up.
pub async fn handle(ctx: &Ctx, event: &PaymentEvent, row: &EventRow) -> Result<Done, Failure> {
    match event.change {
        PaymentChange::Succeeded => {}
        PaymentChange::Failed => {
            return Ok(Done::Ignored(
                "a payment attempt failed; nothing was granted",
            ));
        }
    }
    let intent = PaymentIntentId::parse(event.payment.as_str()).map_err(Failure::never)?;
    // Also if it is granted already: an earlier run may have died before it ended the crossing.
    if is_top_up(&event.metadata) {
        let Some(account) = attribution::account(ctx, row, event.customer.as_ref()).await? else {
            return Ok(attribution::UNATTRIBUTED);
        };
        return match ctx.stripe().await?.payment_intent_find(&intent).await? {
            Some(intent) if intent.status == IntentStatus::Succeeded => {
                top_up::grant(ctx, &account, &intent).await
            }
            Some(_) | None => Ok(Done::Ignored("Stripe does not say that it is paid")),
        };
    }
    if checkout::is_bought(ctx, &event.payment).await? {
        return Ok(Done::Duplicate);
    }
    match ctx
        .stripe()
        .await?
        .checkout_find_by_payment(&intent)
        .await?
    {
        Some(session) => checkout::grant(ctx, &as_event(event, session), row).await,
        None => Ok(Done::Ignored("the payment is not one of a checkout")),
    }
}

/// Builds the event that Stripe sends for the session itself.
fn as_event(event: &PaymentEvent, session: CheckoutSession) -> CheckoutEvent {
    CheckoutEvent {
        change: CheckoutChange::Completed,
        session: session.id,
        purpose: match session.mode {
            SessionMode::Payment => CheckoutPurpose::Payment,
            SessionMode::Setup => CheckoutPurpose::Setup,
            SessionMode::Subscription | SessionMode::Other(_) => CheckoutPurpose::Subscription,
        },
        customer: session.customer.or_else(|| event.customer.clone()),
        payment: Some(event.payment.clone()),
        paid: match session.payment_status {
            PaymentStatus::Paid => CheckoutPayment::Paid,
            PaymentStatus::NoPaymentRequired => CheckoutPayment::NotRequired,
            PaymentStatus::Unpaid | PaymentStatus::Other(_) => CheckoutPayment::Unpaid,
        },
        total_minor: session.amount_total_minor.unwrap_or(0),
        currency: session.currency.unwrap_or_default(),
        metadata: session.metadata,
    }
}
