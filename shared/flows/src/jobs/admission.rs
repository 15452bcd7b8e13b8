//! Whether an account's next job would be accepted, after its expired holds are released.

use crate::accounts::Entitled;
use crate::jobs::obstacles::next_job_as_recorded;
use domain::billing::plans::{Catalogue, Pays};
use domain::jobs::admission::Obstacle;
use domain::retry::Failure;
use domain::time::Timestamp;
use store::Store;

/// Returns why the account's next job would be refused, if it would be.
pub async fn next_job(
    store: &Store,
    catalogue: &Catalogue,
    entitled: &Entitled<'_>,
    now: Timestamp,
) -> Result<Option<Obstacle>, Failure> {
    // Creating a job releases expired holds before it refuses for lack of credits.
    if entitled.entitlements.plan.pays == Pays::Credits {
        store
            .holds_release_expired(&entitled.account.id, now)
            .await?;
    }
    next_job_as_recorded(store, catalogue, entitled, now).await
}
