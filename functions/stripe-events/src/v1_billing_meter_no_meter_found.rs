//! `v1.billing.meter.no_meter_found`: Stripe had taken usage for a meter that it does not have.

use crate::{Ctx, uncounted};
use domain::inbox::events::MeterErrorEvent;
use domain::retry::{Done, Failure};

/// Sets it aside for a person.
pub async fn handle(ctx: &Ctx, event: &MeterErrorEvent) -> Result<Done, Failure> {
    uncounted::set_aside(ctx, event).await
}
