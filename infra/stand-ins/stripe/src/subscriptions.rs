//! `/v1/subscriptions`: recurring payments. This file handles the calls and the dashboard's
//! actions. `billing_cycles.rs` handles the passage of time, and `prorations.rs` the cost of
//! changes.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, Answer, answer, text};
use super::billing_cycles::{self, NewItem, NewSubscription};
use super::billing_mode::BillingMode;
use super::cancellations;
use super::error::ApiError;
use super::invoicing::InvoiceDraft;
use super::metadata;
use super::objects::{CUSTOMER, PAGING, PRICE, SUBSCRIPTION, list, shown};
use super::params::{NoParams, Params};
use super::schedules;

const URL: &str = "/v1/subscriptions";
const UPDATED: &str = "customer.subscription.updated";
const BEHAVIORS: [&str; 4] = [
    "allow_incomplete",
    "default_incomplete",
    "error_if_incomplete",
    "pending_if_incomplete",
];
const PRORATIONS: [&str; 3] = ["always_invoice", "create_prorations", "none"];
const DAY: i64 = 86_400;

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, post(create).get(index))
        .route(
            "/v1/subscriptions/{id}",
            get(show).post(update).delete(cancel),
        )
        .route("/v1/subscriptions/{id}/resume", post(resume))
        .route("/v1/invoices/create_preview", post(preview))
}

impl Stripe {
    /// A subscription as Stripe would answer it.
    pub fn subscription(&self, id: &str) -> Result<Value, ApiError> {
        self.read(SUBSCRIPTION, id)
    }

    /// Every subscription, oldest first.
    pub fn subscriptions(&self) -> Vec<Value> {
        self.read_all(SUBSCRIPTION)
    }

    /// Ends the current period, whatever the clock says. Invoices the old period's usage and the
    /// next period's prices, and collects the invoice if the bank accepts. Ends a subscription that
    /// was set to end with its period; ends a trial.
    pub fn roll_period(&self, subscription: &str) -> Result<Value, ApiError> {
        self.account()
            .roll_period(subscription)
            .map(|subscription| shown(&subscription))
    }

    /// Ends the trial, whatever the clock says.
    pub fn end_trial(&self, subscription: &str) -> Result<Value, ApiError> {
        self.account()
            .end_trial(subscription)
            .map(|subscription| shown(&subscription))
    }

    /// Announces that a trial is about to end, as Stripe does three days before.
    pub fn emit_trial_will_end(&self, subscription: &str) -> Result<(), ApiError> {
        let mut account = self.account();
        let found = account.find(SUBSCRIPTION, subscription)?;
        account.emit("customer.subscription.trial_will_end", &found);
        Ok(())
    }

    /// Expires a subscription whose first invoice was not paid within 23 hours.
    pub fn expire_subscription(&self, subscription: &str) -> Result<Value, ApiError> {
        self.account()
            .expire_subscription(subscription)
            .map(|subscription| shown(&subscription))
    }
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[
        "billing_mode",
        "cancel_at_period_end",
        "collection_method",
        "currency",
        "customer",
        "default_payment_method",
        "description",
        "items",
        "metadata",
        "off_session",
        "payment_behavior",
        "payment_settings",
        "proration_behavior",
        "trial_end",
        "trial_period_days",
        "trial_settings",
    ])?;
    let customer = params.required("customer")?;
    let behavior = params
        .word("payment_behavior", &BEHAVIORS)?
        .unwrap_or("allow_incomplete");
    params.word("collection_method", &["charge_automatically"])?;
    let mut account = stripe.account();
    let found = account.customer(customer);
    let found =
        found.map_err(|_| ApiError::no_such_reference(CUSTOMER.noun, customer, "customer"))?;
    let method = default_method(&account, customer, &params)?;
    let items = wanted_items(&account, &params)?;
    let trial_end = trial_end(&params, account.now)?;
    let due = trial_end.is_none()
        && items.iter().any(|item| {
            item.quantity
                .is_some_and(|n| account.cost(&item.price, n) > 0)
        });
    if due && behavior != "default_incomplete" {
        let default_method = method
            .as_str()
            .or(found["invoice_settings"]["default_payment_method"].as_str());
        if default_method.is_none() {
            return Err(ApiError::no_method());
        }
        if behavior == "error_if_incomplete" {
            let default_method = default_method.map(str::to_owned);
            account.require_payment(customer, default_method.as_deref())?;
        }
    }
    let missing = params
        .word(MISSING, &["cancel", "create_invoice", "pause"])?
        .unwrap_or("create_invoice");
    let start = NewSubscription {
        customer: customer.to_owned(),
        items,
        one_time: Vec::new(),
        method,
        trial_end,
        missing_method: missing.to_owned(),
        metadata: metadata::new(&params)?,
        description: json!(params.get("description")),
        cancel_at_period_end: params.boolean("cancel_at_period_end")?.unwrap_or(false),
        pay_immediately: behavior != "default_incomplete",
        billing_mode: BillingMode::wanted(&params)?,
    };
    let (id, _) = account.start_subscription(start)?;
    answer(&account.find(SUBSCRIPTION, &id)?)
}

