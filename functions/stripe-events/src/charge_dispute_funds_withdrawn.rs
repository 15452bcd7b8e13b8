//! `charge.dispute.funds_withdrawn`: the bank has taken the money of a dispute.

use crate::{Ctx, record_payment};
use domain::billing::payments::PaymentFact;
use domain::inbox::events::DisputeEvent;
use domain::retry::{Done, Failure};

/// Takes back the credits that were bought with it.
pub async fn handle(ctx: &Ctx, event: &DisputeEvent) -> Result<Done, Failure> {
    let fact = PaymentFact::Disputed(event.id.clone(), event.dispute);
    record_payment::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
