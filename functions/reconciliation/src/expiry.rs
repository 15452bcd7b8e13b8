//! Credits whose time is up: what nobody has spent of them goes, a payment at a time.
//!
//! A day's credits can be spent until the day is over. What waits for a hold to end, or could not be read, stays listed for
//! the next night and keeps nobody else waiting.

use crate::{Books, Ctx, MARGIN, patiently};
use domain::retry::Failure;
use domain::time::Timestamp;
use store::{Expiring, Expiry};

/// Payments that are listed at a time.
const PAGE: i32 = 100;

/// Lets expire what ended on a day before `over`.
pub async fn run(
    ctx: &Ctx,
    books: &mut Books,
    over: Timestamp,
    deadline: Timestamp,
) -> Result<(), Failure> {
    let mut after: Option<Expiring> = None;
    loop {
        let page = patiently(ctx, || ctx.store.expiry_list(over, after.as_ref(), PAGE)).await?;
        for row in &page {
            if deadline.since(ctx.outside.now()) <= MARGIN {
                tracing::warn!(
                    "no time is left to let more credits expire; the next night goes on"
                );
                return Ok(());
            }
            one(ctx, books, row).await;
        }
        after = page.into_iter().last();
        if after.is_none() {
            break;
        }
    }
    tracing::info!(
        reconciliation.expired = books.expired,
        reconciliation.waiting = books.waiting,
        "credits whose time is up are gone"
    );
    Ok(())
}

async fn one(ctx: &Ctx, books: &mut Books, row: &Expiring) {
    match patiently(ctx, || ctx.store.payment_expire(row, ctx.outside.now())).await {
        Ok(Expiry::Posted(credits)) => {
            books.expired += 1;
            tracing::info!(payment.id = %row.payment, "{credits} credits have expired");
        }
        Ok(Expiry::Held) => books.waiting += 1,
        Ok(Expiry::Spent | Expiry::Before) => {}
        Err(failure) => tracing::error!(payment.id = %row.payment, error = %failure, alarm = true,
            "credits whose time is up could not be taken; the next night tries again"),
    }
}
