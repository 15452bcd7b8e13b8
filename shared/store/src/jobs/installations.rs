//! What GitHub allows an installation: until when all its calls wait, and how much it has created.
//!
//! Both are shared by every function and process. A wait only grows. The count of a window is one
//! conditional update, so two processes cannot both take the last place. `ttl` deletes old items.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Item, number, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::Change;
use domain::ids::InstallationId;
use domain::jobs::installations::{CREATIONS_MAX, Window};
use domain::time::Timestamp;
use std::time::Duration;

const WAIT: &str = "note GitHub's rate limit";
const COUNT: &str = "count what is created on GitHub";
/// How long an item is kept after it has no effect any more.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// The result of counting creations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreationsCounted {
    Now,
    /// The window has too few places left, and nothing was counted.
    UsedUp,
}

impl Store {
    /// Until when an installation's calls wait. The read may be a moment old.
    pub async fn installation_wait(
        &self,
        installation: InstallationId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let found = self
            .table
            .get_eventual(WAIT, &keys::installation_wait(installation))
            .await?;
        found
            .map(|found| Item::new(&found, WAIT).time("until"))
            .transpose()
    }

    /// Makes an installation's calls wait until a time, unless they already wait longer.
    pub async fn installation_wait_set(
        &self,
        installation: InstallationId,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::installation_wait(installation))
            .set("until", time(until))
            .set("ttl", number(until.plus(KEPT_FOR).seconds()))
            .when("attribute_not_exists(#until) OR #until < :until", vec![]);
        self.table.update(WAIT, change).await.map(drop)
    }

    /// Counts requests that will create something in a window, unless they are too many for it.
    pub async fn creations_count(
        &self,
        installation: InstallationId,
        window: Window,
        count: u32,
    ) -> Result<CreationsCounted, StoreError> {
        let most = CREATIONS_MAX.saturating_sub(count);
        let change = Change::of(keys::creations(installation, window.start))
            .add("count", number(count))
            .set("ttl", number(window.end.plus(KEPT_FOR).seconds()))
            .when(
                "attribute_not_exists(#count) OR #count <= :most",
                vec![("most", number(most))],
            );
        Ok(match self.table.update(COUNT, change).await? {
            Updated::Done(()) => CreationsCounted::Now,
            Updated::Refused(_) => CreationsCounted::UsedUp,
        })
    }
}
