//! One table: reads, conditional writes of one item, and transactions.
//!
//! A failed condition is a result, not an error: it comes with the item that failed it. Nothing
//! here names a table, so the caller's handle decides what a call can reach.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, text};
use crate::db::keys::{self, Key};
use crate::db::tx::{Change, Tx, Values, check_when, named, names_in};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::error::Error;

/// A table handle.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
    /// See [`crate::Connection::with_unrelated_item`].
    unrelated_item: UnrelatedItem,
}

/// Whether each transaction begins with an unrelated item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnrelatedItem {
    Absent,
    First,
}

/// The result of a conditional write of one item.
#[must_use]
pub(crate) enum Updated<T> {
    Done(T),
    /// The condition failed. Contains the item that failed it, or is empty if there is no such
    /// item.
    Refused(Attributes),
}

impl Table {
    pub(crate) const fn new(client: Client, name: String, unrelated_item: UnrelatedItem) -> Self {
        Self {
            client,
            name,
            unrelated_item,
        }
    }

    /// Returns another table on the same connection.
    pub(crate) fn beside(&self, name: String) -> Self {
        Self::new(self.client.clone(), name, self.unrelated_item)
    }

    /// Starts an empty transaction. `operation` names it in errors.
    pub(crate) fn transaction<R: Ord>(&self, operation: &'static str) -> Tx<R> {
        let unrelated = match self.unrelated_item {
            UnrelatedItem::Absent => None,
            UnrelatedItem::First => Some(self.unrelated()),
        };
        Tx::new(self.client.clone(), operation, unrelated)
    }

    fn unrelated(&self) -> TransactWriteItem {
        check_when(self, keys::unrelated(), "attribute_not_exists(pk)", vec![])
    }

    /// Reads the item with this key; strongly consistent.
    pub(crate) async fn get(
        &self,
        operation: &'static str,
        key: &Key,
    ) -> Result<Option<Attributes>, StoreError> {
        self.get_with(operation, key, true).await
    }

    /// Reads the item with this key at half the price. The result may be slightly stale.
    pub(crate) async fn get_eventual(
        &self,
        operation: &'static str,
        key: &Key,
    ) -> Result<Option<Attributes>, StoreError> {
        self.get_with(operation, key, false).await
    }

