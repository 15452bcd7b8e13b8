//! Usage to report to Stripe: a record is in one key range while it is owed, and in another once it
//! is reported. A record leaves the owed range once, so repeating a move changes nothing.
//!
//! Stripe accepts one call at a time for each customer and meter, so one worker at a time holds
//! `REPORT#<meter>` and reports the account's owed records one after another.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::table::{Updated, page};
use crate::db::tx::{Change, Committed, delete_when, put_new};
use crate::{Finished, Store};
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::billing::usage::{AccountMeter, Meter, Usage, UsageIdentifier, UsageSource};
use domain::ids::{AccountId, ActionId, AssistId, CustomerId, JobId, UsageId};
use domain::time::Timestamp;

/// An owed usage record, and the progress of reporting it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    pub usage: Usage,
    /// When it was first sent, if it was.
    pub first_attempt: Option<Timestamp>,
    /// The timestamp to report instead of the record's own, because the record's period is closed.
    /// Fixed by the first attempt.
    pub carried_to: Option<Timestamp>,
    pub due_at: Timestamp,
    /// The earliest time to send it again.
    pub not_before: Option<Timestamp>,
    /// The number of failed attempts.
    pub attempts: u32,
}

impl Owed {
    /// Returns the timestamp to report.
    pub fn moment(&self) -> Timestamp {
        self.carried_to.unwrap_or(self.usage.at)
    }
}

/// The result of claiming the reporting lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportClaim {
    /// The caller may report.
    Yours,
    /// Another worker holds the lease, at most until then.
    Held(Timestamp),
}

/// The record is no longer owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Gone,
}

const CLAIM: &str = "claim a report";
const FREEZE: &str = "freeze a first try";
/// Matches records reported with a timestamp in a span, either the usage's own or the one it was
/// carried to.
const TOLD_WITHIN: &str = "(attribute_not_exists(carried_to) AND usage_at >= :from AND usage_at < :until) OR (carried_to >= :from AND carried_to < :until)";

impl Store {
    /// Claims the lease to report an account's owed usage on a meter.
    pub async fn report_claim(
        &self,
        debts: &AccountMeter,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<ReportClaim, StoreError> {
        let change = Change::of(keys::report(&debts.account, &debts.meter))
            .set("until", time(until))
            .when(
                "attribute_not_exists(#until) OR #until <= :now",
                vec![("now", time(now))],
            );
        match self.table.update(CLAIM, change).await? {
            Updated::Done(()) => Ok(ReportClaim::Yours),
            Updated::Refused(held) => Item::new(&held, CLAIM).time("until").map(ReportClaim::Held),
        }
    }

    /// Releases the lease.
    pub async fn report_release(
        &self,
        debts: &AccountMeter,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::report(&debts.account, &debts.meter))
            .remove("until")
            .when("#until = :mine", vec![("mine", time(until))]);
        self.table
            .update("release a report", change)
            .await
            .map(drop)
    }

    /// Lists an account's owed usage on a meter, oldest first; strongly consistent.
    pub async fn owed_list(
        &self,
        debts: &AccountMeter,
        limit: i32,
    ) -> Result<Vec<Owed>, StoreError> {
        let query = self
            .table
            .prefix(
                keys::account(&debts.account).pk,
                keys::owed_prefix(&debts.meter),
            )
            .consistent_read(true)
            .limit(limit);
        let found = page("list owed usage", query).await?;
        found.iter().map(owed_of).collect()
    }

