//! Usage that Stripe must be told: owed in one key range, told in another.
//!
//! Stripe takes one call at a time for a customer and a meter, so one worker at a time holds `REPORT#<meter>` and drains
//! the account's owed records one after another.

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

/// A usage record that is owed, and how far the telling got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The record.
    pub usage: Usage,
    /// When it was first sent, if it was.
    pub first_attempt: Option<Timestamp>,
    /// The moment it is told with instead of its own, since its period is closed; frozen with the first try.
    pub carried_to: Option<Timestamp>,
    /// When it is due.
    pub due_at: Timestamp,
    /// Nobody may send it before.
    pub not_before: Option<Timestamp>,
    /// Failed tries.
    pub attempts: u32,
}

impl Owed {
    /// The moment it is told with.
    pub fn moment(&self) -> Timestamp {
        self.carried_to.unwrap_or(self.usage.at)
    }
}

/// What became of the wish to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportClaim {
    /// Report.
    Yours,
    /// Somebody else does, until then at most.
    Held(Timestamp),
}

/// The record is not owed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Gone,
}

const CLAIM: &str = "claim a report";
const FREEZE: &str = "freeze a first try";
/// Told with a moment in a span, be it the usage's own or one that it was carried to.
const TOLD_WITHIN: &str = "(attribute_not_exists(carried_to) AND usage_at >= :from AND usage_at < :until) OR (carried_to >= :from AND carried_to < :until)";

impl Store {
    /// Takes the place of the one who reports an account's debts on a meter.
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

    /// Gives the place up again.
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

    /// What an account owes on a meter, oldest first; strongly consistent.
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

    /// How many records an account owes on all meters, counted no further than `most`; strongly consistent.
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

    /// Freezes the moment of the first try and the moment that usage is told with, before the try is made. Where a try was
    /// made before, what was frozen then holds.
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

    /// Records that Stripe has been told: the record leaves the owed range and enters the told one.
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

    /// Counts a failed try and sets when the next one is due.
    pub async fn owed_postpone(&self, owed: &Owed, due_at: Timestamp) -> Result<(), StoreError> {
        let usage = &owed.usage;
        let change = Change::of(keys::owed(&usage.account, &usage.meter, &usage.id))
            .set("due_at", time(due_at))
            .set("not_before", time(due_at))
            .add("attempts", number(1))
            .when("attribute_exists(pk)", vec![]);
        self.table.update("postpone usage", change).await.map(drop)
    }

    /// Usage that Stripe has been told of with moments in this span.
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

    /// Usage that Stripe may have been told of with moments in this span: it was tried, and is owed still.
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

    /// When Stripe was told of a record, if it was.
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

/// The item of a record that becomes owed now.
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

/// A record, wherever it stands.
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
