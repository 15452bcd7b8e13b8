//! `v1.billing.meter.error_report_triggered`: Stripe could not count usage that it had taken.

use crate::{Ctx, uncounted};
use domain::inbox::events::MeterErrorEvent;
use domain::retry::{Done, Failure};

/// Sets it aside for a person.
pub async fn handle(ctx: &Ctx, event: &MeterErrorEvent) -> Result<Done, Failure> {
    uncounted::set_aside(ctx, event).await
}
