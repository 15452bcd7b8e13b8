//! `customer.deleted`: a customer is gone at Stripe, for good, and its subscriptions with it.

use crate::Ctx;
use domain::inbox::events::CustomerEvent;
use domain::retry::{Done, Failure};

/// Wakes somebody: the account stays, with its credits, and can no longer be billed.
pub async fn handle(ctx: &Ctx, event: &CustomerEvent) -> Result<Done, Failure> {
    let Some(account) = ctx.store.customer_find(&event.customer).await? else {
        return Ok(Done::Ignored("no account has this customer"));
    };
    tracing::error!(account.id = %account, customer.id = %event.customer, alarm = true,
        "the customer of an account was deleted at Stripe; nothing can be billed to it any more");
    Ok(Done::Applied(format!(
        "the customer is gone at Stripe; account {account} stays"
    )))
}
