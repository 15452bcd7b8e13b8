//! `charge.dispute.created`: a payer wants his money back through his bank, or his bank asks.

use crate::{Ctx, learn};
use domain::events::DisputeEvent;
use domain::payments::Fact;
use domain::retry::{Done, Failure};

/// Takes back the credits that were bought with it, unless it is only an inquiry.
pub async fn handle(ctx: &Ctx, event: &DisputeEvent) -> Result<Done, Failure> {
    let fact = Fact::Disputed(event.id.clone(), event.dispute);
    learn::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
