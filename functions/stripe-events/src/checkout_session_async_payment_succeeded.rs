//! `checkout.session.async_payment_succeeded`: the money of a checkout has arrived, days after it.

use crate::{Ctx, purchase};
use domain::inbox::EventRow;
use domain::inbox::events::CheckoutEvent;
use domain::retry::{Done, Failure};

/// Grants what was bought.
pub async fn handle(ctx: &Ctx, event: &CheckoutEvent, row: &EventRow) -> Result<Done, Failure> {
    purchase::of_session(ctx, event, row).await
}
