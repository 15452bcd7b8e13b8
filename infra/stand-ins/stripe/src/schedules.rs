//! `/v1/subscription_schedules`: changes of a subscription at the end of its period.
//!
//! As documented: a schedule from a subscription takes no other parameter, a subscription has at most
//! one, only one that is not started or active can be changed or released, and the end of the last
//! phase releases the subscription (docs.stripe.com/billing/subscriptions/subscription-schedules).

use axum::Router;
use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, Answer, answer, number, shape, text};
use super::billing_cycles::{self, NewItem};
use super::error::ApiError;
use super::lines::items;
use super::metadata;
use super::objects::{PRICE, SCHEDULE, SUBSCRIPTION};
use super::params::{NoParams, Params};
use super::periods;
use super::subscriptions::wanted;

const URL: &str = "/v1/subscription_schedules";
const UPDATED: &str = "subscription_schedule.updated";
const RELEASED: &str = "subscription_schedule.released";
const PRORATIONS: [&str; 3] = ["always_invoice", "create_prorations", "none"];

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, post(create))
        .route("/v1/subscription_schedules/{id}", get(show).post(update))
        .route("/v1/subscription_schedules/{id}/release", post(release))
}

impl Stripe {
    /// Every schedule, oldest first.
    pub fn schedules(&self) -> Vec<Value> {
        self.read_all(SCHEDULE)
    }

    /// Releases a schedule, as a person does at the dashboard.
    pub fn release_schedule(&self, id: &str) -> Result<Value, ApiError> {
        self.account().release_schedule(id)
    }
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(SCHEDULE, &id)?)
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Answer {
    // The stand-in knows only schedules of subscriptions that exist, and with `from_subscription`
    // "other parameters (such as phase values) cannot be set".
    params.only(&["from_subscription"])?;
    let mut account = stripe.account();
    let subscription = account.live(params.required("from_subscription")?)?;
    if !subscription["schedule"].is_null() {
        let message = "You cannot migrate a subscription that is already attached to a schedule.";
        return Err(ApiError::invalid(message).about("from_subscription"));
    }
    let id = account.fresh_id(SCHEDULE);
    let now = account.now;
    let period = billing_cycles::period(&subscription);
    let present: Vec<Value> = items(&subscription).iter().map(phase_item).collect();
    let mut phase = phase_shape(&subscription, period, present, "create_prorations");
    phase["trial_end"] = subscription["trial_end"].clone();
    let schedule = shape(
        &NULLS,
        json!({
            "id": id,
            "object": SCHEDULE.object,
            "billing_mode": subscription["billing_mode"],
            "created": now,
            "current_phase": {"start_date": period.0, "end_date": period.1},
            "customer": subscription["customer"],
            "default_settings": default_settings(&subscription),
            "end_behavior": "release",
            "livemode": false,
            "metadata": {},
            "pause_schedules": [],
            "phases": [phase],
            "status": "active",
            "subscription": subscription["id"],
        }),
    );
    account.create(SCHEDULE, "subscription_schedule.created", schedule.clone());
    let fields = json!({"schedule": id});
    account.set(SUBSCRIPTION, text(&subscription, "id"), fields)?;
    answer(&schedule)
}

async fn update(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[
        "default_settings",
        "end_behavior",
        "metadata",
        "phases",
        "proration_behavior",
    ])?;
    params.word("end_behavior", &["release"])?;
    params.word("proration_behavior", &PRORATIONS)?;
    let mut account = stripe.account();
    let schedule = account.active_schedule(&id, "update")?;
    let subscription = account.find(SUBSCRIPTION, text(&schedule, "subscription"))?;
    if let Some(method) = params.get("default_settings[default_payment_method]") {
        let method = account.own_method(text(&subscription, "customer"), method)?;
        let mut settings = schedule["default_settings"].clone();
        settings["default_payment_method"] = json!(method);
        let fields = json!({"default_settings": settings});
        return answer(&account.update(SCHEDULE, &id, UPDATED, fields)?);
    }
    let mut phases: Vec<Value> = Vec::new();
    for (place, row) in params.rows("phases").iter().enumerate() {
        let begins = phases.last().map(|before| number(before, "end_date"));
        phases.push(account.phase(&subscription, row, (place, begins))?);
    }
    let present = phases
        .first()
        .ok_or_else(|| ApiError::missing_parameter("phases"))?;
    if present["start_date"] != schedule["current_phase"]["start_date"] {
        let message = "You can not modify the start date of the current phase.";
        return Err(ApiError::invalid(message).about("phases[0][start_date]"));
    }
    let stays: Vec<Value> = items(&subscription).iter().map(phase_item).collect();
    if present["items"] != Value::Array(stays) {
        return Err(ApiError::invalid(
            "The stand-in does not change the current phase's items.",
        ));
    }
    let fields = json!({
        "current_phase": {"start_date": present["start_date"], "end_date": present["end_date"]},
        "metadata": metadata::merged(&schedule, &params)?,
        "phases": phases,
    });
    answer(&account.update(SCHEDULE, &id, UPDATED, fields)?)
}

