//! `invoice.payment_failed`: a try to collect has failed; Stripe tries again by its own rules.

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
    tell::payment_failed(ctx, &account, &event.invoice).await?;
    Ok(done)
}
