//! `charge.dispute.closed`: a dispute is won, lost, or came to nothing.

use crate::{Ctx, record_payment};
use domain::billing::payments::PaymentFact;
use domain::inbox::events::DisputeEvent;
use domain::retry::{Done, Failure};

/// Gives back what was taken if it is won.
pub async fn handle(ctx: &Ctx, event: &DisputeEvent) -> Result<Done, Failure> {
    let fact = PaymentFact::Disputed(event.id.clone(), event.dispute);
    record_payment::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
