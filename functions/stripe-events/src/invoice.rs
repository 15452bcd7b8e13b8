//! `invoice.*`: Stripe's latest word on an invoice, and the notices that a payment failed or needs confirmation.
//!
//! An event carries the second it was made in; of two of one second the invoice that is further along holds
//! (`Store::invoice_note`). Nothing is granted here: credits come by the checkout's events.

use crate::{Ctx, attribution, notify};
use domain::billing::subscriptions::Invoice;
use domain::ids::{AccountId, InvoiceId};
use domain::inbox::EventRow;
use domain::inbox::events::{InvoiceChange, InvoiceEvent};
use domain::retry::{Done, Failure};
use store::Noted;

/// Records the invoice's state, and sends the customer a notice if they have to do something.
pub async fn handle(ctx: &Ctx, event: &InvoiceEvent, row: &EventRow) -> Result<Done, Failure> {
    let invoice = &event.invoice;
    if event.change == InvoiceChange::FinalizationFailed {
        tracing::error!(event.key = %row.key, invoice.id = %invoice.id, alarm = true,
            "Stripe could not finalize an invoice; the invoice says why");
    }
    let Some(account) = attribution::account(ctx, row, Some(&event.customer)).await? else {
        return Ok(attribution::UNATTRIBUTED);
    };
    let is_recorded = match ctx.store.invoice_note(&account, invoice).await? {
        Noted::Now => true,
        // The same event may be acted on twice at once; the second run reports what the first one did.
        Noted::Outdated | Noted::Tie(_) => {
            find(ctx, &account, &invoice.id).await?.as_ref() == Some(invoice)
        }
    };
    match event.change {
        InvoiceChange::PaymentFailed => notify::payment_failed(ctx, &account, invoice).await?,
        InvoiceChange::ActionRequired => notify::action_required(ctx, &account, invoice).await?,
        InvoiceChange::Created
        | InvoiceChange::Finalized
        | InvoiceChange::FinalizationFailed
        | InvoiceChange::Paid
        | InvoiceChange::PaymentSucceeded
        | InvoiceChange::Voided
        | InvoiceChange::MarkedUncollectible => {}
    }
    Ok(if is_recorded {
        Done::Applied(format!("invoice {} is {}", invoice.id, invoice.status))
    } else {
        Done::Ignored("something newer is known")
    })
}

/// The recorded state of an invoice.
pub async fn find(
    ctx: &Ctx,
    account: &AccountId,
    id: &InvoiceId,
) -> Result<Option<Invoice>, Failure> {
    let all = ctx.store.invoice_list(account).await?;
    Ok(all.into_iter().find(|one| one.id == *id))
}