    /// Counts the records that an account owes on all meters, up to `most`; strongly consistent.
    pub async fn owed_count(&self, account: &AccountId, most: u64) -> Result<u64, StoreError> {
        let (mut count, mut from) = (0_u64, None);
        while count < most {
            let page = self
                .table
                .prefix(keys::account(account).pk, keys::OWED)
                .select(Select::Count)
                .consistent_read(true)
                .limit(i32::try_from(most - count).unwrap_or(i32::MAX))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(|e| StoreError::sdk("count owed usage", e))?;
            count += u64::try_from(page.count).unwrap_or_default();
            from = page.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        Ok(count)
    }

    /// Fixes the time of the first attempt and the timestamp to report, before the attempt is made.
    /// If an earlier attempt already fixed them, those values apply.
    pub async fn owed_attempt(
        &self,
        owed: &mut Owed,
        carried_to: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if owed.first_attempt.is_some() {
            return Ok(());
        }
        let usage = &owed.usage;
        let change = Change::of(keys::owed(&usage.account, &usage.meter, &usage.id))
            .set("first_attempt", time(now))
            .set_or_remove("carried_to", carried_to.map(time))
            .when(
                "attribute_exists(pk) AND attribute_not_exists(#first_attempt)",
                vec![],
            );
        let frozen = match self.table.update(FREEZE, change).await? {
            Updated::Done(()) => {
                (owed.first_attempt, owed.carried_to) = (Some(now), carried_to);
                return Ok(());
            }
            Updated::Refused(frozen) => frozen,
        };
        let item = Item::new(&frozen, FREEZE);
        (owed.first_attempt, owed.carried_to) = (
            Some(item.time("first_attempt")?),
            item.find_time("carried_to")?,
        );
        Ok(())
    }

    /// Records that usage was reported to Stripe: moves the record from the owed range to the
    /// reported range.
    pub async fn usage_reported(
        &self,
        owed: &Owed,
        now: Timestamp,
    ) -> Result<Finished, StoreError> {
        let usage = &owed.usage;
        let told = keys::usage(&usage.account, &usage.meter, &usage.id);
        self.owed_move(owed, told, [("reported_at", time(now))])
            .await
    }

    /// Moves a record out of the owed range, once.
    pub(crate) async fn owed_move<const N: usize>(
        &self,
        owed: &Owed,
        to: keys::Key,
        more: [(&str, AttributeValue); N],
    ) -> Result<Finished, StoreError> {
        let usage = &owed.usage;
        let mut item = usage_attributes(usage);
        item.extend(
            owed.carried_to
                .map(|moment| ("carried_to".to_owned(), time(moment))),
        );
        item.extend(to.attributes());
        item.extend(more.map(|(name, value)| (name.to_owned(), value)));
        let from = keys::owed(&usage.account, &usage.meter, &usage.id);
        let mut tx = self.table.transaction("move a usage record");
        tx.add(delete_when(
            &self.table,
            from,
            "attribute_exists(pk)",
            vec![],
        ))
        .or(Refusal::Gone);
        tx.add(put_new(&self.table, item));
        Ok(match tx.commit().await? {
            Committed::Written => Finished::Now,
            Committed::Refused(Refusal::Gone, _) => Finished::Already,
        })
    }

    /// Counts a failed attempt and sets when the next one is due.
    pub async fn owed_postpone(&self, owed: &Owed, due_at: Timestamp) -> Result<(), StoreError> {
        let usage = &owed.usage;
        let change = Change::of(keys::owed(&usage.account, &usage.meter, &usage.id))
            .set("due_at", time(due_at))
            .set("not_before", time(due_at))
            .add("attempts", number(1))
            .when("attribute_exists(pk)", vec![]);
        self.table.update("postpone usage", change).await.map(drop)
    }

    /// Sums the usage reported to Stripe with timestamps in this span.
    pub async fn usage_total(
        &self,
        debts: &AccountMeter,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        self.total(
            debts,
            keys::usage_prefix(&debts.meter),
            TOLD_WITHIN,
            (from, until),
        )
        .await
    }

    /// Sums the usage that may have reached Stripe with timestamps in this span: it was sent, but
    /// is still owed.
    pub async fn tried_total(
        &self,
        debts: &AccountMeter,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        let tried = format!("({TOLD_WITHIN}) AND attribute_exists(first_attempt)");
        self.total(
            debts,
            keys::owed_prefix(&debts.meter),
            &tried,
            (from, until),
        )
        .await
    }

    async fn total(
        &self,
        debts: &AccountMeter,
        range: String,
        which: &str,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<u64, StoreError> {
        let mut pages = self
            .table
            .query()
            .key_condition_expression("pk = :pk AND begins_with(sk, :range)")
            .filter_expression(which)
            .expression_attribute_values(":pk", text(keys::account(&debts.account).pk))
            .expression_attribute_values(":range", text(range))
            .expression_attribute_values(":from", time(from))
            .expression_attribute_values(":until", time(until))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut total = 0_u64;
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| StoreError::sdk("sum usage", e))?;
            total = total.saturating_add(Item::new(&item, "sum usage").number("value")?);
        }
        Ok(total)
    }

