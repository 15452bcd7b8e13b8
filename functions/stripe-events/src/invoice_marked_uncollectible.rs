//! `invoice.marked_uncollectible`: nobody expects an invoice to be paid any more.

use crate::{Ctx, record_state};
use domain::inbox::EventRow;
use domain::inbox::events::InvoiceEvent;
use domain::retry::{Done, Failure};

/// Notes it.
pub async fn handle(ctx: &Ctx, event: &InvoiceEvent, row: &EventRow) -> Result<Done, Failure> {
    record_state::invoice(ctx, event, row).await
}
