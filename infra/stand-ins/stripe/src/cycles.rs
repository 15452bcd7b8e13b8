//! A subscription's life by the clock: it starts, with or without a trial; its periods roll; it ends. Each step invoices
//! what is due with it and tells of everything in Stripe's order.

use serde_json::{Value, json};

use super::billing::{Collected, Draft};
use super::desk::{Desk, number, shape, text};
use super::lines::{Line, items, metered, sum};
use super::objects::{CUSTOMER, PRIVATE, SUBSCRIPTION, shown};
use super::periods;
use super::refusal::Refusal;

const UPDATED: &str = "customer.subscription.updated";

/// A price that somebody subscribes to, or buys along with a subscription.
#[derive(Clone)]
pub(super) struct Wanted {
    pub price: Value,
    /// `None` where usage decides.
    pub quantity: Option<i64>,
    pub metadata: Value,
}

/// What a subscription begins with.
pub(super) struct Start {
    pub customer: String,
    pub items: Vec<Wanted>,
    /// Bought once, with the first invoice.
    pub once: Vec<Wanted>,
    pub method: Value,
    pub trial_end: Option<i64>,
    pub missing_method: String,
    pub metadata: Value,
    pub description: Value,
    pub cancel_at_period_end: bool,
    /// Whether the first invoice is tried at once, or waits for somebody to pay it.
    pub try_at_once: bool,
}

