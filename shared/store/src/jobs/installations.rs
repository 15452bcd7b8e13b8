//! What GitHub allows an installation: until when all its calls wait, and how much it has created.
//!
//! Both are shared by every function and process. A wait only grows. The count of a window and the
//! hour's reserve are conditional updates, so two processes cannot both take the last place. `ttl`
//! deletes old items.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Item, number, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::Change;
use domain::ids::InstallationId;
use domain::jobs::installations::{CREATIONS_MAX, Window, refill_time, refilled_at_most};
use domain::time::Timestamp;
use std::time::Duration;

const WAIT: &str = "note GitHub's rate limit";
const COUNT: &str = "count what is created on GitHub";
const RESERVE: &str = "take from the hour's creations";
/// How long an item is kept after it has no effect any more.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// The result of counting creations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreationsCounted {
    Now,
    /// The window has too few places left, and nothing was counted.
    UsedUp,
}

/// The result of taking from an installation's reserve for the hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReserveTaken {
    Now,
    /// The reserve has too little, and nothing was taken. It has enough at this moment.
    EnoughAt(Timestamp),
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

    /// Takes from an installation's reserve for the hour. The row holds when the reserve is full
    /// again; a full one has no row, or one whose moment has passed.
    pub async fn creations_take(
        &self,
        installation: InstallationId,
        now: Timestamp,
        count: u32,
    ) -> Result<ReserveTaken, StoreError> {
        let most = refilled_at_most(now, count);
        let cost = u64::try_from(refill_time(count).as_millis()).unwrap_or(u64::MAX);
        let change = || {
            Change::of(keys::creations_reserve(installation))
                .set("ttl", number(most.plus(KEPT_FOR).seconds()))
        };
        loop {
            let refilling = change().add("full_at", number(cost)).when(
                "#full_at > :now AND #full_at <= :most",
                vec![("now", time(now)), ("most", time(most))],
            );
            let full_at = match self.table.update(RESERVE, refilling).await? {
                Updated::Done(()) => return Ok(ReserveTaken::Now),
                Updated::Refused(row) => Item::new(&row, RESERVE).find_time("full_at")?,
            };
            if let Some(full_at) = full_at.filter(|full_at| *full_at > most) {
                let missing = full_at.since(most);
                return Ok(ReserveTaken::EnoughAt(now.plus(missing)));
            }
            let full = change()
                .set("full_at", time(now.plus(refill_time(count))))
                .when(
                    "attribute_not_exists(#full_at) OR #full_at <= :now",
                    vec![("now", time(now))],
                );
            if let Updated::Done(()) = self.table.update(RESERVE, full).await? {
                return Ok(ReserveTaken::Now);
            }
            // Another process has taken from it in between, so it is refilling now.
        }
    }
}
