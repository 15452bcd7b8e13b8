//! `charge.dispute.funds_reinstated`: the bank has given the money of a dispute back.

use crate::{Ctx, learn};
use domain::events::DisputeEvent;
use domain::payments::Fact;
use domain::retry::{Done, Failure};

/// Gives back what was taken for it.
pub async fn handle(ctx: &Ctx, event: &DisputeEvent) -> Result<Done, Failure> {
    let fact = Fact::Disputed(event.id.clone(), event.dispute);
    learn::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
