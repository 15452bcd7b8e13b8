//! `customer.subscription.resumed`: a paused subscription goes on.

use crate::{Ctx, note};
use domain::events::SubscriptionEvent;
use domain::inbox::EventRow;
use domain::retry::{Done, Failure};

/// Notes it.
pub async fn handle(ctx: &Ctx, event: &SubscriptionEvent, row: &EventRow) -> Result<Done, Failure> {
    note::subscription(ctx, event, row).await
}
