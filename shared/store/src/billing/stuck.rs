//! Stuck usage: records that Stripe rejected, and an operator's decision about each: report it
//! again as a new record, or write it off. Every move is conditional, so a repeated call changes
//! nothing.

use crate::billing::usage::{Owed, owed_attributes, usage_of};
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, text, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed, delete_when, put_new};
use crate::{Finished, Store};
use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem};
use domain::billing::usage::{AccountMeter, Usage, UsageIdentifier};
use domain::ids::{AccountId, UsageId};
use domain::time::Timestamp;

/// The state of a usage record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageState {
    /// The record must still be reported to Stripe.
    Owed,
    /// An operator has to decide, or has written the record off.
    Stuck,
    /// The record was reported to Stripe.
    Reported,
    /// An operator cancelled the report.
    Cancelled,
}

impl UsageState {
    pub const ALL: [Self; 4] = [Self::Owed, Self::Stuck, Self::Reported, Self::Cancelled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Stuck => "stuck",
            Self::Reported => "reported",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A usage record and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    pub usage: Usage,
    /// The timestamp it is reported with, if that differs from its own.
    pub carried_to: Option<Timestamp>,
    /// When it was first sent, while it is owed.
    pub first_attempt: Option<Timestamp>,
    /// When it was reported to Stripe.
    pub reported_at: Option<Timestamp>,
    /// When it became stuck.
    pub stuck_at: Option<Timestamp>,
    /// Why it became stuck.
    pub reason: Option<String>,
    /// Set if the record will never be reported, with who decided so.
    pub written_off: Option<WriteOff>,
    /// Set if an operator has cancelled the report, or tried to.
    pub cancellation: Option<Cancellation>,
}

/// An operator's correction of a reported record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    pub word: WriteOff,
    /// When Stripe cancelled it.
    pub done_at: Option<Timestamp>,
    /// Why Stripe refused. The record still counts.
    pub refused: Option<String>,
}

/// An operator's decision that a record is never reported, or no longer counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOff {
    pub at: Timestamp,
    pub by: String,
    pub reason: String,
}

/// One page of an account's usage records, by meter and newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePage {
    pub rows: Vec<UsageRow>,
    /// The record after which the next page begins, if there is one.
    pub next: Option<UsageIdentifier>,
}

/// The result of a decision about a stuck record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// The decision was applied. Contains the record after it.
    Now(Box<UsageRow>),
    /// The record was already written off.
    WrittenOff,
    /// The record exists but is not stuck.
    NotStuck(UsageState),
    /// There is no such record.
    Unknown,
}

/// The result of setting aside usage that Stripe accepted and later could not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbilled {
    /// The record is now stuck.
    Now,
    /// The record was already stuck, or has been reported again.
    Already,
    /// There is no such record.
    Unknown,
}

/// A condition of the move failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Changed,
}

const LIST: &str = "list usage";
const UNBILL: &str = "set aside usage that was not counted";
const RESEND: &str = "owe stuck usage again";
const WRITE_OFF: &str = "write stuck usage off";
/// The attributes to keep on a record that becomes stuck after it was reported.
const KEPT: [&str; 11] = [
    "customer",
    "meter",
    "value",
    "usage_at",
    "identifier",
    "job",
    "report",
    "assist",
    "rate",
    "carried_to",
    "reported_at",
];

impl Store {
    /// Marks a record as stuck until an operator has decided about it, and stores the reason.
    pub async fn usage_park(
        &self,
        owed: &Owed,
        reason: &str,
        now: Timestamp,
    ) -> Result<Finished, StoreError> {
        let usage = &owed.usage;
        let stuck = keys::stuck(&usage.account, &usage.meter, &usage.id);
        self.owed_move(
            owed,
            stuck,
            [("stuck_at", time(now)), ("reason", text(reason))],
        )
        .await
    }

