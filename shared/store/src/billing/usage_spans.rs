//! What was reported to Stripe within a span of time, what may have reached it, and how far its
//! invoices are final. Invoices and Stripe's totals are compared with these.

use crate::Store;
use crate::billing::stuck::{UsageRow, row_of};
use crate::billing::usage::{Owed, owed_of};
use crate::db::error::StoreError;
use crate::db::item::{Attributes, text, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::Change;
use domain::billing::usage::AccountMeter;
use domain::time::Timestamp;

/// Matches records reported with a timestamp in a span, either the usage's own or the one it was
/// carried to.
const WITHIN: &str = "((attribute_not_exists(carried_to) AND usage_at >= :from AND usage_at < :until) OR (carried_to >= :from AND carried_to < :until))";

impl Store {
    /// Lists the usage that was reported to Stripe with timestamps in this span; strongly
    /// consistent.
    pub async fn reported_within(
        &self,
        debts: &AccountMeter,
        span: (Timestamp, Timestamp),
    ) -> Result<Vec<UsageRow>, StoreError> {
        let range = keys::usage_prefix(&debts.meter);
        let found = self.usage_within(debts, range, WITHIN, span).await?;
        found.iter().map(row_of).collect()
    }

    /// Lists the usage that may have reached Stripe with timestamps in this span, in the order of
    /// its ids: it was sent, and is still owed.
    pub async fn attempted_within(
        &self,
        debts: &AccountMeter,
        span: (Timestamp, Timestamp),
    ) -> Result<Vec<Owed>, StoreError> {
        let range = keys::owed_prefix(&debts.meter);
        let sent = format!("{WITHIN} AND attribute_exists(first_attempt)");
        let found = self.usage_within(debts, range, &sent, span).await?;
        found.iter().map(owed_of).collect()
    }

    /// Records that Stripe's invoices are final up to this moment. Nothing is sent with an earlier
    /// timestamp from now on.
    pub async fn billed_until_set(
        &self,
        debts: &AccountMeter,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::report(&debts.account, &debts.meter))
            .set("billed_until", time(until))
            .when(
                "attribute_not_exists(#billed_until) OR #billed_until < :billed_until",
                vec![],
            );
        let set = self.table.update("record a final invoice", change).await?;
        match set {
            Updated::Done(()) | Updated::Refused(_) => Ok(()),
        }
    }

    async fn usage_within(
        &self,
        debts: &AccountMeter,
        range: String,
        which: &str,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<Vec<Attributes>, StoreError> {
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
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            found.push(item.map_err(|e| StoreError::sdk("list usage of a span", e))?);
        }
        Ok(found)
    }
}
