//! Cancelled usage: reports to Stripe that an operator takes back. A cancelled record is in a key
//! range of its own, so it no longer counts as reported. It is due until Stripe has cancelled the
//! report too. If Stripe refuses, the record is reported again. Every move is conditional, so a
//! repeated call changes nothing.

use crate::billing::stuck::{Decided, UsageRow, UsageState, WriteOff, row_of};
use crate::billing::usage::usage_attributes;
use crate::db::error::StoreError;
use crate::db::item::{Item, number, text, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed, check_when, delete_when, put_new};
use crate::{Finished, Store};
use domain::billing::usage::AccountMeter;
use domain::ids::UsageId;
use domain::time::Timestamp;

/// The result of cancelling a reported record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// The record is cancelled here, and Stripe has to follow.
    Now(Box<UsageRow>),
    /// The record was already cancelled.
    Already(Box<UsageRow>),
    /// Its invoice is final, and Stripe does not change a final invoice.
    Invoiced,
    /// An operator has credited it.
    Credited,
    /// The record exists and is not reported.
    NotReported(UsageState),
    /// There is no such record.
    Unknown,
}

/// A cancelled record that Stripe still counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelling {
    pub row: UsageRow,
    /// The number of failed attempts.
    pub attempts: u32,
    /// The earliest time for the next attempt.
    pub not_before: Option<Timestamp>,
}

/// Reasons not to cancel a record, or not to take a cancellation back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Changed,
    Invoiced,
    Credited,
}

const CANCEL: &str = "cancel reported usage";

impl Store {
    /// Cancels a reported record whose invoice is not final, and makes it due at Stripe.
    pub async fn usage_cancel(
        &self,
        debts: &AccountMeter,
        id: &UsageId,
        word: &WriteOff,
    ) -> Result<Cancelled, StoreError> {
        let AccountMeter { account, meter } = debts;
        let (from, to) = (
            keys::usage(account, meter, id),
            keys::cancelled(account, meter, id),
        );
        let Some(mut item) = self.table.get(CANCEL, &from).await? else {
            return self.not_reported(debts, id).await;
        };
        let row = row_of(&item)?;
        let moment = row.carried_to.unwrap_or(row.usage.at);
        let same = vec![("identifier", text(row.usage.identifier.to_string()))];
        item.remove("cancel_refused");
        item.extend(to.attributes());
        item.extend([
            ("dx".to_owned(), text(keys::due(&to))),
            ("due_at".to_owned(), time(word.at)),
            ("cancel_asked_at".to_owned(), time(word.at)),
            ("cancel_by".to_owned(), text(&word.by)),
            ("cancel_reason".to_owned(), text(&word.reason)),
        ]);
        let row = row_of(&item)?;
        let open = Change::of(keys::report(account, meter))
            .set("cancel_asked_at", time(word.at))
            .when(
                "attribute_not_exists(#billed_until) OR #billed_until <= :moment",
                vec![("moment", time(moment))],
            );
        let mut tx = self.table.transaction(CANCEL);
        let gone = delete_when(&self.table, from, "#identifier = :identifier", same);
        tx.add(gone).or(Refusal::Changed);
        tx.add(put_new(&self.table, item)).or(Refusal::Changed);
        tx.add(open.item(&self.table)).or(Refusal::Invoiced);
        let credit = keys::usage_credit(account, meter, id);
        let none = "attribute_not_exists(pk) OR attribute_exists(#refused)";
        tx.add(check_when(&self.table, credit, none, vec![]))
            .or(Refusal::Credited);
        match tx.commit().await? {
            Committed::Written => Ok(Cancelled::Now(Box::new(row))),
            Committed::Refused(Refusal::Invoiced, _) => Ok(Cancelled::Invoiced),
            Committed::Refused(Refusal::Credited, _) => Ok(Cancelled::Credited),
            Committed::Refused(Refusal::Changed, _) => self.not_reported(debts, id).await,
        }
    }

