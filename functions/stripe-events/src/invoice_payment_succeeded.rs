//! `invoice.payment_succeeded`: an invoice was paid at Stripe; `invoice.paid` comes with it.

use crate::{Ctx, note};
use domain::events::InvoiceEvent;
use domain::inbox::EventRow;
use domain::retry::{Done, Failure};

/// Notes it.
pub async fn handle(ctx: &Ctx, event: &InvoiceEvent, row: &EventRow) -> Result<Done, Failure> {
    note::invoice(ctx, event, row).await
}
