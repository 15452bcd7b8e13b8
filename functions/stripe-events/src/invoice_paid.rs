//! `invoice.paid`: an invoice was paid, for good.

use crate::{Ctx, note};
use domain::events::InvoiceEvent;
use domain::retry::{Done, Failure};

/// Notes it.
pub async fn handle(ctx: &Ctx, event: &InvoiceEvent) -> Result<Done, Failure> {
    note::invoice(ctx, event).await
}
