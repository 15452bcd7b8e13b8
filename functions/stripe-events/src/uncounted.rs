//! Usage that Stripe had taken and then could not count. Somebody is woken, and what of it is ours is set aside until he
//! has decided: it was delivered and is not billed.

use crate::Ctx;
use domain::billing::usage::AccountMeter;
use domain::ids::JobId;
use domain::inbox::events::MeterErrorEvent;
use domain::retry::{Done, Failure, Retry};
use store::Unbilled;
use webhooks::stripe::{self, Uncounted};

/// Fetches the particulars and sets aside what they name.
pub async fn set_aside(ctx: &Ctx, event: &MeterErrorEvent) -> Result<Done, Failure> {
    let found = ctx.stripe().await?.v2_event_find(&event.id).await?;
    let Some(found) = found else {
        return Err(Failure {
            retry: Retry::Soon,
            source: "Stripe does not have this event".into(),
        });
    };
    let errors = stripe::meter_errors(&found.body)?;
    tracing::error!(event.id = %event.id, errors.count = errors.count, errors.named = errors.uncounted.len(), alarm = true,
        "Stripe could not count usage that it had taken");
    let mut aside = 0_usize;
    for uncounted in &errors.uncounted {
        if one(ctx, uncounted).await? != Unbilled::Unknown {
            aside += 1;
        }
    }
    Ok(Done::Applied(format!(
        "Stripe could not count {} reports; {aside} of ours wait for a person",
        errors.count
    )))
}

/// A usage record has its job's ULID, so the job says whose it is.
async fn one(ctx: &Ctx, uncounted: &Uncounted) -> Result<Unbilled, Failure> {
    let identifier = &uncounted.identifier;
    let job = JobId::parse(&format!("{}{}", JobId::PREFIX, identifier.usage.ulid()))
        .map_err(Failure::never)?;
    let Some(job) = ctx.store.job_find(&job).await? else {
        return Ok(Unbilled::Unknown);
    };
    let debts = AccountMeter {
        account: job.facts.account,
        meter: identifier.meter.clone(),
    };
    Ok(ctx
        .store
        .usage_unbill(&debts, identifier, &uncounted.why, ctx.outside.now())
        .await?)
}
