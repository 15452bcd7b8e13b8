//! `refund.failed`: money that went back did not arrive and is with us again.

use crate::{Ctx, record_payment};
use domain::billing::payments::PaymentFact;
use domain::inbox::events::RefundEvent;
use domain::retry::{Done, Failure};

/// Gives back the credits that were taken for it.
pub async fn handle(ctx: &Ctx, event: &RefundEvent) -> Result<Done, Failure> {
    let fact = PaymentFact::Refund(event.id.clone(), event.refund);
    record_payment::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
