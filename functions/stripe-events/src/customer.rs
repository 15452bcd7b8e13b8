//! `customer.*`: we store only the customer's id, so only a deletion matters.

use crate::{Ctx, top_up};
use domain::billing::top_ups::OffReason;
use domain::inbox::events::{CustomerChange, CustomerEvent};
use domain::retry::{Done, Failure};

/// Raises an alarm when an account's customer was deleted, because Stripe cannot undo that. The
/// account keeps its credits but can no longer be billed, so automatic top-up is switched off.
pub async fn handle(ctx: &Ctx, event: &CustomerEvent) -> Result<Done, Failure> {
    match event.change {
        CustomerChange::Created => {
            return Ok(Done::Ignored("accounts are created by signing up"));
        }
        CustomerChange::Updated => {
            return Ok(Done::Ignored("nothing of a customer is kept but its id"));
        }
        CustomerChange::Deleted => {}
    }
    let Some(account) = ctx.store.customer_find(&event.customer).await? else {
        return Ok(Done::Ignored("no account has this customer"));
    };
    let now = ctx.outside.now();
    top_up::stop(ctx, &account, OffReason::CustomerDeleted, now).await?;
    tracing::error!(account.id = %account, customer.id = %event.customer, alarm = true,
        "an account's customer was deleted on Stripe; the account cannot be billed any more");
    Ok(Done::Applied(format!(
        "the customer was deleted on Stripe; account {account} stays"
    )))
}