const MISSING: &str = "trial_settings[end_behavior][missing_payment_method]";

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(SUBSCRIPTION, &id)?)
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[&PAGING[..], &["created", "customer", "price", "status"]].concat())?;
    // Without a status, cancelled subscriptions are left out.
    let status = |subscription: &Value| match params.get("status") {
        Some("all") => true,
        Some("ended") => !subscription["ended_at"].is_null(),
        Some(status) => subscription["status"] == status,
        None => subscription["status"] != "canceled",
    };
    let priced = |subscription: &Value, id: &str| {
        super::lines::items(subscription)
            .iter()
            .any(|item| item["price"]["id"] == id)
    };
    let wanted = |subscription: &Value| {
        params
            .get("customer")
            .is_none_or(|customer| subscription["customer"] == customer)
            && params
                .get("price")
                .is_none_or(|price| priced(subscription, price))
            && status(subscription)
    };
    Ok(Json(list(
        URL,
        &params,
        stripe.account().select(SUBSCRIPTION, wanted),
    )?))
}

async fn update(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[
        "cancel_at",
        "cancel_at_period_end",
        "cancellation_details",
        "default_payment_method",
        "description",
        "items",
        "metadata",
        "off_session",
        "pause_collection",
        "payment_behavior",
        "proration_behavior",
        "proration_date",
        "trial_end",
    ])?;
    let behavior = params
        .word("payment_behavior", &BEHAVIORS)?
        .unwrap_or("allow_incomplete");
    let proration = params
        .word("proration_behavior", &PRORATIONS)?
        .unwrap_or("create_prorations");
    let mut account = stripe.account();
    let subscription = account.live(&id)?;
    schedules::refuse_managed(&subscription, &params)?;
    let fields = changed_fields(&account, &subscription, &params)?;
    if params.get("trial_end") == Some("now") && subscription["status"] == "trialing" {
        account.update(SUBSCRIPTION, &id, UPDATED, fields)?;
        return answer(&account.end_trial(&id)?);
    }
    let rows = params.rows("items");
    if rows.is_empty() {
        return answer(&account.update(SUBSCRIPTION, &id, UPDATED, fields)?);
    }
    let at = params.integer("proration_date")?.unwrap_or(account.now);
    let change = account.preview_change(&subscription, &rows, proration != "none", at)?;
    let at_once = proration == "always_invoice";
    let cost = super::lines::sum(&change.prorations) + super::lines::sum(&change.usage);
    let due = at_once && cost > 0 || change.new_period.is_some();
    if due && behavior == "error_if_incomplete" {
        let customer = account.customer(text(&subscription, "customer"))?;
        let method = subscription["default_payment_method"].as_str();
        let method = method.or(customer["invoice_settings"]["default_payment_method"].as_str());
        account.require_payment(text(&customer, "id"), method)?;
    }
    answer(&account.apply_change(&id, change, fields, at_once)?)
}

