//! `checkout.session.expired`: nobody went through with a checkout.

use crate::Ctx;
use domain::inbox::events::CheckoutEvent;
use domain::retry::{Done, Failure};

/// Leaves it at that: nothing had been granted.
pub async fn handle(_: &Ctx, _: &CheckoutEvent) -> Result<Done, Failure> {
    Ok(Done::Ignored("nobody has paid; nothing was granted"))
}
