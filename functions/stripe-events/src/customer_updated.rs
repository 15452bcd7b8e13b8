//! `customer.updated`: somebody has changed a customer's name, address or the like.

use crate::Ctx;
use domain::inbox::events::CustomerEvent;
use domain::retry::{Done, Failure};

/// Leaves it at that.
pub async fn handle(_: &Ctx, _: &CustomerEvent) -> Result<Done, Failure> {
    Ok(Done::Ignored("nothing of a customer is kept but its id"))
}