    /// Finds when a record was reported to Stripe, if it was.
    pub async fn usage_find(
        &self,
        debts: &AccountMeter,
        id: &UsageId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let key = keys::usage(&debts.account, &debts.meter, id);
        let found = self.table.get("find reported usage", &key).await?;
        found
            .as_ref()
            .map(|item| Item::new(item, "find reported usage").time("reported_at"))
            .transpose()
    }
}

pub(crate) fn usage_attributes(usage: &Usage) -> Attributes {
    let of = match &usage.of {
        UsageSource::Job(job) => ("job", text(job.as_str())),
        UsageSource::Report(act) => ("report", text(act.as_str())),
        UsageSource::Assist(assist) => ("assist", text(assist.as_str())),
    };
    let attributes: [(&str, AttributeValue); 6] = [
        ("customer", text(usage.customer.as_str())),
        ("meter", text(usage.meter.as_str())),
        ("value", number(usage.value)),
        ("usage_at", time(usage.at)),
        ("identifier", text(usage.identifier.to_string())),
        of,
    ];
    attributes
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// Builds the item of a new owed record.
pub(crate) fn owed_attributes(usage: &Usage, born: Timestamp) -> Attributes {
    let key = keys::owed(&usage.account, &usage.meter, &usage.id);
    let mut item = usage_attributes(usage);
    item.insert("dx".to_owned(), text(keys::due(&key)));
    item.insert(
        "due_at".to_owned(),
        time(born.plus(domain::jobs::RESEND_AFTER)),
    );
    item.extend(key.attributes());
    item
}

fn owed_of(attributes: &Attributes) -> Result<Owed, StoreError> {
    let item = Item::new(attributes, "read owed usage");
    Ok(Owed {
        first_attempt: item.find_time("first_attempt")?,
        carried_to: item.find_time("carried_to")?,
        due_at: item.time("due_at")?,
        not_before: item.find_time("not_before")?,
        attempts: item.find_number("attempts")?.unwrap_or(0),
        usage: usage_of(&item)?,
    })
}

/// Reads a record from any of the ranges.
pub(crate) fn usage_of(item: &Item<'_>) -> Result<Usage, StoreError> {
    let (_, id) = item
        .text("sk")?
        .rsplit_once('#')
        .ok_or_else(|| item.bad("sk"))?;
    Ok(Usage {
        id: UsageId::parse(id).map_err(|_| item.bad("sk"))?,
        account: keys::account_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?,
        meter: item.parsed("meter", Meter::parse)?,
        customer: item.parsed("customer", CustomerId::parse)?,
        value: item.number("value")?,
        at: item.time("usage_at")?,
        of: if item.find_text("report")?.is_some() {
            UsageSource::Report(item.parsed("report", ActionId::parse)?)
        } else if item.find_text("assist")?.is_some() {
            UsageSource::Assist(item.parsed("assist", AssistId::parse)?)
        } else {
            UsageSource::Job(item.parsed("job", JobId::parse)?)
        },
        identifier: item.parsed("identifier", |text| UsageIdentifier::parse(text).ok_or(()))?,
    })
}