    async fn get_with(
        &self,
        operation: &'static str,
        key: &Key,
        consistent: bool,
    ) -> Result<Option<Attributes>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.attributes()))
            .consistent_read(consistent);
        let found = get.send().await;
        Ok(found.map_err(|e| StoreError::sdk(operation, e))?.item)
    }

    /// Starts a query of this table.
    pub(crate) fn query(&self) -> QueryFluentBuilder {
        self.client.query().table_name(&self.name)
    }

    /// Reads all items of a partition; strongly consistent.
    pub(crate) async fn query_partition(
        &self,
        operation: &'static str,
        pk: impl Into<String>,
    ) -> Result<Vec<Attributes>, StoreError> {
        let query = self.query().key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", text(pk));
        all(operation, query.consistent_read(true)).await
    }

    /// Reads the items of a partition whose sort keys begin with the prefix; strongly consistent.
    pub(crate) async fn query_prefix(
        &self,
        operation: &'static str,
        pk: impl Into<String>,
        prefix: impl Into<String>,
    ) -> Result<Vec<Attributes>, StoreError> {
        all(operation, self.prefix(pk, prefix).consistent_read(true)).await
    }

    /// Starts a query of the items of a partition whose sort keys begin with the prefix.
    pub(crate) fn prefix(
        &self,
        pk: impl Into<String>,
        prefix: impl Into<String>,
    ) -> QueryFluentBuilder {
        self.query()
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":prefix", text(prefix))
    }

    /// Changes an item if the condition of the change holds.
    pub(crate) async fn update(
        &self,
        operation: &'static str,
        change: Change,
    ) -> Result<Updated<()>, StoreError> {
        let updated = self.update_returning(operation, change, ReturnValue::None);
        Ok(match updated.await? {
            Updated::Done(_) => Updated::Done(()),
            Updated::Refused(old) => Updated::Refused(old),
        })
    }

    /// Changes an item if the condition of the change holds, and returns the requested values of
    /// it.
    pub(crate) async fn update_returning(
        &self,
        operation: &'static str,
        change: Change,
        values: ReturnValue,
    ) -> Result<Updated<Attributes>, StoreError> {
        send_update(operation, change.call(self).return_values(values)).await
    }

    /// Puts an item, unless one already exists with its key.
    pub(crate) async fn put_new(
        &self,
        operation: &'static str,
        item: Attributes,
    ) -> Result<Updated<()>, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        send_put(operation, put).await
    }

    /// Replaces the item on which a decision was based.
    pub(crate) async fn put_when(
        &self,
        operation: &'static str,
        item: Attributes,
        condition: &str,
        values: Values,
    ) -> Result<Updated<()>, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .set_expression_attribute_names(Some(names_in(condition)))
            .set_expression_attribute_values(Some(named(values)))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        send_put(operation, put).await
    }

    /// Deletes an item if it exists.
    pub(crate) async fn delete_existing(
        &self,
        operation: &'static str,
        key: &Key,
    ) -> Result<Updated<()>, StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key.attributes()))
            .condition_expression("attribute_exists(pk)");
        let Err(error) = delete.send().await else {
            return Ok(Updated::Done(()));
        };
        let old = |error: &DeleteItemError| match error {
            DeleteItemError::ConditionalCheckFailedException(check) => Some(check.item.clone()),
            _ => None,
        };
        refused(operation, error, old)
    }
}

async fn send_put(
    operation: &'static str,
    put: PutItemFluentBuilder,
) -> Result<Updated<()>, StoreError> {
    let Err(error) = put.send().await else {
        return Ok(Updated::Done(()));
    };
    let old = |error: &PutItemError| match error {
        PutItemError::ConditionalCheckFailedException(check) => Some(check.item.clone()),
        _ => None,
    };
    refused(operation, error, old)
}

pub(crate) async fn send_update(
    operation: &'static str,
    update: UpdateItemFluentBuilder,
) -> Result<Updated<Attributes>, StoreError> {
    let error = match update.send().await {
        Ok(done) => return Ok(Updated::Done(done.attributes.unwrap_or_default())),
        Err(error) => error,
    };
    let old = |error: &UpdateItemError| match error {
        UpdateItemError::ConditionalCheckFailedException(check) => Some(check.item.clone()),
        _ => None,
    };
    refused(operation, error, old)
}

/// Returns the refusal if the condition failed, or the error otherwise.
fn refused<T, E>(
    operation: &'static str,
    error: SdkError<E, HttpResponse>,
    old: impl FnOnce(&E) -> Option<Option<Attributes>>,
) -> Result<Updated<T>, StoreError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match error.as_service_error().and_then(old) {
        Some(old) => Ok(Updated::Refused(old.unwrap_or_default())),
        None => Err(StoreError::sdk(operation, error)),
    }
}

/// Reads all items that a query finds.
pub(crate) async fn all(
    operation: &'static str,
    query: QueryFluentBuilder,
) -> Result<Vec<Attributes>, StoreError> {
    let mut items = query.into_paginator().items().send();
    let mut all = Vec::new();
    while let Some(item) = items.next().await {
        all.push(item.map_err(|e| StoreError::sdk(operation, e))?);
    }
    Ok(all)
}

/// Reads one page of a query that has a limit.
pub(crate) async fn page(
    operation: &'static str,
    query: QueryFluentBuilder,
) -> Result<Vec<Attributes>, StoreError> {
    let found = query.send().await;
    let found = found.map_err(|e| StoreError::sdk(operation, e))?;
    Ok(found.items.unwrap_or_default())
}
