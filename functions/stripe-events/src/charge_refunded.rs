//! `charge.refunded`: so much of a charge has gone back by now.

use crate::{Ctx, record_payment};
use domain::billing::payments::PaymentFact;
use domain::inbox::events::ChargeEvent;
use domain::retry::{Done, Failure};

/// Takes back the credits that were bought with what has gone back. Whose they are is known with the payment.
pub async fn handle(ctx: &Ctx, event: &ChargeEvent) -> Result<Done, Failure> {
    let refunds = event
        .refunds
        .iter()
        .map(|(id, refund)| PaymentFact::Refund(id.clone(), *refund));
    let facts: Vec<_> = refunds
        .chain([PaymentFact::Refunded(event.refunded_minor)])
        .collect();
    record_payment::facts(ctx, &event.payment, &facts, event.payment.as_str()).await
}
