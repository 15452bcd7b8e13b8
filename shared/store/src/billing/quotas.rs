//! Quota counters. The period is part of a counter's key, so counters are never reset.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed, put_new};
use aws_sdk_dynamodb::types::ReturnValue;
use domain::billing::plans::Limit;
use domain::billing::quotas::QuotaUse;
use domain::billing::usage::Meter;
use domain::ids::{AccountId, ActionId};
use domain::time::Timestamp;

/// The result of using a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Counted. Contains the amount used after this call.
    Now(u64),
    /// The amount would exceed the limit. Contains the amount used so far.
    UsedUp(u64),
}

impl Store {
    /// Uses part of a quota, if enough is left.
    pub async fn quota_use(
        &self,
        account: &AccountId,
        (meter, period): (&Meter, &str),
        amount: u64,
        limit: Limit,
    ) -> Result<Counted, StoreError> {
        let Some(change) = count_change(account, (meter, period), amount, limit) else {
            return Ok(Counted::UsedUp(
                self.quota_used(account, meter, period).await?,
            ));
        };
        let used = self
            .table
            .update_returning("use a quota", change, ReturnValue::UpdatedNew);
        match used.await? {
            Updated::Done(row) => used_in(&row).map(Counted::Now),
            Updated::Refused(row) => used_in(&row).map(Counted::UsedUp),
        }
    }

    /// Returns the used amount of a quota; strongly consistent. Members are counted where they join.
    pub async fn quota_used(
        &self,
        account: &AccountId,
        meter: &Meter,
        period: &str,
    ) -> Result<u64, StoreError> {
        if *meter == Meter::users() {
            return self.member_count(account).await;
        }
        let key = keys::count(account, meter, period);
        let found = self.table.get("read a quota", &key).await?;
        found.as_ref().map_or(Ok(0), used_in)
    }
}

/// A usage record from a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecord {
    /// The action; it is recorded once.
    pub act: ActionId,
    pub meter: Meter,
    pub period: String,
    pub amount: u64,
    /// The customer's metadata as JSON; empty if they sent none.
    pub metadata: String,
    pub at: Timestamp,
}

/// Reasons to refuse a record, in order of precedence. `Recorded` comes first, because a repeated
/// record also finds the quota used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Recorded,
    UsedUp,
}

/// The result of recording usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageRecorded {
    /// The usage was recorded and counted.
    Now,
    /// The usage was already recorded.
    Already,
    /// The action already recorded a different usage.
    ActReused,
    /// The amount would exceed the limit; nothing was counted.
    UsedUp,
}

impl Store {
    /// Records usage and counts it in one transaction, once per action and within the limit.
    pub async fn usage_record(
        &self,
        account: &AccountId,
        record: &UsageRecord,
        limit: Limit,
    ) -> Result<UsageRecorded, StoreError> {
        const RECORD: &str = "record usage";
        let counted = (&record.meter, record.period.as_str());
        // `Recorded` takes precedence, so a repeated action is recognized even if the quota is used
        // up by now.
        let Some(count) = count_change(account, counted, record.amount, limit) else {
            return Ok(UsageRecorded::UsedUp);
        };
        let mut tx = self.table.transaction(RECORD);
        tx.add(put_new(&self.table, record_attributes(account, record)))
            .or(Refusal::Recorded);
        tx.add(count.item(&self.table)).or(Refusal::UsedUp);
        match tx.commit().await? {
            Committed::Written => Ok(UsageRecorded::Now),
            Committed::Refused(Refusal::Recorded, old) => {
                let old = Item::new(&old, RECORD);
                let same = old.text("meter")? == record.meter.as_str()
                    && old.number::<u64>("amount")? == record.amount;
                Ok(if same {
                    UsageRecorded::Already
                } else {
                    UsageRecorded::ActReused
                })
            }
            Committed::Refused(Refusal::UsedUp, _) => Ok(UsageRecorded::UsedUp),
        }
    }
}

fn record_attributes(account: &AccountId, record: &UsageRecord) -> Attributes {
    let mut item = keys::record(account, &record.act).attributes();
    let more = [
        ("meter", text(record.meter.as_str())),
        ("period", text(&record.period)),
        ("amount", number(record.amount)),
        ("metadata", text(&record.metadata)),
        ("recorded_at", time(record.at)),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item
}

/// Counts an amount if it fits the limit. Returns `None` if it can never fit.
pub(crate) fn count_change(
    account: &AccountId,
    (meter, period): (&Meter, &str),
    amount: u64,
    limit: Limit,
) -> Option<Change> {
    let change = Change::of(keys::count(account, meter, period)).add("used", number(amount));
    match limit {
        Limit::Unlimited => Some(change),
        Limit::Of(most) => {
            let before = most.checked_sub(amount)?;
            Some(change.when(
                "attribute_not_exists(#used) OR #used <= :before",
                vec![("before", number(before))],
            ))
        }
    }
}

/// Counts what work uses of a quota when it begins, if the quota has room for it. Returns `None` if
/// it never has.
pub(crate) fn use_change(account: &AccountId, used: &QuotaUse) -> Option<Change> {
    let counted = (&used.meter, used.period.as_str());
    let change = count_change(account, counted, used.amount, Limit::Unlimited)?;
    let Limit::Of(most) = used.limit else {
        return Some(change);
    };
    // Of an amount that is counted later, something must be left.
    let before = most.checked_sub(used.amount.max(1))?;
    Some(change.when(
        "attribute_not_exists(#used) OR #used <= :before",
        vec![("before", number(before))],
    ))
}

/// Returns an amount that was counted but not delivered.
pub(crate) fn uncount_change(
    account: &AccountId,
    meter: &Meter,
    period: &str,
    amount: u64,
) -> Change {
    Change::of(keys::count(account, meter, period))
        .set_expression("#used = #used - :amount", vec![("amount", number(amount))])
        .when("#used >= :amount", vec![])
}

pub(crate) fn used_in(attributes: &Attributes) -> Result<u64, StoreError> {
    Ok(Item::new(attributes, "read a quota")
        .find_number("used")?
        .unwrap_or(0))
}
