//! Holds for customers' own work that were not settled in time: their credits return to the balance.
//!
//! The sweeper finds such a hold in index `due`. Work that would be refused for lack of credits, or
//! because of the spend limit, releases them first, so nobody has to wait for the sweeper. Safe to
//! run twice: a hold ends once.

use crate::Store;
use crate::db::error::StoreError;
use crate::ledger::{OpenHold, Post};
use domain::billing::spending::SpendChange;
use domain::ids::AccountId;
use domain::ledger::{EntryDetails, HoldKey, Posting};
use domain::time::Timestamp;
use domain::units::Credits;

/// The result of releasing a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldReleased {
    /// The credits are back on the balance.
    Now(Credits),
    /// The hold was settled before.
    Already,
    /// The hold has not expired.
    Open,
}

impl Store {
    /// Releases a hold if it has expired.
    pub async fn hold_release_expired(
        &self,
        key: &HoldKey,
        now: Timestamp,
    ) -> Result<HoldReleased, StoreError> {
        match self.hold_find(&key.account, &key.hold).await? {
            None => Ok(HoldReleased::Already),
            Some(open) if !open.is_expired(now) => Ok(HoldReleased::Open),
            Some(open) => self.hold_release(&key.account, open, now).await,
        }
    }

    /// Releases all expired holds of an account. Returns how many it released.
    pub async fn holds_release_expired(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut released = 0;
        for open in self.hold_list(account).await? {
            if open.is_expired(now)
                && let HoldReleased::Now(_) = self.hold_release(account, open, now).await?
            {
                released += 1;
            }
        }
        Ok(released)
    }

    async fn hold_release(
        &self,
        account: &AccountId,
        open: OpenHold,
        now: Timestamp,
    ) -> Result<HoldReleased, StoreError> {
        let label = EntryDetails {
            note: "expired".to_owned(),
            ..EntryDetails::default()
        };
        let settled = (open.amount, Credits::ZERO);
        let outlay = open
            .period
            .map(|period| SpendChange::settlement(account, &period, settled));
        let posting = Posting::settle(account, open.hold, settled, label, now);
        Ok(match self.hold_settle(&posting, outlay.as_ref()).await? {
            Post::Posted => HoldReleased::Now(open.amount),
            // Its owner captured or released it at the same moment.
            Post::AlreadyPosted
            | Post::CauseReused
            | Post::NoHold
            | Post::Insufficient(_)
            | Post::SpendLimitReached => HoldReleased::Already,
        })
    }

    /// Writes, and writes once more if the account was short and its expired holds are released.
    /// Another process may release them at the same time, so the second attempt does not depend on
    /// how many this one released.
    pub(crate) async fn unless_short<T, W>(
        &self,
        account: &AccountId,
        now: Timestamp,
        write: impl Fn() -> W,
        is_short: impl Fn(&T) -> bool,
    ) -> Result<T, StoreError>
    where
        W: Future<Output = Result<T, StoreError>>,
    {
        let written = self.while_contended(&write).await?;
        if !is_short(&written) {
            return Ok(written);
        }
        self.holds_release_expired(account, now).await?;
        self.while_contended(&write).await
    }
}

impl OpenHold {
    /// Whether anybody may release the hold.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|end| end <= now)
    }
}
