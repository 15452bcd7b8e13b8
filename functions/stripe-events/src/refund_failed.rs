//! `refund.failed`: money that went back did not arrive and is with us again.

use crate::{Ctx, learn};
use domain::events::RefundEvent;
use domain::payments::Fact;
use domain::retry::{Done, Failure};

/// Gives back the credits that were taken for it.
pub async fn handle(ctx: &Ctx, event: &RefundEvent) -> Result<Done, Failure> {
    let fact = Fact::Refund(event.id.clone(), event.refund);
    learn::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
