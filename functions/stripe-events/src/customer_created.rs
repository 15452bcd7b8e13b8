//! `customer.created`: Stripe has a new customer.

use crate::Ctx;
use domain::inbox::events::CustomerEvent;
use domain::retry::{Done, Failure};

/// Leaves it at that.
pub async fn handle(_: &Ctx, _: &CustomerEvent) -> Result<Done, Failure> {
    Ok(Done::Ignored(
        "an account comes to be by signing up, not by a customer",
    ))
}
