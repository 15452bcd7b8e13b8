//! Conditional writes, without spelling out placeholders.
//!
//! An expression names attributes as `#name` and values as `:name`; the names are collected from its text, so that a
//! reserved word can never slip in and no value is ever part of the text.

use crate::db::item::Attributes;
use crate::db::keys::Key;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use std::collections::HashMap;

/// Values behind `:name`.
pub(crate) type Values = Vec<(&'static str, AttributeValue)>;

fn names_in(text: &str) -> HashMap<String, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split('#')
        .skip(1)
        .map(|rest| {
            let name = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            (format!("#{name}"), name.to_owned())
        })
        .collect()
}

fn named(values: Values) -> HashMap<String, AttributeValue> {
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

    /// `attribute = value`
    pub(crate) fn set(mut self, attribute: &'static str, value: AttributeValue) -> Self {
        self.sets.push(format!("#{attribute} = :{attribute}"));
        self.values.push((attribute, value));
        self
    }

    /// `attribute = value`, or no attribute at all.
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

    /// Any other assignment.
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

    /// Only if.
    pub(crate) fn when(mut self, condition: &str, values: Values) -> Self {
        condition.clone_into(&mut self.condition);
        self.values.extend(values);
        self
    }

    /// Only if this, too.
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

    pub(crate) fn item(self, table: &str) -> TransactWriteItem {
        let text = self.text();
        let update = Update::builder()
            .table_name(table)
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
        client: &aws_sdk_dynamodb::Client,
        table: &str,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        let text = self.text();
        client
            .update_item()
            .table_name(table)
            .set_key(Some(self.key.attributes()))
            .set_expression_attribute_names(Some(names_in(&format!("{text} {}", self.condition))))
            .set_expression_attribute_values((!self.values.is_empty()).then(|| named(self.values)))
            .update_expression(text)
            .set_condition_expression((!self.condition.is_empty()).then_some(self.condition))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

/// A put of an item that must not be there yet.
pub(crate) fn put_new(table: &str, item: Attributes) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .expect("table and item are given");
    TransactWriteItem::builder().put(put).build()
}

/// A put that takes the place of the item on which it was decided.
pub(crate) fn put_when(
    table: &str,
    item: Attributes,
    condition: &str,
    values: Values,
) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .set_expression_attribute_names(Some(names_in(condition)).filter(|names| !names.is_empty()))
        .set_expression_attribute_values((!values.is_empty()).then(|| named(values)))
        .condition_expression(condition)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .expect("table, item and condition are given");
    TransactWriteItem::builder().put(put).build()
}

/// A deletion that holds only under a condition.
pub(crate) fn delete_when(
    table: &str,
    key: Key,
    condition: &str,
    values: Values,
) -> TransactWriteItem {
    let delete = Delete::builder()
        .table_name(table)
        .set_key(Some(key.attributes()))
        .set_expression_attribute_names(Some(names_in(condition)).filter(|names| !names.is_empty()))
        .set_expression_attribute_values((!values.is_empty()).then(|| named(values)))
        .condition_expression(condition)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .expect("table, key and condition are given");
    TransactWriteItem::builder().delete(delete).build()
}

/// What has to be so for a transaction that does not change it.
pub(crate) fn check_when(
    table: &str,
    key: Key,
    condition: &str,
    values: Values,
) -> TransactWriteItem {
    let check = ConditionCheck::builder()
        .table_name(table)
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
