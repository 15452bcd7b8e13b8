//! How often an account and each of its keys and sessions have asked in a window of time.
//!
//! One item a window and account counts both, so that a request costs one conditional update, counted or refused, and no
//! two processes can both take the last place. A window belongs to its item by its key, so nothing is ever reset; what is
//! over is taken away by its `ttl`. An update whose answer was lost and that the SDK sends again counts twice: a caller may
//! lose a place that way, and never wins one.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::Item;
use crate::db::item::{Attributes, number};
use crate::db::keys;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::time::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

const COUNT: &str = "count a request";
/// How long a window's item outlives it.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// A window of time, by its beginning and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first moment of it.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

/// So many requests of an account and of one of its keys: what there may be in a window, or what there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// Of the account, by whatever key or session.
    pub account: u64,
    /// Of the key or session.
    pub key: u64,
}

/// What became of the wish to count a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateCounted {
    /// Counted; so many by now.
    Now(Requests),
    /// One of the limits is reached; so many were counted, and this one was not.
    UsedUp(Requests),
}

impl Store {
    /// Counts a request for an account, or for a person without one, by a key or a session in a window, unless one of the
    /// limits is reached. What is open to everybody is counted the same way: all guests as one account, each by where he comes from.
    pub async fn rate_count(
        &self,
        whose: &str,
        by: &str,
        window: Window,
        limits: Requests,
    ) -> Result<RateCounted, StoreError> {
        let names = [("#account", "account"), ("#key", by), ("#ttl", "ttl")];
        let values = [
            (":one", number(1)),
            (":account", number(limits.account)),
            (":key", number(limits.key)),
            (":ttl", number(window.end.plus(KEPT_FOR).seconds())),
        ];
        let update = self.table.client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(keys::rate(whose, window.start).attributes()))
            .update_expression("SET #ttl = :ttl ADD #account :one, #key :one")
            .condition_expression(
                "(attribute_not_exists(#account) OR #account < :account) AND (attribute_not_exists(#key) OR #key < :key)",
            )
            .set_expression_attribute_names(Some(owned(names.map(|(name, is)| (name, is.to_owned())))))
            .set_expression_attribute_values(Some(owned(values)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(done) => counted(&done.attributes.unwrap_or_default(), by).map(RateCounted::Now),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(held)) => {
                    counted(held.item.as_ref().unwrap_or(&Attributes::new()), by)
                        .map(RateCounted::UsedUp)
                }
                _ => Err(StoreError::sdk(COUNT, error)),
            },
        }
    }
}

fn owned<T, const N: usize>(pairs: [(&str, T); N]) -> HashMap<String, T> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn counted(attributes: &Attributes, by: &str) -> Result<Requests, StoreError> {
    let account = Item::new(attributes, COUNT)
        .find_number("account")?
        .unwrap_or(0);
    let of_key = attributes
        .get(by)
        .and_then(|value| value.as_n().ok())
        .and_then(|count| count.parse().ok());
    Ok(Requests {
        account,
        key: of_key.unwrap_or(0),
    })
}
