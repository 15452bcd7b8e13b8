//! The end of a period in two steps, as at Stripe: the next period begins and the old one's invoice
//! is a draft; an hour later the invoice is finalized with the usage that is known by then.
//! ("When the invoice finalizes, Stripe updates it to reflect the latest quantity for its billing
//! period"; the default grace period is one hour:
//! docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period.)

use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, number, text};
use super::billing_cycles;
use super::error::ApiError;
use super::invoice_shape::set_amounts;
use super::invoicing::InvoiceDraft;
use super::lines::{items, metered, sum};
use super::objects::{INVOICE, PRIVATE, SUBSCRIPTION, shown};
use super::periods;

impl Stripe {
    /// Ends the current period and leaves its invoice a draft. Ends a subscription that was set to
    /// end with its period.
    pub fn begin_next_period(&self, subscription: &str) -> Result<Value, ApiError> {
        self.account()
            .begin_next_period(subscription)
            .map(|subscription| shown(&subscription))
    }

    /// Finalizes the draft of the period that ended, with its usage as of now, and collects it.
    pub fn finalize_period(&self, subscription: &str) -> Result<Value, ApiError> {
        self.account()
            .finalize_period(subscription)
            .map(|invoice| shown(&invoice))
    }
}

impl Account<'_> {
    fn begin_next_period(&mut self, id: &str) -> Result<Value, ApiError> {
        let before = self.find(SUBSCRIPTION, id)?;
        if !["active", "past_due", "unpaid"].contains(&text(&before, "status")) {
            return Err(ApiError::invalid("This subscription has no next period."));
        }
        let old = billing_cycles::period(&before);
        let mut lines = billing_cycles::pending(&before);
        lines.extend(self.usage_lines(&before, old));
        let ends = before["cancel_at"].as_i64().is_some_and(|at| at <= old.1)
            || before["cancel_at_period_end"] == true;
        let after = if ends {
            before.clone()
        } else {
            let mark = self.usage_start(&before, old.1);
            let next = self.enter_phase(&before, old.1)?;
            let price = billing_cycles::price(&next);
            let anchor = number(&before, "billing_cycle_anchor");
            let new = (old.1, periods::end(anchor, old.1, &price));
            let after = self.begin_period(&next, new, mark, json!({}))?;
            lines.extend(self.advance_lines(&after, new));
            after
        };
        let invoice = self.draft_invoice(InvoiceDraft {
            subscription: &after,
            reason: "subscription_cycle",
            lines,
            period: old,
        })?;
        let mut private = self.find(SUBSCRIPTION, id)?[PRIVATE].clone();
        private["closing"] = json!({"invoice": invoice, "period": old, "before": before});
        let after = self.set(SUBSCRIPTION, id, json!({PRIVATE: private}))?;
        if ends {
            return self.end_subscription(id, "cancellation_requested");
        }
        Ok(after)
    }

    fn finalize_period(&mut self, id: &str) -> Result<Value, ApiError> {
        let mut private = self.find(SUBSCRIPTION, id)?[PRIVATE].clone();
        let closing = private["closing"].take();
        let (before, invoice) = (&closing["before"], text(&closing, "invoice").to_owned());
        self.set(SUBSCRIPTION, id, json!({PRIVATE: private}))?;
        let draft = self.find(INVOICE, &invoice)?;
        let prices: Vec<&Value> = items(before)
            .iter()
            .filter(|item| metered(item))
            .map(|item| &item["price"]["id"])
            .collect();
        let mut lines: Vec<Value> = draft["lines"]["data"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        lines.retain(|line| !prices.contains(&&line["pricing"]["price_details"]["price"]));
        let mut usage = self.usage_lines(before, billing_cycles::period(before));
        usage
            .iter_mut()
            .for_each(|line| line["invoice"] = json!(invoice));
        lines.extend(usage);
        let mut fields = json!({});
        set_amounts(&mut fields, sum(&lines));
        fields["lines"] = draft["lines"].clone();
        fields["lines"]["data"] = Value::Array(lines);
        self.set(INVOICE, &invoice, fields)?;
        self.finalize_invoice(&invoice)?;
        self.collect_invoice(&invoice, None)?;
        self.find(INVOICE, &invoice)
    }
}