async fn cancel(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["cancellation_details", "invoice_now", "prorate"])?;
    let mut account = stripe.account();
    let subscription = account.live(&id)?;
    account.set(
        SUBSCRIPTION,
        &id,
        json!({"cancellation_details": cancellations::details(&subscription, &params)}),
    )?;
    let unused = if params.boolean("prorate")? == Some(true) {
        account.unused_lines(&subscription)
    } else {
        Vec::new()
    };
    if params.boolean("invoice_now")? == Some(true) {
        let mut lines = account.usage_lines(&subscription, billing_cycles::period(&subscription));
        lines.extend(unused);
        return answer(&account.end_with_invoice(&subscription, lines)?);
    }
    if !unused.is_empty() {
        return Err(ApiError::invalid(
            "The stand-in has no pending invoice items: prorate with `invoice_now`.",
        ));
    }
    answer(&account.end_subscription(&id, "cancellation_requested")?)
}

async fn resume(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["billing_cycle_anchor", "proration_behavior"])?;
    answer(&stripe.account().resume_subscription(&id)?)
}

async fn preview(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[
        "customer",
        "preview_mode",
        "subscription",
        "subscription_details",
    ])?;
    let details = params.inside("subscription_details");
    details.only(&[
        "cancel_at_period_end",
        "items",
        "proration_behavior",
        "proration_date",
        "trial_end",
    ])?;
    let proration = details
        .word("proration_behavior", &PRORATIONS)?
        .unwrap_or("create_prorations");
    let mut account = stripe.account();
    let subscription = account.live(params.required("subscription")?)?;
    let at = details.integer("proration_date")?.unwrap_or(account.now);
    let change = account.preview_change(
        &subscription,
        &details.rows("items"),
        proration != "none",
        at,
    )?;
    let old = billing_cycles::period(&subscription);
    let mut after = subscription.clone();
    after["items"]["data"] = json!(change.items);
    let mut lines = billing_cycles::pending(&subscription);
    lines.extend(change.prorations);
    lines.extend(change.usage);
    if let Some(new) = change.new_period {
        lines.extend(account.advance_lines(&after, new));
    } else if proration != "always_invoice" {
        let anchor = subscription["billing_cycle_anchor"]
            .as_i64()
            .unwrap_or_default();
        let end = super::periods::end(anchor, old.1, &billing_cycles::price(&after));
        lines.extend(account.usage_lines(&subscription, old));
        lines.extend(account.advance_lines(&after, (old.1, end)));
    }
    let mut invoice = account.invoice_shape(InvoiceDraft {
        subscription: &after,
        reason: "upcoming",
        lines,
        period: old,
    })?;
    invoice["id"] = json!(account.objects.fresh_id("upcoming_in"));
    answer(&invoice)
}

fn changed_fields(
    account: &Account<'_>,
    subscription: &Value,
    params: &Params,
) -> Result<Value, ApiError> {
    let mut fields = json!({"metadata": metadata::merged(subscription, params)?});
    let ends = cancellations::changed(subscription, params, account.now)?;
    fields.as_object_mut().into_iter().for_each(|fields| {
        fields.extend(ends.as_object().cloned().unwrap_or_default());
    });
    if params.mentions("pause_collection") {
        let behavior = ["keep_as_draft", "mark_uncollectible", "void"];
        let behavior = params.word("pause_collection[behavior]", &behavior)?;
        let resumes_at = params.integer("pause_collection[resumes_at]")?;
        fields["pause_collection"] = behavior.map_or(
            Value::Null,
            |behavior| json!({"behavior": behavior, "resumes_at": resumes_at}),
        );
    }
    if params.mentions("default_payment_method") {
        fields["default_payment_method"] =
            default_method(account, text(subscription, "customer"), params)?;
    }
    if let Some(description) = params.get("description") {
        fields["description"] = json!(description);
    }
    if let Some(end) = params.get("trial_end").filter(|end| *end != "now")
        && subscription["status"] == "trialing"
    {
        let end = end
            .parse::<i64>()
            .map_err(|_| ApiError::invalid("Invalid timestamp").about("trial_end"))?;
        let mut items = subscription["items"].clone();
        items["data"]
            .as_array_mut()
            .into_iter()
            .flatten()
            .for_each(|item| item["current_period_end"] = json!(end));
        fields["trial_end"] = json!(end);
        fields["billing_cycle_anchor"] = json!(end);
        fields["items"] = items;
    }
    Ok(fields)
}

