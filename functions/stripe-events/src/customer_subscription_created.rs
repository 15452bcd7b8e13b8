//! `customer.subscription.created`: an account has a subscription.

use crate::{Ctx, note};
use domain::events::SubscriptionEvent;
use domain::retry::{Done, Failure};

/// Notes it.
pub async fn handle(ctx: &Ctx, event: &SubscriptionEvent) -> Result<Done, Failure> {
    note::subscription(ctx, event).await
}
