//! Request counts of accounts, and of each of their keys and sessions, in a window of time.
//!
//! One item per window and account holds both counts, so a request costs one conditional update
//! whether it is accepted or refused, and two processes cannot both take the last slot. The window
//! is part of the key, so counts are never reset; `ttl` deletes old items. If the response to an
//! update is lost and the SDK sends it again, the request counts twice: a caller can lose a slot
//! this way, but never gain one.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::Item;
use crate::db::item::{Attributes, number};
use crate::db::keys;
use crate::db::table::{Updated, send_update};
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::time::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

const COUNT: &str = "count a request";
/// How long the item of a window is kept after the window ends.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// A window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first moment of the window.
    pub start: Timestamp,
    /// The first moment after the window.
    pub end: Timestamp,
}

/// Request counts of an account and of one of its keys in a window: either the limits or the actual
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// All requests of the account, with any key or session.
    pub account: u64,
    /// The requests of one key or session.
    pub key: u64,
}

/// The result of counting a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateCounted {
    /// The request was counted. Contains the counts after it.
    Now(Requests),
    /// A limit is reached, and the request was not counted. Contains the counts so far.
    UsedUp(Requests),
}

impl Store {
    /// Counts a request of an account, or of a user without one, by a key or a session in a window,
    /// unless a limit is reached. Requests to public routes are counted the same way, under the
    /// network that they come from.
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
        match send_update(COUNT, update).await? {
            Updated::Done(row) => counted(&row, by).map(RateCounted::Now),
            Updated::Refused(row) => counted(&row, by).map(RateCounted::UsedUp),
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
