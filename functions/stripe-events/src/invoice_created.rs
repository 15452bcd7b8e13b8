//! `invoice.created`: a new invoice, still a draft.

use crate::{Ctx, record_state};
use domain::inbox::EventRow;
use domain::inbox::events::InvoiceEvent;
use domain::retry::{Done, Failure};

/// Notes it.
pub async fn handle(ctx: &Ctx, event: &InvoiceEvent, row: &EventRow) -> Result<Done, Failure> {
    record_state::invoice(ctx, event, row).await
}
