//! `invoice.finalization_failed`: Stripe could not make an invoice final, so nobody is asked to pay it.

use crate::{Ctx, record_state};
use domain::inbox::EventRow;
use domain::inbox::events::InvoiceEvent;
use domain::retry::{Done, Failure};

/// Notes it and wakes somebody: as a rule an address or a tax setting is missing.
pub async fn handle(ctx: &Ctx, event: &InvoiceEvent, row: &EventRow) -> Result<Done, Failure> {
    tracing::error!(event.key = %row.key, invoice.id = %event.invoice.id, alarm = true,
        "Stripe could not make an invoice final; it says why on the invoice");
    record_state::invoice(ctx, event, row).await
}
