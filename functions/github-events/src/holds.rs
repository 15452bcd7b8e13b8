//! Releases a hold that was not settled in time. The sweeper sends its pointer.
//!
//! Safe to run twice: a hold ends once, and a hold that has not expired stays.

use crate::Ctx;
use domain::ledger::HoldKey;
use domain::retry::{Done, Failure};
use store::HoldReleased;

/// Returns the credits of a hold to the balance, if the hold has expired.
pub async fn release(ctx: &Ctx, key: &HoldKey) -> Result<Done, Failure> {
    let now = ctx.outside.now();
    Ok(match ctx.store.hold_release_expired(key, now).await? {
        HoldReleased::Now(credits) => Done::Applied(format!("released {credits} credits")),
        HoldReleased::Already => Done::Duplicate,
        HoldReleased::Open => Done::Ignored("the hold has not expired"),
    })
}