fn default_method(
    account: &Account<'_>,
    customer: &str,
    params: &Params,
) -> Result<Value, ApiError> {
    match params
        .get("default_payment_method")
        .filter(|method| !method.is_empty())
    {
        Some(method) => account.own_method(customer, method).map(Value::String),
        None => Ok(Value::Null),
    }
}

/// The end of the trial, if there is one.
pub(super) fn trial_end(params: &Params, now: i64) -> Result<Option<i64>, ApiError> {
    let end = match (
        params.get("trial_end"),
        params.integer("trial_period_days")?,
    ) {
        (Some("now"), _) => return Ok(None),
        (Some(_), _) => params.integer("trial_end")?,
        (None, Some(days)) => Some(now + days * DAY),
        (None, None) => None,
    };
    match end {
        Some(end) if end < now => {
            Err(ApiError::invalid("Invalid timestamp: must be in the future").about("trial_end"))
        }
        Some(end) if end == now => Ok(None),
        end => Ok(end),
    }
}

fn wanted_items(account: &Account<'_>, params: &Params) -> Result<Vec<NewItem>, ApiError> {
    let rows = params.rows("items");
    if rows.is_empty() {
        return Err(ApiError::missing_parameter("items"));
    }
    let items = rows
        .iter()
        .enumerate()
        .map(|(at, row)| wanted(account, row, &format!("items[{at}]")));
    let items: Vec<NewItem> = items.collect::<Result<_, ApiError>>()?;
    let pace = |item: &NewItem| {
        let recurring = &item.price["recurring"];
        (
            recurring["interval"].clone(),
            recurring["interval_count"].clone(),
            item.price["currency"].clone(),
        )
    };
    if items.iter().any(|item| pace(item) != pace(&items[0])) {
        let message =
            "Currency and interval fields must match across all plans on this subscription.";
        return Err(ApiError::invalid(message).about("items"));
    }
    Ok(items)
}

/// One item from a row of parameters.
pub(super) fn wanted(account: &Account<'_>, row: &Params, name: &str) -> Result<NewItem, ApiError> {
    row.only(&["price", "quantity", "metadata"])?;
    let at = format!("{name}[price]");
    let id = row
        .get("price")
        .filter(|id| !id.is_empty())
        .ok_or_else(|| ApiError::missing_parameter(&at))?;
    let price = recurring_price(account, id, &at)?;
    let given = row.integer("quantity")?;
    if price["recurring"]["usage_type"] != "metered" {
        return Ok(NewItem {
            price,
            quantity: Some(given.unwrap_or(1)),
            metadata: metadata::new(row)?,
        });
    }
    if given.is_some() {
        let message = format!("You cannot set the quantity for metered plan {id}.");
        return Err(ApiError::invalid(message).about(&format!("{name}[quantity]")));
    }
    Ok(NewItem {
        price,
        quantity: None,
        metadata: metadata::new(row)?,
    })
}

/// A price that can be subscribed to.
pub(super) fn recurring_price(
    account: &Account<'_>,
    id: &str,
    param: &str,
) -> Result<Value, ApiError> {
    let price = account
        .find(PRICE, id)
        .map_err(|_| ApiError::no_such_reference(PRICE.noun, id, param))?;
    if price["type"] != "recurring" {
        let message = "The price specified is set to `type=one_time` but this field only accepts prices with \
                       `type=recurring`.";
        return Err(ApiError::invalid(message).about(param));
    }
    if price["active"] != true {
        let message = "The price specified is inactive. This field only accepts active prices.";
        return Err(ApiError::invalid(message).about(param));
    }
    Ok(price)
}
