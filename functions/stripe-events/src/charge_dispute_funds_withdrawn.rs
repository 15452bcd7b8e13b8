//! `charge.dispute.funds_withdrawn`: the bank has taken the money of a dispute.

use crate::{Ctx, learn};
use domain::events::DisputeEvent;
use domain::payments::Fact;
use domain::retry::{Done, Failure};

/// Takes back the credits that were bought with it.
pub async fn handle(ctx: &Ctx, event: &DisputeEvent) -> Result<Done, Failure> {
    let fact = Fact::Disputed(event.id.clone(), event.dispute);
    learn::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
