//! `customer.subscription.trial_will_end`: a trial ends in three days, or has been cut short.

use crate::{Ctx, attribution, notify, record_state};
use domain::inbox::EventRow;
use domain::inbox::events::SubscriptionEvent;
use domain::retry::{Done, Failure};

/// Notes it, and owes the customer a notice.
pub async fn handle(ctx: &Ctx, event: &SubscriptionEvent, row: &EventRow) -> Result<Done, Failure> {
    let Some(account) = attribution::account(ctx, row, Some(&event.customer)).await? else {
        return Ok(attribution::NOBODYS);
    };
    let done = record_state::subscription_of(ctx, &account, &event.subscription).await?;
    notify::trial_ending(ctx, &account, &event.subscription).await?;
    Ok(done)
}
