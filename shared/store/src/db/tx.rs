//! Conditional writes: the items of transactions, updates of one item, and transactions that know
//! what each item's failed condition means.
//!
//! An expression names attributes as `#name` and values as `:name`. The names are collected from
//! the text of the expression, so reserved words are always escaped and no value is ever part of
//! the text.
//!
//! DynamoDB reports a cancelled transaction with one reason for each item, in the order of the
//! items. Only [`Tx::commit`] depends on this order. Callers name the refusal of an item where they
//! add the item, so items can be added or reordered without changing any result.

use crate::db::error::StoreError;
use crate::db::item::Attributes;
use crate::db::keys::Key;
use crate::db::table::Table;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::collections::HashMap;

/// The items of one transaction, each with the refusal it maps to.
///
/// `R` names the refusals. If several conditions fail at once, the smallest `R` is the result, so
/// an enum declares its refusals in order of precedence.
pub(crate) struct Tx<R> {
    client: Client,
    operation: &'static str,
    entries: Vec<Entry<R>>,
}

struct Entry<R> {
    item: TransactWriteItem,
    refusal: Option<R>,
}

/// An item that was just added. Without [`Added::or`], its refusal is a conflict, and a later
/// attempt decides.
pub(crate) struct Added<'t, R>(&'t mut Entry<R>);

impl<R> Added<'_, R> {
    /// Sets the refusal to return if the item's condition fails.
    pub(crate) fn or(self, refusal: R) {
        self.0.refusal = Some(refusal);
    }
}

/// The result of a transaction.
#[must_use]
pub(crate) enum Committed<R> {
    Written,
    /// Nothing was written. Contains the refusal that takes precedence and the item that failed the
    /// condition (empty if there is no such item).
    Refused(R, Attributes),
}

impl<R: Ord> Tx<R> {
    pub(crate) fn new(
        client: Client,
        operation: &'static str,
        unrelated: Option<TransactWriteItem>,
    ) -> Self {
        let mut new = Self {
            client,
            operation,
            entries: Vec::new(),
        };
        new.extend(unrelated);
        new
    }

    pub(crate) fn add(&mut self, item: TransactWriteItem) -> Added<'_, R> {
        Added(self.entries.push_mut(Entry {
            item,
            refusal: None,
        }))
    }

    /// Adds items whose refusal is a conflict.
    pub(crate) fn extend(&mut self, items: impl IntoIterator<Item = TransactWriteItem>) {
        for item in items {
            self.add(item);
        }
    }

    /// Adds items with their own refusals, and maps these to the refusals of this transaction.
    pub(crate) fn join<P: Copy>(
        &mut self,
        parts: &[(TransactWriteItem, P)],
        refusal: impl Fn(P) -> R,
    ) {
        for (item, part) in parts {
            self.add(item.clone()).or(refusal(*part));
        }
    }

    /// Writes all items or none.
    pub(crate) async fn commit(self) -> Result<Committed<R>, StoreError> {
        let (items, refusals): (Vec<_>, Vec<_>) = self
            .entries
            .into_iter()
            .map(|entry| (entry.item, entry.refusal))
            .unzip();
        let call = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items));
        let Err(error) = call.send().await else {
            return Ok(Committed::Written);
        };
        let Some(reasons) = cancellation_reasons(&error) else {
            return Err(StoreError::sdk(self.operation, error));
        };
        match decide(refusals, reasons) {
            Some((refusal, old)) => Ok(Committed::Refused(refusal, old)),
            None => Err(StoreError::cancelled(self.operation, reasons)),
        }
    }
}

/// Returns the reasons of a cancelled transaction, or `None` if it failed for another cause.
fn cancellation_reasons(
    error: &SdkError<TransactWriteItemsError, HttpResponse>,
) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            Some(cancelled.cancellation_reasons())
        }
        _ => None,
    }
}

/// Returns the smallest refusal among the items whose condition failed, with the item found there.
/// Any other reason (a conflict, a throttle) decides nothing.
fn decide<R: Ord>(
    refusals: Vec<Option<R>>,
    reasons: &[CancellationReason],
) -> Option<(R, Attributes)> {
    refusals
        .into_iter()
        .zip(reasons)
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .filter_map(|(refusal, reason)| {
            Some((refusal?, reason.item().cloned().unwrap_or_default()))
        })
        .min_by(|(one, _), (other, _)| one.cmp(other))
}

/// The values of an expression, by `:name`.
pub(crate) type Values = Vec<(&'static str, AttributeValue)>;

pub(crate) fn names_in(text: &str) -> HashMap<String, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split('#')
        .skip(1)
        .map(|rest| {
            let name = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            (format!("#{name}"), name.to_owned())
        })
        .collect()
}

pub(crate) fn named(values: Values) -> HashMap<String, AttributeValue> {
    values
        .into_iter()
        .map(|(name, value)| (format!(":{name}"), value))
        .collect()
}

/// An update of one item.
pub(crate) struct Change {
    key: Key,
    sets: Vec<String>,
    adds: Vec<String>,
    removes: Vec<String>,
    condition: String,
    values: Values,
}

impl Change {
    pub(crate) const fn of(key: Key) -> Self {
        Self {
            key,
            sets: Vec::new(),
            adds: Vec::new(),
            removes: Vec::new(),
            condition: String::new(),
            values: Vec::new(),
        }
    }

