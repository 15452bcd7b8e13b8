//! `subscription_schedule.*`: records what Stripe plans to change when a subscription's period ends.
//!
//! Stripe is asked each time, and an answer never replaces a later one, so every order of events ends
//! in the same state. The change itself arrives as `customer.subscription.updated`.

use crate::{Ctx, attribution};
use domain::inbox::EventRow;
use domain::inbox::events::ScheduleEvent;
use domain::retry::{Done, Failure};
use flows::billing::planned_changes;

/// Records the planned change of the schedule's subscription, or that there is none.
pub async fn handle(ctx: &Ctx, event: &ScheduleEvent, row: &EventRow) -> Result<Done, Failure> {
    let Some(account) = attribution::account(ctx, row, Some(&event.customer)).await? else {
        return Ok(attribution::UNATTRIBUTED);
    };
    let Some(stripe) = ctx.stripe_maybe().await? else {
        return Ok(Done::Ignored("Stripe is not set up here"));
    };
    let now = ctx.outside.now();
    let Some(there) = stripe.subscription_find(&event.subscription).await? else {
        return Ok(Done::Ignored("there is no such subscription"));
    };
    let planned = planned_changes::find(&stripe, &ctx.catalogue, &there).await?;
    ctx.store
        .subscription_planned_set(&account, &there.id, planned.as_ref(), now)
        .await?;
    Ok(Done::Applied(match planned {
        Some(planned) => format!("subscription {} changes at {}", there.id, planned.at),
        None => format!("no change of subscription {} is planned", there.id),
    }))
}
