//! `customer.subscription.updated`: a subscription changed.

use crate::{Ctx, note};
use domain::events::SubscriptionEvent;
use domain::retry::{Done, Failure};

/// Notes what it is now.
pub async fn handle(ctx: &Ctx, event: &SubscriptionEvent) -> Result<Done, Failure> {
    note::subscription(ctx, event).await
}
