//! `payment_intent.succeeded`: money has arrived, for a checkout or for anything else.
//!
//! The checkout's own event says the same; whichever comes first grants.

use crate::{Ctx, purchase};
use domain::ids::PaymentIntentId;
use domain::inbox::EventRow;
use domain::inbox::events::{CheckoutEvent, CheckoutPayment, CheckoutPurpose, PaymentEvent};
use domain::retry::{Done, Failure};
use stripe_api::{CheckoutSession, PaymentStatus, SessionMode};

/// Grants what was bought, if that was by a checkout.
pub async fn handle(ctx: &Ctx, event: &PaymentEvent, row: &EventRow) -> Result<Done, Failure> {
    if purchase::is_bought(ctx, &event.payment).await? {
        return Ok(Done::Duplicate);
    }
    let intent = PaymentIntentId::parse(event.payment.as_str()).map_err(Failure::never)?;
    match ctx
        .stripe()
        .await?
        .checkout_find_by_payment(&intent)
        .await?
    {
        Some(session) => purchase::of_session(ctx, &told(event, session), row).await,
        None => Ok(Done::Ignored("this payment is not of a checkout")),
    }
}

/// The session as its own event would tell it.
fn told(event: &PaymentEvent, session: CheckoutSession) -> CheckoutEvent {
    CheckoutEvent {
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
    }
}
