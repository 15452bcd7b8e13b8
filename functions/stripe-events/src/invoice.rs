//! `invoice.*`: records an invoice's latest state, and notifies the customer when a payment failed
//! or needs confirmation.
//!
//! An event carries the second in which it was created. If two events have the same second, the
//! invoice that is further along wins (`Store::invoice_note`). Nothing is granted here: the
//! checkout's events grant credits.

use crate::{Ctx, attribution, dunning, notify, unbilled};
use domain::billing::subscriptions::Invoice;
use domain::ids::{AccountId, InvoiceId};
use domain::inbox::EventRow;
use domain::inbox::events::{InvoiceChange, InvoiceEvent};
use domain::retry::{Done, Failure};
use store::Noted;

/// Records the invoice's state, and sends the customer a notice if they have to act.
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
        // The same event may be handled twice concurrently; the second run reports what the first
        // one did.
        Noted::Outdated | Noted::Tie(_) => {
            find(ctx, &account, &invoice.id).await?.as_ref() == Some(invoice)
        }
    };
    if event.change == InvoiceChange::Finalized {
        unbilled::after_invoice(ctx, &account, invoice).await?;
    }
    match event.change {
        InvoiceChange::PaymentFailed => {
            ctx.store
                .invoice_failed(&account, &invoice.id, invoice.as_of)
                .await?;
            notify::payment_failed(ctx, &account, invoice).await?;
            if let Some(subscription) = &invoice.subscription {
                dunning::plan(ctx, &account, subscription).await?;
            }
        }
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
        Done::Ignored("a newer state is recorded")
    })
}

/// Returns the recorded state of an invoice.
pub async fn find(
    ctx: &Ctx,
    account: &AccountId,
    id: &InvoiceId,
) -> Result<Option<Invoice>, Failure> {
    Ok(ctx.store.invoice_find(account, id).await?)
}
