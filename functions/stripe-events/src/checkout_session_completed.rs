//! `checkout.session.completed`: somebody has gone through with a checkout, and has paid or will.

use crate::{Ctx, purchase};
use domain::inbox::EventRow;
use domain::inbox::events::CheckoutEvent;
use domain::retry::{Done, Failure};

/// Grants what was bought, if it is paid by now.
pub async fn handle(ctx: &Ctx, event: &CheckoutEvent, row: &EventRow) -> Result<Done, Failure> {
    purchase::of_session(ctx, event, row).await
}
