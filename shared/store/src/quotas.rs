//! What was used of a quota in a period. A counter belongs to one period by its key, so nothing is ever reset.

use crate::Store;
use crate::error::StoreError;
use crate::expression::Change;
use crate::item::{Attributes, Item, number};
use crate::keys;
use aws_sdk_dynamodb::types::ReturnValue;
use domain::ids::AccountId;
use domain::metering::Meter;
use domain::plans::Limit;

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
            return Ok(Counted::UsedUp(self.quota_used(account, meter, period).await?));
        };
        let call = change.call(&self.client, &self.table).return_values(ReturnValue::UpdatedNew);
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
    pub async fn quota_used(&self, account: &AccountId, meter: &Meter, period: &str) -> Result<u64, StoreError> {
        let key = keys::count(account, meter, period);
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key.attributes())).consistent_read(true);
        let found = get.send().await.map_err(|e| StoreError::sdk("read a quota", e))?;
        found.item.as_ref().map_or(Ok(0), used_in)
    }
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
            Some(change.when("attribute_not_exists(#used) OR #used <= :before", vec![("before", number(before))]))
        }
    }
}

/// Gives back what was counted and not delivered.
pub(crate) fn uncount_change(account: &AccountId, meter: &Meter, period: &str, amount: u64) -> Change {
    Change::of(keys::count(account, meter, period))
        .set_expression("#used = #used - :amount", vec![("amount", number(amount))])
        .when("#used >= :amount", vec![])
}

pub(crate) fn used_in(attributes: &Attributes) -> Result<u64, StoreError> {
    Ok(Item::new(attributes, "read a quota").find_number("used")?.unwrap_or(0))
}
