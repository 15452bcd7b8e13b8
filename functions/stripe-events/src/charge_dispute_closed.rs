//! `charge.dispute.closed`: a dispute is won, lost, or came to nothing.

use crate::{Ctx, learn};
use domain::events::DisputeEvent;
use domain::payments::Fact;
use domain::retry::{Done, Failure};

/// Gives back what was taken if it is won.
pub async fn handle(ctx: &Ctx, event: &DisputeEvent) -> Result<Done, Failure> {
    let fact = Fact::Disputed(event.id.clone(), event.dispute);
    learn::facts(ctx, &event.payment, &[fact], event.id.as_str()).await
}
