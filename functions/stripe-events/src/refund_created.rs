//! `refund.created`: money goes back to its payer.

use crate::{Ctx, record_payment};
use domain::billing::payments::PaymentFact;
use domain::inbox::events::RefundEvent;
use domain::retry::{Done, Failure};

/// Takes back the credits that were bought with it.
pub async fn handle(ctx: &Ctx, event: &RefundEvent) -> Result<Done, Failure> {
    let fact = PaymentFact::Refund(event.id.clone(), event.refund);
    record_payment::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