async fn release(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["preserve_cancel_date"])?;
    answer(&stripe.account().release_schedule(&id)?)
}

impl Account<'_> {
    fn active_schedule(&self, id: &str, verb: &str) -> Result<Value, ApiError> {
        let schedule = self.find(SCHEDULE, id)?;
        let status = text(&schedule, "status");
        if ["active", "not_started"].contains(&status) {
            return Ok(schedule);
        }
        Err(ApiError::invalid(format!(
            "You cannot {verb} a subscription schedule that is currently in the `{status}` status."
        )))
    }

    fn release_schedule(&mut self, id: &str) -> Result<Value, ApiError> {
        let schedule = self.active_schedule(id, "release")?;
        let subscription = text(&schedule, "subscription").to_owned();
        self.set(SUBSCRIPTION, &subscription, json!({"schedule": null}))?;
        let fields = json!({
            "current_phase": null,
            "released_at": self.now,
            "released_subscription": subscription,
            "status": "released",
            "subscription": null,
        });
        self.update(SCHEDULE, id, RELEASED, fields)
    }

    /// One phase from a row of parameters. It begins where the one before ends.
    fn phase(
        &self,
        subscription: &Value,
        row: &Params,
        (place, begins): (usize, Option<i64>),
    ) -> Result<Value, ApiError> {
        row.only(&[
            "discounts",
            "duration",
            "end_date",
            "items",
            "proration_behavior",
            "start_date",
            "trial_end",
        ])?;
        let named = |field: &str| format!("phases[{place}][{field}]");
        let start = row.integer("start_date")?.or(begins);
        let start = start.ok_or_else(|| ApiError::missing_parameter(&named("start_date")))?;
        if begins.is_some_and(|begins| begins != start) {
            let message = "The start date of a phase must be the end date of the one before.";
            return Err(ApiError::invalid(message).about(&named("start_date")));
        }
        let mut sold = Vec::new();
        for (at, item) in row.rows("items").iter().enumerate() {
            let item = wanted(self, item, &named(&format!("items][{at}")))?;
            sold.push(json!({"price": item.price, "quantity": item.quantity}));
        }
        let first = sold
            .first()
            .ok_or_else(|| ApiError::missing_parameter(&named("items")))?;
        let end = match row.integer("end_date")? {
            Some(end) => end,
            None => duration_end(row, start, &first["price"])?,
        };
        if end <= start {
            let message = "The end date of a phase must be after its start date.";
            return Err(ApiError::invalid(message).about(&named("end_date")));
        }
        let proration = row.word("proration_behavior", &PRORATIONS)?;
        let sold = sold.iter().map(phase_item).collect();
        let proration = proration.unwrap_or("create_prorations");
        let mut phase = phase_shape(subscription, (start, end), sold, proration);
        phase["trial_end"] = json!(row.integer("trial_end")?);
        Ok(phase)
    }

    /// What a subscription is when its period ends at this moment: with the items of the schedule's
    /// next phase if that begins now. The end of the last phase releases the subscription.
    pub fn enter_phase(&mut self, subscription: &Value, at: i64) -> Result<Value, ApiError> {
        let Some(id) = subscription["schedule"].as_str() else {
            return Ok(subscription.clone());
        };
        let schedule = self.find(SCHEDULE, id)?;
        if number(&schedule["current_phase"], "end_date") > at {
            return Ok(subscription.clone());
        }
        let phases = schedule["phases"].as_array().cloned().unwrap_or_default();
        let next = phases
            .iter()
            .find(|phase| number(phase, "start_date") >= at);
        let Some(next) = next else {
            self.release_schedule(id)?;
            return self.find(SUBSCRIPTION, text(subscription, "id"));
        };
        let period = {
            let price = self.find(PRICE, text(&next["items"][0], "price"))?;
            (at, periods::end(at, at, &price))
        };
        let mut data = Vec::new();
        for item in next["items"].as_array().into_iter().flatten() {
            let present = items(subscription).iter();
            let same = present.filter(|one| one["price"]["id"] == item["price"]);
            if let Some(same) = same.clone().next() {
                data.push(same.clone());
                continue;
            }
            let wanted = NewItem {
                price: self.find(PRICE, text(item, "price"))?,
                quantity: item["quantity"].as_i64(),
                metadata: json!({}),
            };
            data.push(self.item_shape(text(subscription, "id"), &wanted, period));
        }
        let current = json!({"start_date": next["start_date"], "end_date": next["end_date"]});
        self.update(SCHEDULE, id, UPDATED, json!({"current_phase": current}))?;
        // A phase without a payment method has that of the default settings.
        let method = &schedule["default_settings"]["default_payment_method"];
        let fields = json!({"default_payment_method": method});
        let mut after = self.set(SUBSCRIPTION, text(subscription, "id"), fields)?;
        after["items"]["data"] = Value::Array(data);
        Ok(after)
    }

    /// Ends the schedule of a subscription that has ended.
    pub fn end_schedule(&mut self, subscription: &Value) -> Result<(), ApiError> {
        let Some(id) = subscription["schedule"].as_str().map(str::to_owned) else {
            return Ok(());
        };
        if self.active_schedule(&id, "cancel").is_err() {
            return Ok(());
        }
        let fields = json!({"canceled_at": self.now, "current_phase": null, "status": "canceled"});
        self.update(SCHEDULE, &id, "subscription_schedule.canceled", fields)?;
        Ok(())
    }
}

