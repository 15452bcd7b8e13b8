//! What was used of a quota in a period. A counter belongs to one period by its key, so nothing is ever reset.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::tx::{Change, Committed, put_new};
use aws_sdk_dynamodb::types::ReturnValue;
use domain::billing::plans::Limit;
use domain::billing::usage::Meter;
use domain::ids::{AccountId, ActionId};
use domain::time::Timestamp;

/// What became of the wish to use some of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Counted; so many by now.
    Now(u64),
    /// That would be more than there is; so many are used.
    UsedUp(u64),
}

impl Store {
    /// Uses some of a quota, if there is as much left.
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
        let call = change
            .call(&self.table)
            .return_values(ReturnValue::UpdatedNew);
        match call.send().await {
            Ok(done) => used_in(&done.attributes.unwrap_or_default()).map(Counted::Now),
            Err(error) => match error.as_service_error() {
                Some(aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                    held,
                )) => used_in(held.item.as_ref().unwrap_or(&Attributes::new())).map(Counted::UsedUp),
                _ => Err(StoreError::sdk("use some of a quota", error)),
            },
        }
    }

    /// What was used of a quota; strongly consistent.
    pub async fn quota_used(
        &self,
        account: &AccountId,
        meter: &Meter,
        period: &str,
    ) -> Result<u64, StoreError> {
        let key = keys::count(account, meter, period);
        let get = self
            .table
            .client
            .get_item()
            .table_name(&self.table.name)
            .set_key(Some(key.attributes()))
            .consistent_read(true);
        let found = get
            .send()
            .await
            .map_err(|e| StoreError::sdk("read a quota", e))?;
        found.item.as_ref().map_or(Ok(0), used_in)
    }
}

/// What a customer records of his usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecord {
    /// The act, by which it is recorded once.
    pub act: ActionId,
    /// What was used.
    pub meter: Meter,
    /// In which period.
    pub period: String,
    /// How many.
    pub amount: u64,
    /// What the customer says of it, as JSON; empty where he says nothing.
    pub metadata: String,
    /// When.
    pub at: Timestamp,
}

/// What may stand against a record, in the order in which they decide: a repeated record also finds the quota used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Recorded,
    UsedUp,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageRecorded {
    /// Recorded and counted.
    Now,
    /// It had been recorded before.
    Already,
    /// The act had recorded something else before.
    ActReused,
    /// That would be more than the limit; nothing was counted.
    UsedUp,
}

impl Store {
    /// Records usage and counts it, once for the act and within the limit, whole or not at all.
    pub async fn usage_record(
        &self,
        account: &AccountId,
        record: &UsageRecord,
        limit: Limit,
    ) -> Result<UsageRecorded, StoreError> {
        const RECORD: &str = "record usage";
        let counted = (&record.meter, record.period.as_str());
        // An act that was recorded is known again, however much is used by now.
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

/// Counts, if that is within the limit; none if it never can be.
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

/// Gives back what was counted and not delivered.
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