    /// Adds `attribute = value`.
    pub(crate) fn set(mut self, attribute: &'static str, value: AttributeValue) -> Self {
        self.sets.push(format!("#{attribute} = :{attribute}"));
        self.values.push((attribute, value));
        self
    }

    /// Adds `attribute = value`, or removes the attribute if there is no value.
    pub(crate) fn set_or_remove(
        self,
        attribute: &'static str,
        value: Option<AttributeValue>,
    ) -> Self {
        match value {
            Some(value) => self.set(attribute, value),
            None => self.remove(attribute),
        }
    }

    /// Adds any other assignment.
    pub(crate) fn set_expression(mut self, assignment: &str, values: Values) -> Self {
        self.sets.push(assignment.to_owned());
        self.values.extend(values);
        self
    }

    pub(crate) fn add(mut self, attribute: &'static str, value: AttributeValue) -> Self {
        self.adds.push(format!("#{attribute} :{attribute}"));
        self.values.push((attribute, value));
        self
    }

    pub(crate) fn remove(mut self, attribute: &'static str) -> Self {
        self.removes.push(format!("#{attribute}"));
        self
    }

    /// Applies the update only if the condition holds.
    pub(crate) fn when(mut self, condition: &str, values: Values) -> Self {
        condition.clone_into(&mut self.condition);
        self.values.extend(values);
        self
    }

    /// Adds a further condition.
    pub(crate) fn and(mut self, condition: &str, values: Values) -> Self {
        self.condition = format!("({}) AND ({condition})", self.condition);
        self.values.extend(values);
        self
    }

    fn text(&self) -> String {
        [
            ("SET", &self.sets),
            ("ADD", &self.adds),
            ("REMOVE", &self.removes),
        ]
        .into_iter()
        .filter(|(_, parts)| !parts.is_empty())
        .map(|(verb, parts)| format!("{verb} {}", parts.join(", ")))
        .collect::<Vec<_>>()
        .join(" ")
    }

    pub(crate) fn item(self, table: &Table) -> TransactWriteItem {
        let text = self.text();
        let update = Update::builder()
            .table_name(&table.name)
            .set_key(Some(self.key.attributes()))
            .set_expression_attribute_names(Some(names_in(&format!("{text} {}", self.condition))))
            .set_expression_attribute_values((!self.values.is_empty()).then(|| named(self.values)))
            .update_expression(text)
            .set_condition_expression((!self.condition.is_empty()).then_some(self.condition))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("table, key and expression are given");
        TransactWriteItem::builder().update(update).build()
    }

    pub(crate) fn call(
        self,
        table: &Table,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        let text = self.text();
        table
            .client
            .update_item()
            .table_name(&table.name)
            .set_key(Some(self.key.attributes()))
            .set_expression_attribute_names(Some(names_in(&format!("{text} {}", self.condition))))
            .set_expression_attribute_values((!self.values.is_empty()).then(|| named(self.values)))
            .update_expression(text)
            .set_condition_expression((!self.condition.is_empty()).then_some(self.condition))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// Puts an item that must not exist yet.
pub(crate) fn put_new(table: &Table, item: Attributes) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(&table.name)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .expect("table and item are given");
    TransactWriteItem::builder().put(put).build()
}

/// Replaces the item on which the decision was based.
pub(crate) fn put_when(
    table: &Table,
    item: Attributes,
    condition: &str,
    values: Values,
) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(&table.name)
        .set_item(Some(item))
        .set_expression_attribute_names(Some(names_in(condition)).filter(|names| !names.is_empty()))
        .set_expression_attribute_values((!values.is_empty()).then(|| named(values)))
        .condition_expression(condition)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .expect("table, item and condition are given");
    TransactWriteItem::builder().put(put).build()
}

/// Deletes an item, whether it is there or not.
pub(crate) fn delete(table: &Table, key: Key) -> TransactWriteItem {
    let delete = Delete::builder()
        .table_name(&table.name)
        .set_key(Some(key.attributes()))
        .build()
        .expect("table and key are given");
    TransactWriteItem::builder().delete(delete).build()
}

/// Deletes an item if the condition holds.
pub(crate) fn delete_when(
    table: &Table,
    key: Key,
    condition: &str,
    values: Values,
) -> TransactWriteItem {
    let delete = Delete::builder()
        .table_name(&table.name)
        .set_key(Some(key.attributes()))
        .set_expression_attribute_names(Some(names_in(condition)).filter(|names| !names.is_empty()))
        .set_expression_attribute_values((!values.is_empty()).then(|| named(values)))
        .condition_expression(condition)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .expect("table, key and condition are given");
    TransactWriteItem::builder().delete(delete).build()
}

/// Checks a condition on an item that the transaction does not change.
pub(crate) fn check_when(
    table: &Table,
    key: Key,
    condition: &str,
    values: Values,
) -> TransactWriteItem {
    let check = ConditionCheck::builder()
        .table_name(&table.name)
        .set_key(Some(key.attributes()))
        .set_expression_attribute_names(Some(names_in(condition)).filter(|names| !names.is_empty()))
        .set_expression_attribute_values((!values.is_empty()).then(|| named(values)))
        .condition_expression(condition)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .expect("table, key and condition are given");
    TransactWriteItem::builder().condition_check(check).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_collected_from_the_text() {
        let names = names_in("SET #due_at = :x, #v=:y AND attribute_not_exists(#state)");
        let mut names: Vec<_> = names.values().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["due_at", "state", "v"]);
    }
}
