//! `invoice.payment_failed`: a try to collect has failed; Stripe tries again by its own rules.

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
    notify::payment_failed(ctx, &account, &event.invoice).await?;
    Ok(done)
}