/// Refuses to change the end of a subscription that a schedule manages. Stripe answers exactly this:
/// github.com/dust-tt/dust/pull/32051.
pub(super) fn refuse_managed(subscription: &Value, params: &Params) -> Result<(), ApiError> {
    let ends = params.mentions("cancel_at") || params.mentions("cancel_at_period_end");
    match subscription["schedule"].as_str() {
        Some(schedule) if ends => Err(ApiError::invalid(format!(
            "The subscription is managed by the subscription schedule `{schedule}`, and updating any cancelation behavior \
             directly is not allowed. Please update the schedule instead."
        ))),
        _ => Ok(()),
    }
}

fn duration_end(row: &Params, start: i64, price: &Value) -> Result<i64, ApiError> {
    let duration = row.inside("duration");
    duration.only(&["interval", "interval_count"])?;
    let interval = duration.required("interval")?;
    let count = duration.integer("interval_count")?.unwrap_or(1);
    let mut pace = price.clone();
    pace["recurring"]["interval"] = json!(interval);
    pace["recurring"]["interval_count"] = json!(count);
    Ok(periods::end(start, start, &pace))
}

fn phase_item(item: &Value) -> Value {
    let price = &item["price"]["id"];
    let mut shown = json!({
        "billing_thresholds": null,
        "discounts": [],
        "metadata": {},
        "plan": price,
        "price": price,
        "tax_rates": [],
    });
    if let Some(quantity) = item["quantity"].as_i64() {
        shown["quantity"] = json!(quantity);
    }
    shown
}

fn phase_shape(
    subscription: &Value,
    (start, end): (i64, i64),
    sold: Vec<Value>,
    proration: &str,
) -> Value {
    shape(
        &PHASE_NULLS,
        json!({
            "add_invoice_items": [],
            "currency": subscription["currency"],
            "default_tax_rates": [],
            "discounts": [],
            "end_date": end,
            "items": sold,
            "metadata": {},
            "proration_behavior": proration,
            "start_date": start,
        }),
    )
}

fn default_settings(subscription: &Value) -> Value {
    json!({
        "application_fee_percent": null,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
        "billing_cycle_anchor": "automatic",
        "billing_thresholds": null,
        "collection_method": "charge_automatically",
        "default_payment_method": subscription["default_payment_method"],
        "description": null,
        "invoice_settings": {"account_tax_ids": null, "custom_fields": null, "days_until_due": null, "description": null, "footer": null, "issuer": {"type": "self"}},
        "on_behalf_of": null,
        "transfer_data": null,
    })
}

const NULLS: [&str; 7] = [
    "application",
    "canceled_at",
    "completed_at",
    "customer_account",
    "released_at",
    "released_subscription",
    "test_clock",
];

const PHASE_NULLS: [&str; 10] = [
    "application_fee_percent",
    "billing_cycle_anchor",
    "billing_thresholds",
    "collection_method",
    "default_payment_method",
    "description",
    "invoice_settings",
    "on_behalf_of",
    "transfer_data",
    "trial_end",
];
