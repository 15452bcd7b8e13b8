//! `refund.updated`: a refund has got further, or has failed after all.

use crate::{Ctx, learn};
use domain::events::RefundEvent;
use domain::payments::Fact;
use domain::retry::{Done, Failure};

/// Takes back or gives back what follows from it.
pub async fn handle(ctx: &Ctx, event: &RefundEvent) -> Result<Done, Failure> {
    let fact = Fact::Refund(event.id.clone(), event.refund);
    learn::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
