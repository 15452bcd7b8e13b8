//! `charge.dispute.*`: a payer disputes a payment with their bank, or the bank only inquires.
//!
//! Each event carries the dispute's phase, and some events say that the bank took or returned the
//! money. The credits follow from all facts together (`domain::billing::payments`), so the order of
//! the events does not matter. A dispute also switches automatic top-up off, which would charge the
//! same card.

use crate::{Ctx, record_payment, top_up};
use domain::billing::payments::{Dispute, PaymentFact};
use domain::billing::top_ups::OffReason;
use domain::ids::{AccountId, PaymentId, PaymentIntentId};
use domain::inbox::events::DisputeEvent;
use domain::retry::{Done, Failure};

/// Takes the payment's credits back or returns them, according to the dispute's current state.
pub async fn handle(ctx: &Ctx, event: &DisputeEvent) -> Result<Done, Failure> {
    let fact = PaymentFact::Disputed(event.id.clone(), event.dispute);
    let done = record_payment::facts(ctx, &event.payment, &[fact], event.id.as_str()).await?;
    // Also if nothing is new, because an earlier run may have died before this.
    let known = ctx.store.payment_find(&event.payment).await?;
    let dispute = known
        .as_ref()
        .and_then(|known| known.disputes.get(&event.id));
    if !dispute.is_some_and(Dispute::is_against_us) {
        return Ok(done);
    }
    let purchase = known.and_then(|known| known.purchase);
    let account = match purchase {
        Some(purchase) => Some(purchase.account),
        None => payer(ctx, &event.payment).await?,
    };
    if let Some(account) = account {
        top_up::stop(ctx, &account, OffReason::Disputed, event.opened_at).await?;
    }
    Ok(done)
}

/// Returns the account whose customer made a payment that is not known to have bought credits: one
/// for an invoice, or one whose purchase has not been reported yet.
async fn payer(ctx: &Ctx, payment: &PaymentId) -> Result<Option<AccountId>, Failure> {
    let Ok(intent) = PaymentIntentId::parse(payment.as_str()) else {
        return Ok(None);
    };
    let Some(stripe) = ctx.stripe_maybe().await? else {
        return Ok(None);
    };
    let intent = stripe.payment_intent_find(&intent).await?;
    match intent.and_then(|intent| intent.customer) {
        Some(customer) => Ok(ctx.store.customer_find(&customer).await?),
        None => Ok(None),
    }
}
