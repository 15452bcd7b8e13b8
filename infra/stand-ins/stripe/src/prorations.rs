//! Changes in the middle of a period: credits the unused time of the old price and charges the
//! remaining time of the new one. Previews use the same arithmetic.

use serde_json::{Value, json};

use super::account::{Account, number, text};
use super::amounts::share;
use super::billing_cycles::{self, NewItem};
use super::billing_mode::usage_removed;
use super::error::ApiError;
use super::invoicing::{Collected, InvoiceDraft};
use super::lines::{Line, items, metered};
use super::objects::{PRIVATE, SUBSCRIPTION};
use super::params::Params;
use super::periods;
use super::subscriptions::wanted;

/// The result of a change of items.
pub(super) struct Change {
    pub items: Vec<Value>,
    /// Credits and debits.
    pub prorations: Vec<Value>,
    /// The usage of metered items that the change removes.
    pub usage: Vec<Value>,
    /// The period that begins now, if the billing interval changes.
    pub new_period: Option<(i64, i64)>,
}

impl Account<'_> {
    /// Computes a change of items at a moment.
    pub fn preview_change(
        &mut self,
        subscription: &Value,
        rows: &[Params],
        prorate: bool,
        at: i64,
    ) -> Result<Change, ApiError> {
        let old = billing_cycles::period(subscription);
        let mut data = items(subscription).to_vec();
        for (number, row) in rows.iter().enumerate() {
            self.apply_row(subscription, &mut data, row, &format!("items[{number}]"))?;
        }
        if data.is_empty() {
            return Err(
                ApiError::invalid("A subscription must have at least one active plan.")
                    .about("items"),
            );
        }
        let pace = |price: &Value| {
            (
                price["recurring"]["interval"].clone(),
                price["recurring"]["interval_count"].clone(),
            )
        };
        let trialing = subscription["status"] == "trialing";
        let interval_changed =
            !trialing && pace(&data[0]["price"]) != pace(&billing_cycles::price(subscription));
        let new_period = interval_changed.then(|| (at, periods::end(at, at, &data[0]["price"])));
        for item in &mut data {
            let (start, end) = new_period.unwrap_or(old);
            item["current_period_start"] = json!(start);
            item["current_period_end"] = json!(end);
        }
        let mut prorations = Vec::new();
        if prorate && !trialing {
            let at = at.clamp(old.0, old.1);
            let before = items(subscription).to_vec();
            let gone = before
                .iter()
                .filter(|item| interval_changed || !data.iter().any(|other| same(item, other)));
            let lines: Vec<Value> = gone
                .filter_map(|item| self.proration(subscription, item, at, old, Side::Unused))
                .collect();
            prorations.extend(lines);
            if !interval_changed {
                let come = data
                    .iter()
                    .filter(|item| !before.iter().any(|other| same(item, other)));
                let lines: Vec<Value> = come
                    .filter_map(|item| self.proration(subscription, item, at, old, Side::Remaining))
                    .collect();
                prorations.extend(lines);
            }
        }
        let removed = prorate && new_period.is_none() && usage_removed(subscription, &data);
        let usage = if removed {
            self.usage_lines(subscription, old)
        } else {
            Vec::new()
        };
        Ok(Change {
            items: data,
            prorations,
            usage,
            new_period,
        })
    }

    /// Applies a change. Its cost is invoiced now or with the next invoice.
    pub fn apply_change(
        &mut self,
        id: &str,
        change: Change,
        fields: Value,
        at_once: bool,
    ) -> Result<Value, ApiError> {
        let before = self.find(SUBSCRIPTION, id)?;
        let mut list = before["items"].clone();
        list["data"] = Value::Array(change.items);
        let mut fields = fields;
        fields["items"] = list;
        let mut lines = billing_cycles::pending(&before);
        lines.extend(change.prorations);
        let removed = !change.usage.is_empty();
        lines.extend(change.usage);
        let invoiced = at_once || change.new_period.is_some();
        let mut private = before[PRIVATE].clone();
        private["pending"] = if invoiced { json!([]) } else { json!(lines) };
        if removed {
            private["usage"] = self.usage_from_now(&before[PRIVATE]["usage"]["from"]);
        }
        if let Some(new) = change.new_period {
            fields["billing_cycle_anchor"] = json!(new.0);
            lines.extend(self.usage_lines(&before, billing_cycles::period(&before)));
            private["usage"] = self.usage_from_now(&before[PRIVATE]["usage"]["from"]);
        }
        fields[PRIVATE] = private;
        let after = self.update(SUBSCRIPTION, id, "customer.subscription.updated", fields)?;
        let period = billing_cycles::period(&after);
        if change.new_period.is_some() {
            lines.extend(self.advance_lines(&after, period));
        }
        if invoiced && !lines.is_empty() {
            self.invoice(InvoiceDraft {
                subscription: &after,
                reason: "subscription_update",
                lines,
                period,
            })?;
        }
        self.find(SUBSCRIPTION, id)
    }

    /// Credits for what a subscription has paid in advance beyond now.
    pub fn unused_lines(&mut self, subscription: &Value) -> Vec<Value> {
        let period = billing_cycles::period(subscription);
        let at = self.now.clamp(period.0, period.1);
        let all = items(subscription).to_vec();
        all.iter()
            .filter_map(|item| self.proration(subscription, item, at, period, Side::Unused))
            .collect()
    }

    /// Whether an invoice for this subscription would be paid, without asking the bank.
    fn predict_payment(&self, customer: &str, method: Option<&str>) -> Collected {
        if self
            .declines
            .get(customer)
            .is_some_and(|ordered| *ordered > 0)
        {
            return Collected::Declined("generic_decline");
        }
        let method = method.and_then(|method| self.find(super::objects::METHOD, method).ok());
        match method {
            Some(method) => {
                super::cards::decline_code(&method).map_or(Collected::Paid, Collected::Declined)
            }
            None => Collected::NoMethod,
        }
    }

    /// Like `predict_payment`, but a decline is an error and consumes an ordered decline.
    pub fn require_payment(
        &mut self,
        customer: &str,
        method: Option<&str>,
    ) -> Result<(), ApiError> {
        match self.predict_payment(customer, method) {
            Collected::Paid | Collected::Pending => Ok(()),
            Collected::NoMethod => Err(ApiError::no_method()),
            Collected::Declined(code) => {
                if let Some(ordered) = self.declines.get_mut(customer) {
                    *ordered = ordered.saturating_sub(1);
                }
                Err(ApiError::card_declined(code))
            }
        }
    }

    fn apply_row(
        &mut self,
        subscription: &Value,
        data: &mut Vec<Value>,
        row: &Params,
        name: &str,
    ) -> Result<(), ApiError> {
        row.only(&[
            "id",
            "price",
            "quantity",
            "deleted",
            "metadata",
            "clear_usage",
        ])?;
        let Some(id) = row.get("id") else {
            let wanted = wanted(self, row, name)?;
            let item = self.item_shape(
                text(subscription, "id"),
                &wanted,
                billing_cycles::period(subscription),
            );
            data.push(item);
            return Ok(());
        };
        let at = data.iter().position(|item| item["id"] == id);
        let at = at.ok_or_else(|| {
            ApiError::no_such_reference("subscription item", id, &format!("{name}[id]"))
        })?;
        if row.boolean("deleted")? == Some(true) {
            data.remove(at);
            return Ok(());
        }
        let old = data[at].clone();
        let quantity = row.integer("quantity")?;
        let changed = match row.get("price") {
            // Without a quantity, the new price keeps that of the old one.
            Some(price) => NewItem {
                price: super::subscriptions::recurring_price(
                    self,
                    price,
                    &format!("{name}[price]"),
                )?,
                quantity: quantity.or_else(|| old["quantity"].as_i64()).or(Some(1)),
                metadata: old["metadata"].clone(),
            },
            None => NewItem {
                price: old["price"].clone(),
                quantity: quantity.or_else(|| old["quantity"].as_i64()),
                metadata: old["metadata"].clone(),
            },
        };
        let mut item = self.item_shape(
            text(subscription, "id"),
            &changed,
            billing_cycles::period(subscription),
        );
        if metered(&item)
            && let Some(fields) = item.as_object_mut()
        {
            fields.remove("quantity");
        }
        item["id"] = old["id"].clone();
        item["created"] = old["created"].clone();
        data[at] = item;
        Ok(())
    }

    fn proration(
        &mut self,
        subscription: &Value,
        item: &Value,
        at: i64,
        old: (i64, i64),
        side: Side,
    ) -> Option<Value> {
        if metered(item) {
            return None;
        }
        let quantity = number(item, "quantity");
        let left = share(
            self.cost(&item["price"], quantity),
            old.1 - at,
            old.1 - old.0,
        );
        let (amount, words) = match side {
            Side::Unused => (-left, "Unused time on"),
            Side::Remaining => (left, "Remaining time on"),
        };
        Some(self.line(&Line {
            item: Some((text(subscription, "id"), item)),
            price: &item["price"],
            quantity: Some(quantity),
            amount,
            period: (at, old.1),
            proration: Some(words),
        }))
    }
}

#[derive(Clone, Copy)]
enum Side {
    Unused,
    Remaining,
}

/// Whether two items cost the same.
fn same(one: &Value, other: &Value) -> bool {
    one["id"] == other["id"]
        && one["price"]["id"] == other["price"]["id"]
        && one["quantity"] == other["quantity"]
}
