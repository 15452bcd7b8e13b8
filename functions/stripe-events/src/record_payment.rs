//! Records facts about a payment for credits, in any order, with the ledger entries that follow
//! from them.

use crate::Ctx;
use domain::billing::payments::PaymentFact;
use domain::ids::{AccountId, PaymentId};
use domain::ledger::{Entry, EntryKind};
use domain::retry::{Done, Failure};
use domain::units::Credits;
use queues::Message;
use store::PaymentRecorded;

/// Records facts about one payment and reports the entries that they caused. `source` is the id of
/// the Stripe object that states them.
pub async fn facts(
    ctx: &Ctx,
    payment: &PaymentId,
    facts: &[PaymentFact],
    source: &str,
) -> Result<Done, Failure> {
    let mut news = None;
    for fact in facts {
        match ctx
            .store
            .payment_record(payment, fact, source, ctx.outside.now())
            .await?
        {
            PaymentRecorded::News(entries) => news.get_or_insert_with(Vec::new).extend(entries),
            PaymentRecorded::Known => {}
            // Fails with an alarm: two accounts cannot have bought with one payment.
            PaymentRecorded::Contradicts(contradiction) => return Err(contradiction.into()),
        }
    }
    // Also if nothing is new, because an earlier run may have died before this.
    if let Some(account) = account(ctx, payment).await? {
        watch(ctx, &account, facts).await?;
    }
    Ok(match news {
        None => Done::Duplicate,
        Some(entries) => Done::Applied(said(payment, &entries)),
    })
}

/// Returns the account that bought with a payment, if that is known yet.
async fn account(ctx: &Ctx, payment: &PaymentId) -> Result<Option<AccountId>, Failure> {
    let known = ctx.store.payment_find(payment).await?;
    Ok(known
        .and_then(|known| known.purchase)
        .map(|purchase| purchase.account))
}

/// Warns the account of a low balance after a refund or a dispute, or arms that warning again after
/// credits came in.
async fn watch(ctx: &Ctx, account: &AccountId, facts: &[PaymentFact]) -> Result<(), Failure> {
    let usual = ctx.catalogue.low_balance;
    ctx.store.balance_restored(account, usual).await?;
    let bought = |fact: &PaymentFact| matches!(fact, PaymentFact::Bought(_));
    if !facts.iter().all(bought) {
        let now = ctx.outside.now();
        if let Some(notice) = ctx.store.low_balance_warn(account, usual, now).await? {
            let message = Message::Notice(notice.key(account));
            ctx.queues.send(&message, Some(account)).await?;
        }
    }
    Ok(())
}

fn said(payment: &PaymentId, entries: &[Entry]) -> String {
    let words: Vec<_> = entries
        .iter()
        .map(|entry| moved(entry.kind, entry.amount))
        .collect();
    if words.is_empty() {
        return format!("noted for payment {payment}; no credits moved");
    }
    format!("{} for payment {payment}", words.join(", "))
}

fn moved(kind: EntryKind, amount: Credits) -> String {
    match kind {
        EntryKind::Grant => format!("granted {amount} credits"),
        EntryKind::TakeBack => format!("took {amount} credits back"),
        EntryKind::GiveBack => format!("gave {amount} credits back"),
        EntryKind::Hold
        | EntryKind::Capture
        | EntryKind::Release
        | EntryKind::Adjustment
        | EntryKind::Expiry => {
            format!("posted {} of {amount} credits", kind.as_str())
        }
    }
}
