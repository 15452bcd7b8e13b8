//! `payment_intent.payment_failed`: a try to pay has failed; its payer may try again.

use crate::Ctx;
use domain::inbox::events::PaymentEvent;
use domain::retry::{Done, Failure};

/// Leaves it at that: nothing had been granted.
pub async fn handle(_: &Ctx, _: &PaymentEvent) -> Result<Done, Failure> {
    Ok(Done::Ignored("a try to pay failed; nothing was granted"))
}
