//! `payment_method.detached`: a customer has taken a way to pay away.

use crate::Ctx;
use domain::inbox::events::PaymentMethodEvent;
use domain::retry::{Done, Failure};

/// Leaves it at that.
pub async fn handle(_: &Ctx, _: &PaymentMethodEvent) -> Result<Done, Failure> {
    Ok(Done::Ignored(
        "ways to pay are not kept; Stripe is asked for them",
    ))
}
