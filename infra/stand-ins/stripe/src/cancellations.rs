//! Ending a subscription with its period: by the flag `cancel_at_period_end`, by a moment in
//! `cancel_at`, and as the portal does it.

use serde_json::{Value, json};

use super::Stripe;
use super::account::Account;
use super::billing_cycles;
use super::billing_mode::BillingMode;
use super::error::ApiError;
use super::objects::{SUBSCRIPTION, shown};
use super::params::Params;

const UPDATED: &str = "customer.subscription.updated";

impl Stripe {
    /// Sets a subscription to end with its period, as a customer does in the portal.
    pub fn cancel_in_portal(&self, subscription: &str) -> Result<Value, ApiError> {
        self.account()
            .cancel_in_portal(subscription)
            .map(|subscription| shown(&subscription))
    }

    /// Sets a subscription to end with its period, as a person does at the dashboard.
    pub fn cancel_at_period_end(&self, subscription: &str) -> Result<Value, ApiError> {
        self.account()
            .set_cancel_at_period_end(subscription, true)
            .map(|subscription| shown(&subscription))
    }

    /// Takes back a cancellation at the end of the period.
    pub fn keep_subscription(&self, subscription: &str) -> Result<Value, ApiError> {
        self.account()
            .set_cancel_at_period_end(subscription, false)
            .map(|subscription| shown(&subscription))
    }

    /// Cancels a subscription at once, as a person does at the dashboard or Stripe does after all
    /// attempts to collect failed.
    pub fn cancel_subscription(&self, subscription: &str) -> Result<Value, ApiError> {
        self.account()
            .end_subscription(subscription, "cancellation_requested")
            .map(|subscription| shown(&subscription))
    }
}

impl Account<'_> {
    /// A subscription that has not ended. For changes, Stripe treats an ended subscription as
    /// missing.
    pub fn live(&self, id: &str) -> Result<Value, ApiError> {
        let found = self.find(SUBSCRIPTION, id)?;
        if found["ended_at"].is_null() {
            Ok(found)
        } else {
            Err(ApiError::no_such(SUBSCRIPTION.noun, id))
        }
    }

    /// Sets a subscription to end with its period, as the portal does: flexible billing mode "uses
    /// `cancel_at` directly rather than `cancel_at_period_end`"
    /// (docs.stripe.com/billing/subscriptions/billing-mode/compare).
    pub fn cancel_in_portal(&mut self, id: &str) -> Result<Value, ApiError> {
        let subscription = self.live(id)?;
        if BillingMode::of(&subscription) == BillingMode::Classic {
            return self.set_cancel_at_period_end(id, true);
        }
        let mut fields = ending(&subscription, true, self.now);
        fields["cancel_at_period_end"] = json!(false);
        self.update(SUBSCRIPTION, id, UPDATED, fields)
    }

    /// Sets a subscription to end with its period, or takes that back.
    pub fn set_cancel_at_period_end(&mut self, id: &str, end: bool) -> Result<Value, ApiError> {
        let subscription = self.live(id)?;
        let fields = ending(&subscription, end, self.now);
        self.update(SUBSCRIPTION, id, UPDATED, fields)
    }
}

/// The fields that show whether a subscription ends with its period.
fn ending(subscription: &Value, end: bool, now: i64) -> Value {
    let mut details = subscription["cancellation_details"].clone();
    details["reason"] = json!(end.then_some("cancellation_requested"));
    json!({
        "cancel_at": end.then_some(billing_cycles::period(subscription).1),
        "cancel_at_period_end": end,
        "canceled_at": end.then_some(now),
        "cancellation_details": details,
    })
}

/// What the parameters of an update change about the end of a subscription.
pub(super) fn changed(subscription: &Value, params: &Params, now: i64) -> Result<Value, ApiError> {
    let flag = params.boolean("cancel_at_period_end")?;
    // Stripe does not document what both together mean, so nobody may rely on it.
    if params.get("cancel_at").is_some() && flag.is_some() {
        let message = "Specify only one of `cancel_at` and `cancel_at_period_end`.";
        return Err(ApiError::invalid(message).about("cancel_at"));
    }
    let mut after = subscription.clone();
    after["cancellation_details"] = details(subscription, params);
    if let Some(at) = params.get("cancel_at") {
        let at = match at {
            "" => None,
            _ => params.integer("cancel_at")?,
        };
        let mut fields = ending(&after, at.is_some(), now);
        fields["cancel_at"] = json!(at);
        fields["cancel_at_period_end"] = json!(false);
        return Ok(fields);
    }
    Ok(match flag {
        Some(true) => ending(&after, true, now),
        Some(false) if subscription["cancel_at_period_end"] == true => ending(&after, false, now),
        // The flag says nothing about a moment that was set as `cancel_at`.
        Some(false) | None => json!({}),
    })
}

/// The details of a cancellation, with what the parameters say.
pub(super) fn details(subscription: &Value, params: &Params) -> Value {
    let mut details = subscription["cancellation_details"].clone();
    for field in ["comment", "feedback"] {
        if let Some(said) = params.get(&format!("cancellation_details[{field}]")) {
            details[field] = json!(said);
        }
    }
    details
}
