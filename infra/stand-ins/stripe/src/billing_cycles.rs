//! The life of a subscription: start, trial, renewal, end. Each step invoices what is due and emits
//! events in Stripe's order.

use serde_json::{Value, json};

use super::account::{Account, number, shape, text};
use super::billing_mode::BillingMode;
use super::error::ApiError;
use super::invoicing::{Collected, InvoiceDraft};
use super::lines::{Line, items, metered, sum};
use super::objects::{CUSTOMER, PRIVATE, SUBSCRIPTION, shown};
use super::periods;

const UPDATED: &str = "customer.subscription.updated";

/// A price to subscribe to, or to buy once together with a subscription.
#[derive(Clone)]
pub(super) struct NewItem {
    pub price: Value,
    /// `None` for metered prices.
    pub quantity: Option<i64>,
    pub metadata: Value,
}

/// The parameters of a new subscription.
pub(super) struct NewSubscription {
    pub customer: String,
    pub items: Vec<NewItem>,
    /// One-time prices on the first invoice.
    pub one_time: Vec<NewItem>,
    pub method: Value,
    pub trial_end: Option<i64>,
    pub missing_method: String,
    pub metadata: Value,
    pub description: Value,
    pub cancel_at_period_end: bool,
    /// Whether to charge the first invoice now or to wait for a payment.
    pub pay_immediately: bool,
    pub billing_mode: BillingMode,
}