    async fn not_reported(
        &self,
        debts: &AccountMeter,
        id: &UsageId,
    ) -> Result<Cancelled, StoreError> {
        let key = keys::cancelled(&debts.account, &debts.meter, id);
        if let Some(found) = self.table.get(CANCEL, &key).await? {
            return Ok(Cancelled::Already(Box::new(row_of(&found)?)));
        }
        Ok(match self.undecided(debts, id).await? {
            Decided::NotStuck(state) => Cancelled::NotReported(state),
            Decided::WrittenOff | Decided::Now(_) => Cancelled::NotReported(UsageState::Stuck),
            Decided::Unknown => Cancelled::Unknown,
        })
    }

    /// Lists an account's cancelled records on a meter that Stripe still counts, in the order of
    /// their ids.
    pub async fn cancelling_list(
        &self,
        debts: &AccountMeter,
    ) -> Result<Vec<Cancelling>, StoreError> {
        const LIST: &str = "list cancelled usage";
        let found = self
            .table
            .query_prefix(
                LIST,
                keys::account(&debts.account).pk,
                keys::cancelled_prefix(&debts.meter),
            )
            .await?;
        let mut waiting = Vec::new();
        for attributes in &found {
            let item = Item::new(attributes, LIST);
            if item.find_text("dx")?.is_some() {
                waiting.push(Cancelling {
                    attempts: item.find_number("attempts")?.unwrap_or(0),
                    not_before: item.find_time("not_before")?,
                    row: row_of(attributes)?,
                });
            }
        }
        Ok(waiting)
    }

    /// Records that Stripe cancelled the report.
    pub async fn cancelling_done(
        &self,
        row: &UsageRow,
        now: Timestamp,
    ) -> Result<Finished, StoreError> {
        let usage = &row.usage;
        let change = Change::of(keys::cancelled(&usage.account, &usage.meter, &usage.id))
            .set("cancelled_at", time(now))
            .remove("dx")
            .remove("due_at")
            .remove("not_before")
            .when(
                "attribute_exists(pk) AND attribute_not_exists(#cancelled_at)",
                vec![],
            );
        let done = self.table.update("record a cancelled report", change);
        Ok(match done.await? {
            Updated::Done(()) => Finished::Now,
            Updated::Refused(_) => Finished::Already,
        })
    }

    /// Counts a failed attempt, and sets when the next one is due.
    pub async fn cancelling_postpone(
        &self,
        row: &UsageRow,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        let usage = &row.usage;
        let change = Change::of(keys::cancelled(&usage.account, &usage.meter, &usage.id))
            .set("due_at", time(due_at))
            .set("not_before", time(due_at))
            .add("attempts", number(1))
            .when("attribute_exists(dx)", vec![]);
        let postponed = self.table.update("postpone a cancellation", change);
        postponed.await.map(drop)
    }

    /// Makes a cancelled record reported again, because Stripe refused to cancel it.
    pub async fn cancelling_refused(
        &self,
        row: &UsageRow,
        why: &str,
    ) -> Result<Finished, StoreError> {
        const REFUSED: &str = "record a refused cancellation";
        let usage = &row.usage;
        let from = keys::cancelled(&usage.account, &usage.meter, &usage.id);
        let mut item = usage_attributes(usage);
        item.extend(keys::usage(&usage.account, &usage.meter, &usage.id).attributes());
        let moments = [
            ("carried_to", row.carried_to),
            ("reported_at", row.reported_at),
        ];
        let moments = moments
            .into_iter()
            .filter_map(|(name, moment)| Some((name, time(moment?))));
        let words = row.cancellation.iter().flat_map(|asked| {
            [
                ("cancel_asked_at", time(asked.word.at)),
                ("cancel_by", text(&asked.word.by)),
                ("cancel_reason", text(&asked.word.reason)),
            ]
        });
        item.extend(
            moments
                .chain(words)
                .map(|(name, value)| (name.to_owned(), value)),
        );
        item.insert("cancel_refused".to_owned(), text(why));
        let mut tx = self.table.transaction(REFUSED);
        let gone = delete_when(&self.table, from, "attribute_exists(dx)", vec![]);
        tx.add(gone).or(Refusal::Changed);
        tx.add(put_new(&self.table, item));
        Ok(match tx.commit().await? {
            Committed::Written => Finished::Now,
            Committed::Refused(_, _) => Finished::Already,
        })
    }
}
