//! The lines of an invoice, and the usage that metered lines count.

use serde_json::{Value, json};

use super::State;
use super::account::{Account, number, shape, text};
use super::amounts;
use super::objects::{METER, PRICE, PRIVATE, PRODUCT};

/// The contents of a line.
pub(super) struct Line<'a> {
    /// The subscription and its item; `None` for one-time purchases.
    pub item: Option<(&'a str, &'a Value)>,
    pub price: &'a Value,
    pub quantity: Option<i64>,
    pub amount: i64,
    pub period: (i64, i64),
    /// The description of a proration. Other lines describe their product.
    pub proration: Option<&'static str>,
}

impl Account<'_> {
    /// The cost of a quantity at a price. Tiers are stored with the price and absent from the
    /// objects that show it.
    pub fn cost(&self, price: &Value, quantity: i64) -> i64 {
        match self.find(PRICE, text(price, "id")) {
            Ok(price) => amounts::cost(&price, quantity),
            Err(_) => amounts::cost(price, quantity),
        }
    }

    pub fn line(&mut self, line: &Line<'_>) -> Value {
        let product = self
            .find(PRODUCT, text(line.price, "product"))
            .unwrap_or_default();
        let name = text(&product, "name");
        let description = match (line.proration, line.quantity) {
            (Some(words), _) => format!("{words} {name}"),
            (None, Some(quantity)) => format!("{quantity} × {name}"),
            (None, None) => name.to_owned(),
        };
        let parent = match line.item {
            Some((subscription, item)) => json!({
                "invoice_item_details": null,
                "subscription_item_details": {
                    "invoice_item": null,
                    "proration": line.proration.is_some(),
                    "proration_details": {"credited_items": null},
                    "subscription": subscription,
                    "subscription_item": item["id"],
                },
                "type": "subscription_item_details",
            }),
            None => Value::Null,
        };
        let subscription = line.item.map(|(subscription, _)| subscription);
        shape(
            &["invoice", "quantity_decimal"],
            json!({
                "id": self.objects.fresh_id("il"),
                "object": "line_item",
                "amount": line.amount,
                "currency": line.price["currency"],
                "description": description,
                "discount_amounts": [],
                "discountable": line.proration.is_none(),
                "discounts": [],
                "livemode": false,
                "metadata": line.item.map_or_else(|| json!({}), |(_, item)| item["metadata"].clone()),
                "parent": parent,
                "period": {"start": line.period.0, "end": line.period.1},
                "pretax_credit_amounts": [],
                "pricing": {
                    "price_details": {"price": line.price["id"], "product": line.price["product"]},
                    "type": "price_details",
                    "unit_amount_decimal": line.price["unit_amount_decimal"],
                },
                "quantity": line.quantity.unwrap_or(1),
                "subscription": subscription,
                "subtotal": line.amount,
                "taxes": [],
            }),
        )
    }

    /// One line per item that is paid in advance.
    pub fn advance_lines(&mut self, subscription: &Value, period: (i64, i64)) -> Vec<Value> {
        let id = text(subscription, "id");
        let ahead = items(subscription)
            .iter()
            .filter(|item| !metered(item))
            .map(|item| {
                let quantity = number(item, "quantity");
                let amount = self.cost(&item["price"], quantity);
                let item_line = Line {
                    item: Some((id, item)),
                    price: &item["price"],
                    quantity: Some(quantity),
                    amount,
                    period,
                    proration: None,
                };
                self.line(&item_line)
            });
        ahead.collect()
    }

    /// One line per metered item, with its usage up to the end of the period or up to now,
    /// whichever is earlier.
    pub fn usage_lines(&mut self, subscription: &Value, period: (i64, i64)) -> Vec<Value> {
        let behind = items(subscription)
            .iter()
            .filter(|item| metered(item))
            .map(|item| {
                let used = self.usage(subscription, item, period.1);
                let amount = self.cost(&item["price"], used);
                let item_line = Line {
                    item: Some((text(subscription, "id"), item)),
                    price: &item["price"],
                    quantity: Some(used),
                    amount,
                    period,
                    proration: None,
                };
                self.line(&item_line)
            });
        behind.collect()
    }

    /// The mark from which the next period's usage counts. A period that is closed early takes all
    /// usage reported so far. A period that is closed on time or late takes the usage that happened
    /// before its end.
    pub fn usage_start(&self, subscription: &Value, end: i64) -> Value {
        let mark = &subscription[PRIVATE]["usage"];
        if self.now < end {
            self.usage_from_now(&mark["from"])
        } else {
            json!({"from": end, "seen": mark["seen"]})
        }
    }

    /// A mark after everything that was reported so far.
    pub fn usage_from_now(&self, from: &Value) -> Value {
        json!({"from": from, "seen": self.meter_events.len()})
    }

    fn usage(&self, subscription: &Value, item: &Value, end: i64) -> i64 {
        let Ok(meter) = self.find(METER, text(&item["price"]["recurring"], "meter")) else {
            return 0;
        };
        let mark = &subscription[PRIVATE]["usage"];
        let seen = usize::try_from(number(mark, "seen")).unwrap_or_default();
        // "On future invoices, we reflect only usage that occurs after the update"
        // (docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup).
        let from = number(mark, "from").max(number(item, "created"));
        let customer = text(subscription, "customer");
        self.used(customer, &meter, seen, (from, end))
    }
}

impl State {
    /// Aggregates a customer's events on a meter within a period, skipping the first `seen` events.
    fn used(&self, customer: &str, meter: &Value, seen: usize, (from, end): (i64, i64)) -> i64 {
        let recent = self.meter_events.iter().skip(seen);
        let events = recent.filter(|event| {
            event.counts_for(customer, text(meter, "event_name"))
                && (from..end).contains(&event.timestamp)
        });
        match text(&meter["default_aggregation"], "formula") {
            "count" => i64::try_from(events.count()).unwrap_or(i64::MAX),
            "last" => events
                .max_by_key(|event| event.timestamp)
                .map_or(0, |event| event.value),
            _ => events.fold(0, |sum, event| sum.saturating_add(event.value)),
        }
    }
}

/// The items of a subscription.
pub(super) fn items(subscription: &Value) -> &[Value] {
    subscription["items"]["data"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Whether usage determines the cost of an item.
pub(super) fn metered(item: &Value) -> bool {
    item["price"]["recurring"]["usage_type"] == "metered"
}

/// The sum of the lines.
pub(super) fn sum(lines: &[Value]) -> i64 {
    lines.iter().map(|line| number(line, "amount")).sum()
}