    /// Marks a record as stuck after Stripe said that it did not count this report, and stores the
    /// reason. The record may still be in the owed range if the report has not been recorded yet;
    /// in that case it is no longer owed. A record that has been sent again under another
    /// identifier since is left alone. Safe to repeat.
    pub async fn usage_unbill(
        &self,
        debts: &AccountMeter,
        identifier: &UsageIdentifier,
        reason: &str,
        now: Timestamp,
    ) -> Result<Unbilled, StoreError> {
        let (AccountMeter { account, meter }, id) = (debts, &identifier.usage);
        let stuck = keys::stuck(account, meter, id);
        // The order in which a record moves from one range to the other, so that a record in
        // transit is not missed.
        for from in [
            keys::owed(account, meter, id),
            keys::usage(account, meter, id),
        ] {
            let Some(found) = self.table.get(UNBILL, &from).await? else {
                continue;
            };
            if usage_of(&Item::new(&found, UNBILL))?.identifier != *identifier {
                return Ok(Unbilled::Already);
            }
            let mut item: Attributes = found
                .into_iter()
                .filter(|(name, _)| KEPT.contains(&name.as_str()))
                .collect();
            item.extend(stuck.attributes());
            item.extend([
                ("stuck_at".to_owned(), time(now)),
                ("reason".to_owned(), text(reason)),
            ]);
            let same = vec![("identifier", text(identifier.to_string()))];
            let gone = delete_when(&self.table, from, "#identifier = :identifier", same);
            if self
                .moved(UNBILL, [gone, put_new(&self.table, item)])
                .await?
            {
                return Ok(Unbilled::Now);
            }
        }
        Ok(if self.table.get(UNBILL, &stuck).await?.is_some() {
            Unbilled::Already
        } else {
            Unbilled::Unknown
        })
    }

    /// Makes a stuck record owed again, under a new identifier because Stripe knows the old one.
    /// The record starts over: it has no attempts, and whether it is carried forward is decided
    /// again.
    pub async fn usage_resend(
        &self,
        debts: &AccountMeter,
        id: &UsageId,
        now: Timestamp,
    ) -> Result<Decided, StoreError> {
        let stuck = keys::stuck(&debts.account, &debts.meter, id);
        let Some(found) = self.table.get(RESEND, &stuck).await? else {
            return self.undecided(debts, id).await;
        };
        let row = row_of(&found)?;
        if row.written_off.is_some() {
            return Ok(Decided::WrittenOff);
        }
        let same = vec![("identifier", text(row.usage.identifier.to_string()))];
        let still = "#identifier = :identifier AND attribute_not_exists(#written_off_at)";
        let usage = Usage {
            identifier: row.usage.identifier.next(),
            ..row.usage
        };
        let items = [
            delete_when(&self.table, stuck, still, same),
            put_new(&self.table, owed_attributes(&usage, now)),
        ];
        if self.moved(RESEND, items).await? {
            return Ok(Decided::Now(Box::new(UsageRow {
                usage,
                carried_to: None,
                first_attempt: None,
                reported_at: None,
                stuck_at: None,
                reason: None,
                written_off: None,
                cancellation: None,
            })));
        }
        self.undecided(debts, id).await
    }

    /// Writes off a stuck record, so that it is never reported.
    pub async fn usage_write_off(
        &self,
        debts: &AccountMeter,
        id: &UsageId,
        word: &WriteOff,
    ) -> Result<Decided, StoreError> {
        let key = keys::stuck(&debts.account, &debts.meter, id);
        let change = Change::of(key)
            .set("written_off_at", time(word.at))
            .set("written_off_by", text(&word.by))
            .set("written_off_reason", text(&word.reason))
            .when(
                "attribute_exists(pk) AND attribute_not_exists(#written_off_at)",
                vec![],
            );
        let written = self
            .table
            .update_returning(WRITE_OFF, change, ReturnValue::AllNew);
        match written.await? {
            Updated::Done(row) => row_of(&row).map(|row| Decided::Now(Box::new(row))),
            Updated::Refused(_) => self.undecided(debts, id).await,
        }
    }

    /// Finds the state of a record for which no decision was applied.
    pub(crate) async fn undecided(
        &self,
        debts: &AccountMeter,
        id: &UsageId,
    ) -> Result<Decided, StoreError> {
        Ok(match self.usage_seen(debts, id).await? {
            Some((_, row)) if row.written_off.is_some() => Decided::WrittenOff,
            Some((state, _)) => Decided::NotStuck(state),
            None => Decided::Unknown,
        })
    }

