//! Transitions of versioned rows, with everything written together with them. Jobs and assists
//! share this code.
//!
//! A write leaves a mark (`w`, a random number) on the row. If the response is lost, the writer
//! recognizes its own write by the mark and does not mistake it for another writer's.

use crate::Store;
use crate::billing::quotas::count_change;
use crate::billing::spending::{Reservation, SpendingRefused};
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::keys::Key;
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed};
use crate::ledger::postings::{PostingRefused, Postings};
use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::billing::plans::Limit;
use domain::billing::usage::{Meter, Tokens};
use domain::ids::AccountId;
use domain::jobs::Terms;
use domain::work::Lifecycle;
use std::sync::LazyLock;

/// The meter that counts the tokens of paid work.
static TOKENS: LazyLock<Meter> = LazyLock::new(Meter::tokens);

/// One transition, written whole or not at all.
pub(crate) struct Write<'a> {
    pub(crate) operation: &'static str,
    /// The change of the row, with its condition and its mark.
    pub(crate) change: Change,
    /// The fix that it bills. If the stored payment state of the fix differs from what the
    /// transition assumes, the result is `None`, not an error.
    pub(crate) fix: Option<TransactWriteItem>,
    /// Other items written in the same transaction.
    pub(crate) companions: Vec<TransactWriteItem>,
    /// The change to the spending of the account.
    pub(crate) reservation: Reservation,
    /// The credits that move with the transition.
    pub(crate) postings: Postings<'a>,
}

/// Reasons to refuse a transition, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Moved,
    FixPaid,
    Spending(SpendingRefused),
    Posting(PostingRefused),
}

enum AllWritten {
    Now,
    FixPaid,
    /// Another write moved the row first. Contains the row as found.
    Moved(Attributes),
}

/// The result of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Now,
    /// Another writer moved the row first.
    Stale,
}

impl Store {
    /// Returns a new mark by which a writer recognizes its own write.
    pub(crate) fn mark(&self) -> String {
        format!("{:016x}", (self.random)())
    }

    /// Writes a transition. If the row already carries the mark, the transition was written before.
    /// Returns `None` if the stored payment state of its fix differs from what the transition
    /// assumes.
    pub(crate) async fn write_marked(
        &self,
        write: Write<'_>,
        mark: &str,
    ) -> Result<Option<Written>, StoreError> {
        let alone = write.fix.is_none()
            && write.companions.is_empty()
            && write.reservation.items.is_empty()
            && write.postings.items.is_empty();
        let old = if alone {
            match self.table.update(write.operation, write.change).await? {
                Updated::Done(()) => return Ok(Some(Written::Now)),
                Updated::Refused(old) => old,
            }
        } else {
            match self.write_all(write).await? {
                AllWritten::Now => return Ok(Some(Written::Now)),
                AllWritten::FixPaid => return Ok(None),
                AllWritten::Moved(old) => old,
            }
        };
        // Our own write: it was applied, but its response was lost.
        let ours = old
            .get("w")
            .and_then(|old| old.as_s().ok())
            .is_some_and(|old| old == mark);
        Ok(Some(if ours { Written::Now } else { Written::Stale }))
    }

    async fn write_all(&self, write: Write<'_>) -> Result<AllWritten, StoreError> {
        let operation = write.operation;
        let mut tx = self.table.transaction(operation);
        tx.add(write.change.item(&self.table)).or(Refusal::Moved);
        if let Some(fix) = write.fix {
            tx.add(fix).or(Refusal::FixPaid);
        }
        tx.extend(write.companions);
        tx.join(&write.reservation.items, Refusal::Spending);
        tx.join(&write.postings.items, Refusal::Posting);
        match tx.commit().await? {
            Committed::Written => Ok(AllWritten::Now),
            Committed::Refused(Refusal::Moved, old) => Ok(AllWritten::Moved(old)),
            Committed::Refused(Refusal::FixPaid, _) => Ok(AllWritten::FixPaid),
            Committed::Refused(Refusal::Spending(_), _) => Err(StoreError::contended(operation)),
            Committed::Refused(Refusal::Posting(refused), old) => {
                let post = write.postings.post(refused, &old)?;
                Err(StoreError::inconsistent(
                    operation,
                    format!("a settlement: {post:?}"),
                ))
            }
        }
    }

    /// Counts the tokens of billed work, however it is funded. No quota can refuse them, because
    /// they are already used.
    pub(crate) fn tokens_count(
        &self,
        account: &AccountId,
        terms: &Terms,
        used: Tokens,
    ) -> Option<TransactWriteItem> {
        let tokens = used.counted();
        let change = count_change(
            account,
            (
                &*TOKENS,
                terms.places.tokens_in.as_ref().unwrap_or(&terms.period),
            ),
            tokens,
            Limit::Unlimited,
        );
        change
            .filter(|_| tokens > 0)
            .map(|change| change.item(&self.table))
    }
}

/// Adds the lifecycle of a row to its change. Also removes the sweeper's note (`swept`).
pub(crate) fn tries_change(change: Change, key: &Key, tries: Lifecycle) -> Change {
    change
        .set("attempts", number(tries.attempts))
        .set_or_remove("dx", tries.due_at.map(|_| text(keys::due(key))))
        .set_or_remove("due_at", tries.due_at.map(time))
        .set_or_remove("lease_until", tries.lease_until.map(time))
        .set_or_remove("not_before", tries.not_before.map(time))
        .set_or_remove("outage_since", tries.outage_since.map(time))
        .remove("swept")
}

/// Returns the lifecycle attributes of a new row.
pub(crate) fn tries_attributes(key: &Key, tries: Lifecycle) -> Attributes {
    let mut item = Attributes::from([("attempts".to_owned(), number(tries.attempts))]);
    if let Some(due_at) = tries.due_at {
        item.insert("dx".to_owned(), text(keys::due(key)));
        item.insert("due_at".to_owned(), time(due_at));
    }
    item
}

pub(crate) fn tries_of(item: &Item<'_>) -> Result<Lifecycle, StoreError> {
    Ok(Lifecycle {
        attempts: item.find_number("attempts")?.unwrap_or(0),
        lease_until: item.find_time("lease_until")?,
        not_before: item.find_time("not_before")?,
        outage_since: item.find_time("outage_since")?,
        due_at: item.find_time("due_at")?,
    })
}
