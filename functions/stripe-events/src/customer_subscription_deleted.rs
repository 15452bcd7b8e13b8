//! `customer.subscription.deleted`: a subscription ended, for good.

use crate::{Ctx, note};
use domain::events::SubscriptionEvent;
use domain::retry::{Done, Failure};

/// Notes the end, after which no other word counts.
pub async fn handle(ctx: &Ctx, event: &SubscriptionEvent) -> Result<Done, Failure> {
    note::subscription(ctx, event).await
}
