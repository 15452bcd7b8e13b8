//! `invoice.paid`: an invoice was paid, at Stripe or by other means.

use crate::{Ctx, note};
use domain::events::InvoiceEvent;
use domain::inbox::EventRow;
use domain::retry::{Done, Failure};

/// Notes it.
pub async fn handle(ctx: &Ctx, event: &InvoiceEvent, row: &EventRow) -> Result<Done, Failure> {
    note::invoice(ctx, event, row).await
}
