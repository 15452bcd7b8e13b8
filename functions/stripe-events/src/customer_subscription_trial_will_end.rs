//! `customer.subscription.trial_will_end`: a trial ends in three days, or has been cut short.

use crate::{Ctx, note, tell, whose};
use domain::events::SubscriptionEvent;
use domain::inbox::EventRow;
use domain::retry::{Done, Failure};

/// Notes it, and owes the customer a notice.
pub async fn handle(ctx: &Ctx, event: &SubscriptionEvent, row: &EventRow) -> Result<Done, Failure> {
    let Some(account) = whose::account(ctx, row, Some(&event.customer)).await? else {
        return Ok(whose::NOBODYS);
    };
    let done = note::subscription_of(ctx, &account, &event.subscription).await?;
    tell::trial_ending(ctx, &account, &event.subscription).await?;
    Ok(done)
}
