//! `charge.dispute.*`: a payer disputes a payment with their bank, or the bank only inquires.
//!
//! Each event carries the dispute's phase, and some events say that the bank took or returned the
//! money. The credits follow from all facts together (`domain::billing::payments`), so the order of
//! the events does not matter.

use crate::{Ctx, record_payment};
use domain::billing::payments::PaymentFact;
use domain::inbox::events::DisputeEvent;
use domain::retry::{Done, Failure};

/// Takes the payment's credits back or returns them, according to the dispute's current state.
pub async fn handle(ctx: &Ctx, event: &DisputeEvent) -> Result<Done, Failure> {
    let fact = PaymentFact::Disputed(event.id.clone(), event.dispute);
    record_payment::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