impl Account<'_> {
    /// Starts a subscription. Returns its id and the result of its first invoice.
    pub fn start_subscription(
        &mut self,
        start: NewSubscription,
    ) -> Result<(String, Collected), ApiError> {
        let now = self.now;
        let trial = start.trial_end;
        let first = start
            .items
            .first()
            .map(|wanted| wanted.price.clone())
            .unwrap_or_default();
        let period = (now, trial.unwrap_or_else(|| periods::end(now, now, &first)));
        let (one_time, pay_immediately) = (start.one_time.clone(), start.pay_immediately);
        let subscription = self.subscription_shape(start, period);
        let subscription = self.create(SUBSCRIPTION, "customer.subscription.created", subscription);
        let mut lines: Vec<Value> = if trial.is_some() {
            self.trial_lines(&subscription, period)
        } else {
            self.advance_lines(&subscription, period)
        };
        for wanted in &one_time {
            let amount = self.cost(&wanted.price, wanted.quantity.unwrap_or(1));
            let (price, quantity) = (&wanted.price, wanted.quantity);
            lines.push(self.line(&Line {
                item: None,
                price,
                quantity,
                amount,
                period: (now, now),
                proration: None,
            }));
        }
        let id = text(&subscription, "id").to_owned();
        // "If the resulting invoice wouldn't contain any items, we don't generate one"
        // (docs.stripe.com/billing/subscriptions/billing-mode/compare).
        if lines.is_empty() && BillingMode::of(&subscription) == BillingMode::Flexible {
            if trial.is_none() {
                self.update(SUBSCRIPTION, &id, UPDATED, json!({"status": "active"}))?;
            }
            return Ok((id, Collected::Paid));
        }
        let draft = InvoiceDraft {
            subscription: &subscription,
            reason: "subscription_create",
            lines,
            period: (now, now),
        };
        let invoice = self.draft_invoice(draft)?;
        self.finalize_invoice(&invoice)?;
        let waits = !pay_immediately && self.payment_of(&invoice).is_ok();
        let collected = if waits {
            Collected::NoMethod
        } else {
            self.collect_invoice(&invoice, None)?
        };
        Ok((id, collected))
    }

    /// Ends the period: invoices its usage and begins the next one, or ends the subscription if it
    /// was cancelled.
    pub fn roll_period(&mut self, id: &str) -> Result<Value, ApiError> {
        let subscription = self.find(SUBSCRIPTION, id)?;
        let status = text(&subscription, "status");
        if status == "trialing" {
            return self.end_trial(id);
        }
        if !["active", "past_due", "unpaid"].contains(&status) {
            return Err(ApiError::invalid(format!(
                "A subscription that is {status} has no next period."
            )));
        }
        let old = period(&subscription);
        let mut lines = pending(&subscription);
        lines.extend(self.usage_lines(&subscription, old));
        let ends = subscription["cancel_at"]
            .as_i64()
            .is_some_and(|at| at <= old.1);
        if ends || subscription["cancel_at_period_end"] == true {
            return self.end_with_invoice(&subscription, lines);
        }
        let mark = self.usage_start(&subscription, old.1);
        let subscription = self.enter_phase(&subscription, old.1)?;
        let anchor = number(&subscription, "billing_cycle_anchor");
        let new = (old.1, periods::end(anchor, old.1, &price(&subscription)));
        let subscription = self.begin_period(&subscription, new, mark, json!({}))?;
        lines.extend(self.advance_lines(&subscription, new));
        self.invoice_period(&subscription, lines, old)?;
        self.find(SUBSCRIPTION, id)
    }

    /// Ends the trial. Without a payment method the trial settings decide.
    pub fn end_trial(&mut self, id: &str) -> Result<Value, ApiError> {
        let subscription = self.find(SUBSCRIPTION, id)?;
        if subscription["status"] != "trialing" {
            return Err(ApiError::invalid("This subscription is not in a trial."));
        }
        let ends = subscription["cancel_at"]
            .as_i64()
            .is_some_and(|at| at <= number(&subscription, "trial_end"));
        if ends || subscription["cancel_at_period_end"] == true {
            return self.end_subscription(id, "cancellation_requested");
        }
        let customer = self.find(CUSTOMER, text(&subscription, "customer"))?;
        let methodless = subscription["default_payment_method"].is_null()
            && customer["invoice_settings"]["default_payment_method"].is_null();
        let missing = text(
            &subscription["trial_settings"]["end_behavior"],
            "missing_payment_method",
        );
        match missing {
            "cancel" if methodless => return self.end_subscription(id, "payment_failed"),
            "pause" if methodless => {
                let events = [UPDATED, "customer.subscription.paused"];
                return self.update_then_emit(id, &events, json!({"status": "paused"}));
            }
            _ => {}
        }
        // A trial may end early. Its usage is free either way.
        let (now, planned) = (self.now, number(&subscription, "trial_end"));
        let start = now.min(planned);
        let mark = if now < planned {
            self.usage_from_now(&json!(now))
        } else {
            self.usage_start(&subscription, planned)
        };
        let subscription = self.enter_phase(&subscription, start)?;
        let new = (start, periods::end(start, start, &price(&subscription)));
        let fields = json!({"billing_cycle_anchor": start, "status": "active", "trial_end": start});
        let subscription = self.begin_period(&subscription, new, mark, fields)?;
        let lines = self.advance_lines(&subscription, new);
        self.invoice_period(&subscription, lines, new)?;
        self.find(SUBSCRIPTION, id)
    }

    /// Resumes a paused subscription with a new period, if that is paid.
    pub fn resume_subscription(&mut self, id: &str) -> Result<Value, ApiError> {
        let subscription = self.find(SUBSCRIPTION, id)?;
        if subscription["status"] != "paused" {
            let message = "This subscription cannot be resumed because it is not paused.";
            return Err(ApiError::invalid(message));
        }
        let now = self.now;
        let new = (now, periods::end(now, now, &price(&subscription)));
        let lines = self.advance_lines(&subscription, new);
        let draft = InvoiceDraft {
            subscription: &subscription,
            reason: "subscription_update",
            lines,
            period: new,
        };
        let (_, collected) = self.invoice(draft)?;
        if !matches!(collected, Collected::Paid | Collected::Pending) {
            return self.find(SUBSCRIPTION, id);
        }
        let fields = json!({"billing_cycle_anchor": now, "status": "active"});
        let mark = self.usage_from_now(&json!(now));
        let subscription = self.begin_period(&self.find(SUBSCRIPTION, id)?, new, mark, fields)?;
        self.emit("customer.subscription.resumed", &subscription);
        Ok(subscription)
    }

    /// Ends a subscription now.
    pub fn end_subscription(&mut self, id: &str, reason: &str) -> Result<Value, ApiError> {
        let subscription = self.find(SUBSCRIPTION, id)?;
        let mut details = subscription["cancellation_details"].clone();
        details["reason"] = json!(reason);
        let wished = subscription["canceled_at"].as_i64();
        let fields = json!({
            "canceled_at": wished.unwrap_or(self.now),
            "cancellation_details": details,
            "ended_at": self.now,
            "status": "canceled",
        });
        let subscription = self.set(SUBSCRIPTION, id, fields)?;
        self.end_schedule(&subscription)?;
        self.emit("customer.subscription.deleted", &subscription);
        Ok(subscription)
    }

    /// Expires a subscription whose first invoice was not paid in time.
    pub fn expire_subscription(&mut self, id: &str) -> Result<Value, ApiError> {
        let subscription = self.find(SUBSCRIPTION, id)?;
        if subscription["status"] != "incomplete" {
            return Err(ApiError::invalid(
                "Only a subscription that is incomplete expires.",
            ));
        }
        self.void_invoice(text(&subscription, "latest_invoice"))?;
        let fields = json!({"ended_at": self.now, "status": "incomplete_expired"});
        self.update(SUBSCRIPTION, id, UPDATED, fields)
    }

    /// Moves the items to a new period. Its usage counts from the new mark.
    pub fn begin_period(
        &mut self,
        subscription: &Value,
        new: (i64, i64),
        mark: Value,
        fields: Value,
    ) -> Result<Value, ApiError> {
        let mut data = items(subscription).to_vec();
        for item in &mut data {
            item["current_period_start"] = json!(new.0);
            item["current_period_end"] = json!(new.1);
        }
        let mut list = subscription["items"].clone();
        list["data"] = Value::Array(data);
        let mut fields = fields;
        fields["items"] = list;
        fields[PRIVATE] = json!({"pending": [], "usage": mark});
        self.update(SUBSCRIPTION, text(subscription, "id"), UPDATED, fields)
    }

    /// Invoices a period, unless collection is paused.
    fn invoice_period(
        &mut self,
        subscription: &Value,
        lines: Vec<Value>,
        period: (i64, i64),
    ) -> Result<(), ApiError> {
        let invoice = self.draft_invoice(InvoiceDraft {
            subscription,
            reason: "subscription_cycle",
            lines,
            period,
        })?;
        match text(&subscription["pause_collection"], "behavior") {
            "keep_as_draft" => return Ok(()),
            "void" => {
                self.finalize_invoice(&invoice)?;
                if self.payment_of(&invoice).is_ok() {
                    self.void_invoice(&invoice)?;
                }
                return Ok(());
            }
            "mark_uncollectible" => {
                self.finalize_invoice(&invoice)?;
                if self.payment_of(&invoice).is_ok() {
                    self.mark_uncollectible(&invoice)?;
                }
                return Ok(());
            }
            _ => {}
        }
        self.finalize_invoice(&invoice)?;
        self.collect_invoice(&invoice, None)?;
        Ok(())
    }

    /// Ends a subscription and invoices the remaining amounts.
    pub fn end_with_invoice(
        &mut self,
        subscription: &Value,
        lines: Vec<Value>,
    ) -> Result<Value, ApiError> {
        let id = text(subscription, "id");
        if sum(&lines) != 0 {
            let period = period(subscription);
            self.invoice(InvoiceDraft {
                subscription,
                reason: "subscription_cycle",
                lines,
                period,
            })?;
        }
        self.end_subscription(id, "cancellation_requested")
    }

    /// Like `update_and_emit`, but the first event carries the previous attributes.
    fn update_then_emit(
        &mut self,
        id: &str,
        events: &[&str],
        fields: Value,
    ) -> Result<Value, ApiError> {
        let (first, rest) = events.split_first().unwrap_or((&UPDATED, &[]));
        let subscription = self.update(SUBSCRIPTION, id, first, fields)?;
        rest.iter()
            .for_each(|event| self.emit(event, &subscription));
        Ok(subscription)
    }

    fn trial_lines(&mut self, subscription: &Value, period: (i64, i64)) -> Vec<Value> {
        let id = text(subscription, "id");
        let ahead = items(subscription)
            .iter()
            .filter(|item| !metered(item))
            .map(|item| {
                let quantity = item["quantity"].as_i64();
                let (item_of, price) = (Some((id, item)), &item["price"]);
                self.line(&Line {
                    item: item_of,
                    price,
                    quantity,
                    amount: 0,
                    period,
                    proration: None,
                })
            });
        ahead.collect()
    }

    /// An item of a subscription.
    pub fn item_shape(
        &mut self,
        subscription: &str,
        wanted: &NewItem,
        period: (i64, i64),
    ) -> Value {
        let price = shown(&wanted.price);
        let recurring = &price["recurring"];
        let mut item = json!({
            "id": self.objects.fresh_id("si"),
            "object": "subscription_item",
            "billing_thresholds": null,
            "created": self.now,
            "current_period_end": period.1,
            "current_period_start": period.0,
            "current_trial": null,
            "discounts": [],
            "metadata": wanted.metadata,
            "plan": {
                "id": price["id"],
                "object": "plan",
                "active": price["active"],
                "amount": price["unit_amount"],
                "amount_decimal": price["unit_amount_decimal"],
                "billing_scheme": price["billing_scheme"],
                "created": price["created"],
                "currency": price["currency"],
                "interval": recurring["interval"],
                "interval_count": recurring["interval_count"],
                "livemode": false,
                "metadata": price["metadata"],
                "meter": recurring["meter"],
                "nickname": price["nickname"],
                "product": price["product"],
                "tiers_mode": price["tiers_mode"],
                "transform_usage": null,
                "trial_period_days": null,
                "usage_type": recurring["usage_type"],
            },
            "price": price,
            "subscription": subscription,
            "tax_rates": [],
        });
        // An item of a metered price has no quantity; it is not null but absent.
        if let Some(quantity) = wanted.quantity {
            item["quantity"] = json!(quantity);
        }
        item
    }

    fn subscription_shape(&mut self, start: NewSubscription, period: (i64, i64)) -> Value {
        let id = self.fresh_id(SUBSCRIPTION);
        let data: Vec<Value> = start
            .items
            .iter()
            .map(|wanted| self.item_shape(&id, wanted, period))
            .collect();
        let currency = start
            .items
            .first()
            .map(|wanted| wanted.price["currency"].clone());
        let now = self.now;
        shape(
            &NULLS,
            json!({
                "id": id,
                "object": SUBSCRIPTION.object,
                "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
                "billing_cycle_anchor": start.trial_end.unwrap_or(now),
                "billing_mode": start.billing_mode.shape(),
                "billing_schedules": [],
                "cancel_at": start.cancel_at_period_end.then_some(period.1),
                "cancel_at_period_end": start.cancel_at_period_end,
                "cancellation_details": {"comment": null, "feedback": null, "feedback_option": null, "reason": null},
                "collection_method": "charge_automatically",
                "created": now,
                "currency": currency,
                "customer": start.customer,
                "default_payment_method": start.method,
                "default_tax_rates": [],
                "description": start.description,
                "discounts": [],
                "invoice_settings": {"account_tax_ids": null, "custom_fields": null, "description": null, "footer": null, "issuer": {"type": "self"}},
                "items": {
                    "object": "list",
                    "data": data,
                    "has_more": false,
                    "url": format!("/v1/subscription_items?subscription={id}"),
                },
                "livemode": false,
                "metadata": start.metadata,
                "payment_settings": {"payment_method_options": null, "payment_method_types": null, "save_default_payment_method": "off"},
                "start_date": now,
                "status": if start.trial_end.is_some() { "trialing" } else { "incomplete" },
                "trial_end": start.trial_end,
                "trial_settings": {"end_behavior": {"billing_cycle_anchor": null, "missing_payment_method": start.missing_method}},
                "trial_start": start.trial_end.map(|_| now),
                PRIVATE: {"pending": [], "usage": {"from": now, "seen": self.meter_events.len()}},
            }),
        )
    }
}

/// The current period of a subscription.
pub(super) fn period(subscription: &Value) -> (i64, i64) {
    items(subscription).first().map_or((0, 0), |item| {
        (
            number(item, "current_period_start"),
            number(item, "current_period_end"),
        )
    })
}

/// The price whose interval is the billing interval.
pub(super) fn price(subscription: &Value) -> Value {
    items(subscription)
        .first()
        .map(|item| item["price"].clone())
        .unwrap_or_default()
}

/// Prorations of earlier changes that the next invoice collects.
pub(super) fn pending(subscription: &Value) -> Vec<Value> {
    subscription[PRIVATE]["pending"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

const NULLS: [&str; 20] = [
    "application",
    "application_fee_percent",
    "billing_cycle_anchor_config",
    "billing_thresholds",
    "canceled_at",
    "customer_account",
    "days_until_due",
    "default_source",
    "ended_at",
    "latest_invoice",
    "managed_payments",
    "next_pending_invoice_item_invoice",
    "on_behalf_of",
    "pause_collection",
    "pending_invoice_item_interval",
    "pending_setup_intent",
    "pending_update",
    "schedule",
    "test_clock",
    "transfer_data",
];