    /// Reads a usage record, whatever its state; strongly consistent.
    pub async fn usage_seen(
        &self,
        debts: &AccountMeter,
        id: &UsageId,
    ) -> Result<Option<(UsageState, UsageRow)>, StoreError> {
        let AccountMeter { account, meter } = debts;
        for (state, key) in [
            (UsageState::Stuck, keys::stuck(account, meter, id)),
            (UsageState::Owed, keys::owed(account, meter, id)),
            (UsageState::Reported, keys::usage(account, meter, id)),
            (UsageState::Cancelled, keys::cancelled(account, meter, id)),
        ] {
            if let Some(found) = self.table.get("find usage", &key).await? {
                return Ok(Some((state, row_of(&found)?)));
            }
        }
        Ok(None)
    }

    /// Lists an account's usage records in a state, by meter and newest first; strongly consistent.
    pub async fn usage_list(
        &self,
        account: &AccountId,
        state: UsageState,
        behind: Option<&UsageIdentifier>,
        limit: i32,
    ) -> Result<UsagePage, StoreError> {
        type At = fn(&AccountId, &domain::billing::usage::Meter, &UsageId) -> keys::Key;
        let (range, at): (&str, At) = match state {
            UsageState::Owed => (keys::OWED, keys::owed),
            UsageState::Stuck => (keys::STUCK, keys::stuck),
            UsageState::Reported => (keys::USAGE, keys::usage),
            UsageState::Cancelled => (keys::CANCELLED, keys::cancelled),
        };
        let found = self
            .table
            .prefix(keys::account(account).pk, range)
            .set_exclusive_start_key(
                behind.map(|last| at(account, &last.meter, &last.usage).attributes()),
            )
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(limit)
            .send()
            .await
            .map_err(|e| StoreError::sdk(LIST, e))?;
        let rows: Vec<_> = found.items().iter().map(row_of).collect::<Result<_, _>>()?;
        let more = found
            .last_evaluated_key()
            .is_some_and(|key| !key.is_empty());
        let next = rows
            .last()
            .filter(|_| more)
            .map(|row: &UsageRow| row.usage.identifier.clone());
        Ok(UsagePage { rows, next })
    }

    /// Writes a move. Returns `false` if one of its conditions no longer holds.
    async fn moved<const N: usize>(
        &self,
        operation: &'static str,
        items: [TransactWriteItem; N],
    ) -> Result<bool, StoreError> {
        let mut tx = self.table.transaction(operation);
        for item in items {
            tx.add(item).or(Refusal::Changed);
        }
        Ok(match tx.commit().await? {
            Committed::Written => true,
            Committed::Refused(Refusal::Changed, _) => false,
        })
    }
}

pub(crate) fn row_of(attributes: &Attributes) -> Result<UsageRow, StoreError> {
    let item = Item::new(attributes, "read usage");
    let words = |name| Ok::<_, StoreError>(item.find_text(name)?.map(str::to_owned));
    let word = |at| {
        let (by, reason) = (words("written_off_by")?, words("written_off_reason")?);
        Ok::<_, StoreError>(WriteOff {
            at,
            by: by.unwrap_or_default(),
            reason: reason.unwrap_or_default(),
        })
    };
    Ok(UsageRow {
        carried_to: item.find_time("carried_to")?,
        first_attempt: item.find_time("first_attempt")?,
        reported_at: item.find_time("reported_at")?,
        stuck_at: item.find_time("stuck_at")?,
        reason: words("reason")?,
        written_off: item.find_time("written_off_at")?.map(word).transpose()?,
        cancellation: cancellation_of(&item)?,
        usage: usage_of(&item)?,
    })
}

fn cancellation_of(item: &Item<'_>) -> Result<Option<Cancellation>, StoreError> {
    let Some(at) = item.find_time("cancel_asked_at")? else {
        return Ok(None);
    };
    let words = |name| Ok::<_, StoreError>(item.find_text(name)?.map(str::to_owned));
    Ok(Some(Cancellation {
        word: WriteOff {
            at,
            by: words("cancel_by")?.unwrap_or_default(),
            reason: words("cancel_reason")?.unwrap_or_default(),
        },
        done_at: item.find_time("cancelled_at")?,
        refused: words("cancel_refused")?,
    }))
}
