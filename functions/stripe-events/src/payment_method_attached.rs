//! `payment_method.attached`: a customer has left a way to pay.

use crate::Ctx;
use domain::events::PaymentMethodEvent;
use domain::retry::{Done, Failure};

/// Leaves it at that.
pub async fn handle(_: &Ctx, _: &PaymentMethodEvent) -> Result<Done, Failure> {
    Ok(Done::Ignored("ways to pay are not kept; Stripe is asked for them"))
}
