//! `customer.subscription.deleted`: a subscription is over.

use crate::{Ctx, record_state};
use domain::inbox::EventRow;
use domain::inbox::events::SubscriptionEvent;
use domain::retry::{Done, Failure};

/// Notes it.
pub async fn handle(ctx: &Ctx, event: &SubscriptionEvent, row: &EventRow) -> Result<Done, Failure> {
    record_state::subscription(ctx, event, row).await
}
