//! `v1.billing.meter.*`: Stripe accepted usage but could not count it.
//!
//! Raises an alarm and sets our affected records aside until an operator decides, because their
//! work was delivered and is not billed.

use crate::Ctx;
use domain::billing::usage::AccountMeter;
use domain::inbox::events::MeterEvent;
use domain::retry::{Done, Failure, Retry};
use store::Unbilled;
use webhooks::stripe::{self, Uncounted};

/// Fetches the event's details and sets aside the records that they name.
pub async fn handle(ctx: &Ctx, event: &MeterEvent) -> Result<Done, Failure> {
    let found = ctx.stripe().await?.v2_event_find(&event.id).await?;
    let Some(found) = found else {
        return Err(Failure {
            retry: Retry::Soon,
            source: "Stripe does not have this event".into(),
        });
    };
    let errors = stripe::meter_errors(&found.body)?;
    tracing::error!(event.id = %event.id, errors.count = errors.count, errors.named = errors.uncounted.len(), alarm = true,
        "Stripe could not count usage that it had accepted");
    let mut aside = 0_usize;
    for uncounted in &errors.uncounted {
        if set_aside(ctx, uncounted).await? != Unbilled::Unknown {
            aside += 1;
        }
    }
    Ok(Done::Applied(format!(
        "Stripe could not count {} reports; {aside} of ours wait for a person",
        errors.count
    )))
}

/// Sets one record aside, whatever was used.
async fn set_aside(ctx: &Ctx, uncounted: &Uncounted) -> Result<Unbilled, Failure> {
    let identifier = &uncounted.identifier;
    let Some(account) = ctx.store.usage_account(&identifier.usage).await? else {
        return Ok(Unbilled::Unknown);
    };
    let debts = AccountMeter {
        account,
        meter: identifier.meter.clone(),
    };
    Ok(ctx
        .store
        .usage_unbill(&debts, identifier, &uncounted.why, ctx.outside.now())
        .await?)
}
