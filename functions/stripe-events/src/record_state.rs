//! What all these events have in common: they say what something is now.
//!
//! Stripe counts in seconds. Of two events of one second about a subscription Stripe is asked which holds; where it cannot
//! be asked, what is further along in a subscription's life does, so that every order ends the same.

use crate::{Ctx, attribution};
use domain::billing::subscriptions::{Invoice, Status, Subscription};
use domain::ids::{AccountId, InvoiceId, SubscriptionId};
use domain::inbox::EventRow;
use domain::inbox::events::{InvoiceEvent, SubscriptionEvent};
use domain::retry::{Done, Failure};
use std::time::Duration;
use store::Noted;

const OUTDATED: Done = Done::Ignored("something newer is known");
/// Until whoever wrote at the same moment is done.
const MEANWHILE_WAIT: Duration = Duration::from_secs(1);

/// Notes a subscription's new entitlements.
pub async fn subscription(
    ctx: &Ctx,
    event: &SubscriptionEvent,
    row: &EventRow,
) -> Result<Done, Failure> {
    let Some(account) = attribution::account(ctx, row, Some(&event.customer)).await? else {
        return Ok(attribution::NOBODYS);
    };
    subscription_of(ctx, &account, &event.subscription).await
}

/// The same for a known account.
pub async fn subscription_of(
    ctx: &Ctx,
    account: &AccountId,
    said: &Subscription,
) -> Result<Done, Failure> {
    if let Status::Other(word) = &said.status {
        tracing::error!(subscription.id = %said.id, subscription.status = word, account.id = %account, alarm = true,
            "a subscription's status is a word we do not know; it is kept as it was");
    }
    match ctx.store.subscription_note(account, said).await? {
        Noted::Now => Ok(applied(said)),
        // The same event may be acted on twice at once; whoever comes second says what the first one does.
        Noted::Outdated => {
            let known = subscription_known(ctx, account, &said.id).await?;
            Ok(if known.as_ref() == Some(said) {
                applied(said)
            } else {
                OUTDATED
            })
        }
        Noted::Tie(known) => untie(ctx, account, &known, said).await,
    }
}

/// Notes an invoice's new entitlements.
pub async fn invoice(ctx: &Ctx, event: &InvoiceEvent, row: &EventRow) -> Result<Done, Failure> {
    let Some(account) = attribution::account(ctx, row, Some(&event.customer)).await? else {
        return Ok(attribution::NOBODYS);
    };
    invoice_of(ctx, &account, event).await
}

/// The same for a known account.
pub async fn invoice_of(
    ctx: &Ctx,
    account: &AccountId,
    event: &InvoiceEvent,
) -> Result<Done, Failure> {
    let said = &event.invoice;
    let applied = Done::Applied(format!("invoice {} is {}", said.id, said.status));
    Ok(match ctx.store.invoice_note(account, said).await? {
        Noted::Now => applied,
        Noted::Outdated | Noted::Tie(_) => {
            let known = invoice_known(ctx, account, &said.id).await?;
            if known.as_ref() == Some(said) {
                applied
            } else {
                OUTDATED
            }
        }
    })
}

/// What is kept of a subscription.
pub async fn subscription_known(
    ctx: &Ctx,
    account: &AccountId,
    id: &SubscriptionId,
) -> Result<Option<Subscription>, Failure> {
    let whole = ctx.store.account_find_whole(account).await?;
    Ok(whole.and_then(|(_, all)| all.subscriptions.into_iter().find(|known| known.id == *id)))
}

/// What is kept of an invoice.
pub async fn invoice_known(
    ctx: &Ctx,
    account: &AccountId,
    id: &InvoiceId,
) -> Result<Option<Invoice>, Failure> {
    Ok(ctx
        .store
        .invoice_list(account)
        .await?
        .into_iter()
        .find(|known| known.id == *id))
}

fn applied(said: &Subscription) -> Done {
    Done::Applied(format!(
        "subscription {} is {}",
        said.id,
        said.status.as_str()
    ))
}

/// Two events of one second: the truth is written under that second, so that whatever is newer still wins.
async fn untie(
    ctx: &Ctx,
    account: &AccountId,
    known: &Subscription,
    said: &Subscription,
) -> Result<Done, Failure> {
    let truth = match ask(ctx, &said.id).await? {
        Some(asked) => Subscription {
            as_of: known.as_of,
            ..asked
        },
        None => further(known, said).clone(),
    };
    if truth == *known {
        return Ok(OUTDATED);
    }
    match ctx
        .store
        .subscription_settle(account, known, &truth)
        .await?
    {
        Noted::Now => Ok(applied(&truth)),
        Noted::Outdated | Noted::Tie(_) => Err(Failure::after(
            MEANWHILE_WAIT,
            "another event of this subscription was noted meanwhile",
        )),
    }
}

/// The subscription as Stripe has it now, told in the second of its making, so that every event since wins over it; none
/// where Stripe cannot be asked or has none.
async fn ask(ctx: &Ctx, id: &SubscriptionId) -> Result<Option<Subscription>, Failure> {
    let Some(stripe) = ctx.stripe_maybe().await? else {
        return Ok(None);
    };
    Ok(stripe
        .subscription_find(id)
        .await?
        .map(|found| found.as_kept(found.created)))
}

/// Of two tellings of one second, the one that is further along; the same one whichever came first.
fn further<'a>(one: &'a Subscription, other: &'a Subscription) -> &'a Subscription {
    let place = |said: &Subscription| {
        let period = said.period.map(|span| (span.end, span.start));
        (
            stage(&said.status),
            period,
            said.ends_at,
            said.trial_end,
            format!("{said:?}"),
        )
    };
    if place(one) >= place(other) {
        one
    } else {
        other
    }
}

/// How far along its life a status is. A word we do not know says nothing.
const fn stage(status: &Status) -> u8 {
    match status {
        Status::Other(_) => 0,
        Status::Incomplete => 1,
        Status::Trialing => 2,
        Status::Active => 3,
        Status::PastDue => 4,
        Status::Unpaid => 5,
        Status::Paused => 6,
        Status::IncompleteExpired => 7,
        Status::Canceled => 8,
    }
}