impl Desk<'_> {
    /// Starts a subscription; its id, and what became of the first invoice.
    pub fn start_subscription(&mut self, start: Start) -> Result<(String, Collected), Refusal> {
        let now = self.now;
        let trial = start.trial_end;
        let first = start
            .items
            .first()
            .map(|wanted| wanted.price.clone())
            .unwrap_or_default();
        let period = (now, trial.unwrap_or_else(|| periods::end(now, now, &first)));
        let (once, try_at_once) = (start.once.clone(), start.try_at_once);
        let subscription = self.subscription_shape(start, period);
        let subscription = self.create(SUBSCRIPTION, "customer.subscription.created", subscription);
        let mut lines: Vec<Value> = if trial.is_some() {
            self.trial_lines(&subscription, period)
        } else {
            self.lines_ahead(&subscription, period)
        };
        for wanted in &once {
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
        let draft = Draft {
            subscription: &subscription,
            reason: "subscription_create",
            lines,
            period: (now, now),
        };
        let invoice = self.draft_invoice(draft)?;
        self.finalize_invoice(&invoice)?;
        let waits = !try_at_once && self.payment_of(&invoice).is_ok();
        let collected = if waits {
            Collected::NoMethod
        } else {
            self.collect_invoice(&invoice, None)?
        };
        Ok((id, collected))
    }

    /// The period is over: what was used is due, the next period begins and is paid; or the subscription ends, if that
    /// was wished.
    pub fn roll_period(&mut self, id: &str) -> Result<Value, Refusal> {
        let subscription = self.find(SUBSCRIPTION, id)?;
        let status = text(&subscription, "status");
        if status == "trialing" {
            return self.end_trial(id);
        }
        if !["active", "past_due", "unpaid"].contains(&status) {
            return Err(Refusal::invalid(format!(
                "A subscription that is {status} has no next period."
            )));
        }
        let old = period(&subscription);
        let mut lines = pending(&subscription);
        lines.extend(self.lines_behind(&subscription, old));
        let ends = subscription["cancel_at"]
            .as_i64()
            .is_some_and(|at| at <= old.1);
        if ends || subscription["cancel_at_period_end"] == true {
            return self.end_with_invoice(&subscription, lines);
        }
        let new = (
            old.1,
            periods::end(
                number(&subscription, "billing_cycle_anchor"),
                old.1,
                &price(&subscription),
            ),
        );
        let mark = self.usage_mark(&subscription, new.0);
        let subscription = self.begin_period(&subscription, new, mark, json!({}))?;
        lines.extend(self.lines_ahead(&subscription, new));
        self.invoice_period(&subscription, lines, old)?;
        self.find(SUBSCRIPTION, id)
    }

    /// The trial is over: paid, or what its settings say where there is nothing to pay with.
    pub fn end_trial(&mut self, id: &str) -> Result<Value, Refusal> {
        let subscription = self.find(SUBSCRIPTION, id)?;
        if subscription["status"] != "trialing" {
            return Err(Refusal::invalid("This subscription is not in a trial."));
        }
        if subscription["cancel_at_period_end"] == true {
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
                return self.turn_first(id, &events, json!({"status": "paused"}));
            }
            _ => {}
        }
        // A trial that is ended before its time ends now. What was used in it is free, too.
        let (now, planned) = (self.now, number(&subscription, "trial_end"));
        let start = now.min(planned);
        let mark = if now < planned {
            self.usage_seen(&json!(now))
        } else {
            self.usage_mark(&subscription, planned)
        };
        let new = (start, periods::end(start, start, &price(&subscription)));
        let fields = json!({"billing_cycle_anchor": start, "status": "active", "trial_end": start});
        let subscription = self.begin_period(&subscription, new, mark, fields)?;
        let lines = self.lines_ahead(&subscription, new);
        self.invoice_period(&subscription, lines, new)?;
        self.find(SUBSCRIPTION, id)
    }

    /// A paused subscription begins a new period, once it is paid.
    pub fn resume_subscription(&mut self, id: &str) -> Result<Value, Refusal> {
        let subscription = self.find(SUBSCRIPTION, id)?;
        if subscription["status"] != "paused" {
            let message = "This subscription cannot be resumed because it is not paused.";
            return Err(Refusal::invalid(message));
        }
        let now = self.now;
        let new = (now, periods::end(now, now, &price(&subscription)));
        let lines = self.lines_ahead(&subscription, new);
        let draft = Draft {
            subscription: &subscription,
            reason: "subscription_update",
            lines,
            period: new,
        };
        let (_, collected) = self.invoice(draft)?;
        if collected != Collected::Paid {
            return self.find(SUBSCRIPTION, id);
        }
        let fields = json!({"billing_cycle_anchor": now, "status": "active"});
        let mark = self.usage_seen(&json!(now));
        let subscription = self.begin_period(&self.find(SUBSCRIPTION, id)?, new, mark, fields)?;
        self.announce("customer.subscription.resumed", &subscription);
        Ok(subscription)
    }

    /// A subscription ends now.
    pub fn end_subscription(&mut self, id: &str, reason: &str) -> Result<Value, Refusal> {
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
        self.announce("customer.subscription.deleted", &subscription);
        Ok(subscription)
    }

    /// Nobody paid the first invoice in time.
    pub fn expire_subscription(&mut self, id: &str) -> Result<Value, Refusal> {
        let subscription = self.find(SUBSCRIPTION, id)?;
        if subscription["status"] != "incomplete" {
            return Err(Refusal::invalid(
                "Only a subscription that is incomplete expires.",
            ));
        }
        self.void_invoice(text(&subscription, "latest_invoice"))?;
        let fields = json!({"ended_at": self.now, "status": "incomplete_expired"});
        self.update(SUBSCRIPTION, id, UPDATED, fields)
    }

    /// Puts a subscription's items into a period; its usage counts from the mark.
    fn begin_period(
        &mut self,
        subscription: &Value,
        new: (i64, i64),
        mark: Value,
        fields: Value,
    ) -> Result<Value, Refusal> {
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
    ) -> Result<(), Refusal> {
        let invoice = self.draft_invoice(Draft {
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
                    self.give_up_invoice(&invoice)?;
                }
                return Ok(());
            }
            _ => {}
        }
        self.finalize_invoice(&invoice)?;
        self.collect_invoice(&invoice, None)?;
        Ok(())
    }

    /// Ends a subscription and asks for what is left to pay.
    pub fn end_with_invoice(
        &mut self,
        subscription: &Value,
        lines: Vec<Value>,
    ) -> Result<Value, Refusal> {
        let id = text(subscription, "id");
        if sum(&lines) != 0 {
            let period = period(subscription);
            self.invoice(Draft {
                subscription,
                reason: "subscription_cycle",
                lines,
                period,
            })?;
        }
        self.end_subscription(id, "cancellation_requested")
    }

    /// As `turn`, with what it was before told first.
    fn turn_first(&mut self, id: &str, events: &[&str], fields: Value) -> Result<Value, Refusal> {
        let (first, rest) = events.split_first().unwrap_or((&UPDATED, &[]));
        let subscription = self.update(SUBSCRIPTION, id, first, fields)?;
        rest.iter()
            .for_each(|event| self.announce(event, &subscription));
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
    pub fn item_shape(&mut self, subscription: &str, wanted: &Wanted, period: (i64, i64)) -> Value {
        let price = shown(&wanted.price);
        let recurring = &price["recurring"];
        json!({
            "id": self.objects.fresh_id("si"),
            "object": "subscription_item",
            "billing_thresholds": null,
            "created": self.now,
            "current_period_end": period.1,
            "current_period_start": period.0,
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
            "quantity": wanted.quantity,
            "subscription": subscription,
            "tax_rates": [],
        })
    }

    fn subscription_shape(&mut self, start: Start, period: (i64, i64)) -> Value {
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
                "billing_mode": {"flexible": null, "type": "classic"},
                "billing_schedules": [],
                "cancel_at": start.cancel_at_period_end.then_some(period.1),
                "cancel_at_period_end": start.cancel_at_period_end,
                "cancellation_details": {"comment": null, "feedback": null, "reason": null},
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
                "trial_settings": {"end_behavior": {"missing_payment_method": start.missing_method}},
                "trial_start": start.trial_end.map(|_| now),
                PRIVATE: {"pending": [], "usage": {"from": now, "seen": self.meter_events.len()}},
            }),
        )
    }
}

/// The period that a subscription's items are in.
pub(super) fn period(subscription: &Value) -> (i64, i64) {
    items(subscription).first().map_or((0, 0), |item| {
        (
            number(item, "current_period_start"),
            number(item, "current_period_end"),
        )
    })
}

/// The price that sets the pace.
pub(super) fn price(subscription: &Value) -> Value {
    items(subscription)
        .first()
        .map(|item| item["price"].clone())
        .unwrap_or_default()
}

/// What an earlier change left for the next invoice.
pub(super) fn pending(subscription: &Value) -> Vec<Value> {
    subscription[PRIVATE]["pending"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

const NULLS: [&str; 21] = [
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
    "presentment_details",
    "schedule",
    "test_clock",
    "transfer_data",
];
