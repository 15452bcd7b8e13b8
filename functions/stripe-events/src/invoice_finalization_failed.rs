//! `invoice.finalization_failed`: Stripe could not make an invoice final, so nobody is asked to pay it.

use crate::{Ctx, note};
use domain::events::InvoiceEvent;
use domain::inbox::EventRow;
use domain::retry::{Done, Failure};

/// Notes it and wakes somebody: as a rule an address or a tax setting is missing.
pub async fn handle(ctx: &Ctx, event: &InvoiceEvent, row: &EventRow) -> Result<Done, Failure> {
    tracing::error!(event.key = %row.key, invoice.id = %event.invoice.id, alarm = true,
        "Stripe could not make an invoice final; it says why on the invoice");
    note::invoice(ctx, event, row).await
}
