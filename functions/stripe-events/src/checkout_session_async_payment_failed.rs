//! `checkout.session.async_payment_failed`: the money of a checkout never came.

use crate::Ctx;
use domain::inbox::events::CheckoutEvent;
use domain::retry::{Done, Failure};

/// Leaves it at that: nothing had been granted.
pub async fn handle(_: &Ctx, _: &CheckoutEvent) -> Result<Done, Failure> {
    Ok(Done::Ignored("the payment failed; nothing was granted"))
}
