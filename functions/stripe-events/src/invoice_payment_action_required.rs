//! `invoice.payment_action_required`: the payer's bank wants to hear from the payer.

use crate::{Ctx, note, tell, whose};
use domain::events::InvoiceEvent;
use domain::inbox::EventRow;
use domain::retry::{Done, Failure};

/// Notes it, and owes the customer a notice.
pub async fn handle(ctx: &Ctx, event: &InvoiceEvent, row: &EventRow) -> Result<Done, Failure> {
    let Some(account) = whose::account(ctx, row, Some(&event.customer)).await? else {
        return Ok(whose::NOBODYS);
    };
    let done = note::invoice_of(ctx, &account, event).await?;
    tell::action_required(ctx, &account, &event.invoice).await?;
    Ok(done)
}
