//! `invoice.payment_action_required`: the payer's bank wants to hear from the payer.

use crate::{Ctx, attribution, notify, record_state};
use domain::inbox::EventRow;
use domain::inbox::events::InvoiceEvent;
use domain::retry::{Done, Failure};

/// Notes it, and owes the customer a notice.
pub async fn handle(ctx: &Ctx, event: &InvoiceEvent, row: &EventRow) -> Result<Done, Failure> {
    let Some(account) = attribution::account(ctx, row, Some(&event.customer)).await? else {
        return Ok(attribution::NOBODYS);
    };
    let done = record_state::invoice_of(ctx, &account, event).await?;
    notify::action_required(ctx, &account, &event.invoice).await?;
    Ok(done)
}
