//! `refund.*` and `charge.refunded`: money was returned to its payer, so the credits bought with it
//! are taken back.
//!
//! Both are facts about one payment, so their order does not matter. A failed refund returns the
//! credits.

use crate::{Ctx, record_payment};
use domain::billing::payments::PaymentFact;
use domain::inbox::events::{ChargeEvent, RefundEvent};
use domain::retry::{Done, Failure};

/// Takes the credits of one refund back, or returns them if the refund failed.
pub async fn handle(ctx: &Ctx, event: &RefundEvent) -> Result<Done, Failure> {
    let fact = PaymentFact::Refund(event.id.clone(), event.refund);
    record_payment::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}

/// Takes back the credits of every refund of a charge so far.
pub async fn charge(ctx: &Ctx, event: &ChargeEvent) -> Result<Done, Failure> {
    let refunds = event
        .refunds
        .iter()
        .map(|(id, refund)| PaymentFact::Refund(id.clone(), *refund));
    let facts: Vec<_> = refunds
        .chain([PaymentFact::Refunded(event.refunded_minor)])
        .collect();
    record_payment::facts(ctx, &event.payment, &facts, event.payment.as_str()).await
}
