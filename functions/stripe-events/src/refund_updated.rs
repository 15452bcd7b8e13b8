//! `refund.updated`: a refund has got further, or has failed after all.

use crate::{Ctx, record_payment};
use domain::billing::payments::PaymentFact;
use domain::inbox::events::RefundEvent;
use domain::retry::{Done, Failure};

/// Takes back or gives back what follows from it.
pub async fn handle(ctx: &Ctx, event: &RefundEvent) -> Result<Done, Failure> {
    let fact = PaymentFact::Refund(event.id.clone(), event.refund);
    record_payment::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
