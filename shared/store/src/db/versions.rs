//! Moves of rows that have a version, with all that belongs to them: the same for jobs and for assists.
//!
//! A write whose answer was lost leaves its mark (`w`, a random number) on the row, so that its writer knows it again
//! instead of taking its own success for somebody else's.

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

/// The meter on which the tokens of paid work are counted.
static TOKENS: LazyLock<Meter> = LazyLock::new(Meter::tokens);

/// One move, to be written whole or not at all.
pub(crate) struct Write<'a> {
    pub(crate) operation: &'static str,
    /// The row's change, with its condition and its mark.
    pub(crate) change: Change,
    /// The fix that it bills. If the fix is not paid for as the move has it, this is an answer and no error.
    pub(crate) fix: Option<TransactWriteItem>,
    /// Other items that are written with it.
    pub(crate) companions: Vec<TransactWriteItem>,
    /// What it does to what its account spends.
    pub(crate) reservation: Reservation,
    /// The credits that move with it.
    pub(crate) postings: Postings<'a>,
}

/// What may stand against a move, in the order in which they decide.
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
    /// The row was moved before; this is the row.
    Moved(Attributes),
}

/// What became of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Written.
    Now,
    /// Somebody else moved the row first.
    Stale,
}

impl Store {
    /// What a writer knows its own write by.
    pub(crate) fn mark(&self) -> String {
        format!("{:016x}", (self.random)())
    }

    /// Writes a move; one whose mark is on the row has been written already. `None` if its fix is not paid for as the move
    /// has it.
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
        // Our own write, applied although its answer never came.
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

    /// Counts the tokens of work that is billed, however it is paid for: in no quota's way, since they are used.
    pub(crate) fn tokens_count(
        &self,
        account: &AccountId,
        terms: &Terms,
        used: Tokens,
    ) -> Option<TransactWriteItem> {
        let tokens = used.input.saturating_add(used.output);
        let change = count_change(
            account,
            (&*TOKENS, terms.period.as_str()),
            tokens,
            Limit::Unlimited,
        );
        change
            .filter(|_| tokens > 0)
            .map(|change| change.item(&self.table))
    }
}

/// The part of a row's change that says who works on it. What the sweeper noted is forgotten with it.
pub(crate) fn tries_change(change: Change, key: &Key, tries: Lifecycle) -> Change {
    change
        .set("attempts", number(tries.attempts))
        .set_or_remove("dx", tries.due_at.map(|_| text(keys::due(key))))
        .set_or_remove("due_at", tries.due_at.map(time))
        .set_or_remove("lease_until", tries.lease_until.map(time))
        .set_or_remove("not_before", tries.not_before.map(time))
        .remove("swept")
}

/// The same of a new row.
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
        attempts: item.number("attempts")?,
        lease_until: item.find_time("lease_until")?,
        not_before: item.find_time("not_before")?,
        due_at: item.find_time("due_at")?,
    })
}
