//! Expires credits: takes back the unspent part of each payment and grant whose credits have
//! expired.
//!
//! Credits can be spent until the end of their last day. One that has to wait for a hold, or
//! whose expiry fails, stays listed for the next night and does not delay the others.

use crate::{Ctx, MARGIN, Reconciled, with_retries};
use domain::ids::AccountId;
use domain::retry::Failure;
use domain::time::Timestamp;
use store::{Expiring, Expiry};

/// The number of payments and grants in one page.
const PAGE: i32 = 100;

/// Expires the credits whose last day is before `over`.
pub async fn expire(
    ctx: &Ctx,
    run: &mut Reconciled,
    over: Timestamp,
    deadline: Timestamp,
) -> Result<(), Failure> {
    let (store, outside) = (&ctx.store, &ctx.outside);
    let mut after: Option<Expiring> = None;
    loop {
        let page = with_retries(outside, || store.expiry_list(over, after.as_ref(), PAGE)).await?;
        for row in &page {
            if deadline.since(outside.now()) <= MARGIN {
                tracing::warn!("no time is left to expire more credits; the next night continues");
                return Ok(());
            }
            one(ctx, run, row).await;
        }
        after = page.into_iter().last();
        if after.is_none() {
            break;
        }
    }
    tracing::info!(
        reconciliation.expired = run.expired,
        reconciliation.waiting = run.waiting,
        "expired credits are taken back"
    );
    Ok(())
}

async fn one(ctx: &Ctx, run: &mut Reconciled, row: &Expiring) {
    let (store, outside) = (&ctx.store, &ctx.outside);
    match with_retries(outside, || store.lot_expire(row, outside.now())).await {
        Ok(Expiry::Posted(credits, account)) => {
            run.expired += 1;
            tracing::info!(lot.id = %row.lot, "{credits} credits expired");
            warn(ctx, &account).await;
        }
        Ok(Expiry::Held) => run.waiting += 1,
        Ok(Expiry::Spent | Expiry::Before) => {}
        Err(failure) => tracing::error!(lot.id = %row.lot, error = %failure, alarm = true,
            "expired credits could not be taken back; the next night tries again"),
    }
}

/// Warns an account whose balance is low now. The sweeper queues the mail.
async fn warn(ctx: &Ctx, account: &AccountId) {
    let (usual, now) = (ctx.catalogue.low_balance, ctx.outside.now());
    let warned = with_retries(&ctx.outside, || ctx.store.balance_warn(account, usual, now));
    if let Err(failure) = warned.await {
        tracing::error!(account.id = %account, error = %failure, "could not warn of a low balance");
    }
}
