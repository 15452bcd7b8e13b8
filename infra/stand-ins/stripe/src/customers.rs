//! `/v1/customers`.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::Stripe;
use super::account::{Account, answer, text};
use super::error::ApiError;
use super::metadata;
use super::objects::{CUSTOMER, PAGING, SUBSCRIPTION, list};
use super::params::{NoParams, Params};

const URL: &str = "/v1/customers";
/// A search finds a new object only after this time; reading it by id or listing finds it at once.
const SEARCH_LAGS_SECONDS: i64 = 60;
const DEFAULT_METHOD: &str = "invoice_settings[default_payment_method]";
/// Plain text fields; an empty value clears one.
const TEXTS: [&str; 4] = ["email", "name", "description", "phone"];
const ADDRESS: [&str; 6] = ["city", "country", "line1", "line2", "postal_code", "state"];

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, post(create).get(index))
        .route("/v1/customers/search", get(search))
        .route("/v1/customers/{id}", get(show).post(update).delete(remove))
}

impl Stripe {
    /// Deletes a customer at the dashboard. Their subscriptions end, and they can no longer be
    /// found by email.
    pub fn delete_customer(&self, id: &str) -> Result<Value, ApiError> {
        self.account().delete_customer(id)
    }

    /// A customer as Stripe would answer it.
    pub fn customer(&self, id: &str) -> Result<Value, ApiError> {
        self.read(CUSTOMER, id)
    }

    /// All customers, oldest first.
    pub fn customers(&self) -> Vec<Value> {
        self.read_all(CUSTOMER)
    }

    /// Adds a customer under a chosen id. An existing customer stays unchanged.
    pub fn add_customer(&self, id: &str, email: &str) {
        let now = self.seconds();
        let mut state = self.lock();
        if state.objects.find(CUSTOMER, id).is_err() {
            let mut customer = blank(id, now);
            customer["email"] = json!(email);
            state
                .objects
                .create(CUSTOMER, "customer.created", customer, now);
        }
    }
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Result<Json<Value>, ApiError> {
    check(&params)?;
    let now = stripe.seconds();
    let mut account = stripe.account();
    let method = params
        .get("payment_method")
        .filter(|method| !method.is_empty());
    method
        .map(|method| account.check_attachable(method))
        .transpose()?;
    let id = account.fresh_id(CUSTOMER);
    let mut customer = blank(&id, now);
    customer
        .as_object_mut()
        .into_iter()
        .for_each(|customer| apply(customer, &params));
    let customer = account.create(CUSTOMER, "customer.created", customer);
    let Some(method) = method else {
        return Ok(Json(customer));
    };
    account.attach(method, &id)?;
    answer(&account.customer(&id)?)
}

async fn show(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(stripe.lock().objects.find(CUSTOMER, &id)?.clone()))
}

async fn update(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    check(&params)?;
    let mut account = stripe.account();
    let mut customer = account.customer(&id)?;
    if let Some(method) = params.get(DEFAULT_METHOD) {
        let method = if method.is_empty() {
            Value::Null
        } else {
            json!(account.own_method(&id, method)?)
        };
        customer["invoice_settings"]["default_payment_method"] = method;
    }
    customer
        .as_object_mut()
        .into_iter()
        .for_each(|customer| apply(customer, &params));
    answer(&account.update(CUSTOMER, &id, "customer.updated", customer)?)
}

async fn remove(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(stripe.account().delete_customer(&id)?))
}

impl Account<'_> {
    /// Deletes a customer and ends their subscriptions. Only a deletion marker remains.
    fn delete_customer(&mut self, id: &str) -> Result<Value, ApiError> {
        let customer = self.customer(id)?;
        let live = |subscription: &Value| {
            subscription["customer"] == id && subscription["ended_at"].is_null()
        };
        for subscription in self.select(SUBSCRIPTION, live) {
            self.end_subscription(text(&subscription, "id"), "cancellation_requested")?;
        }
        let gone = json!({"id": id, "object": CUSTOMER.object, "deleted": true});
        self.objects.remove(CUSTOMER, id)?;
        self.objects.insert(CUSTOMER, gone.clone());
        self.emit("customer.deleted", &customer);
        Ok(gone)
    }
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Result<Json<Value>, ApiError> {
    params.only(&[&PAGING[..], &["created", "email"]].concat())?;
    let state = stripe.lock();
    let there = |customer: &&Value| customer["deleted"] != true;
    let wanted = |customer: &&Value| {
        params
            .get("email")
            .is_none_or(|email| customer["email"] == email)
    };
    Ok(Json(list(
        URL,
        &params,
        state
            .objects
            .all(CUSTOMER)
            .filter(there)
            .filter(wanted)
            .cloned()
            .collect(),
    )?))
}

/// Searches by one metadata field, the only supported query: `metadata["name"]:"value"`.
async fn search(From(stripe): From<Stripe>, params: Params) -> Result<Json<Value>, ApiError> {
    params.only(&["query", "limit", "page"])?;
    let query = params.get("query").unwrap_or_default();
    let note = query
        .strip_prefix("metadata[\"")
        .and_then(|rest| rest.strip_suffix('"')?.split_once("\"]:\""));
    let (name, value) =
        note.ok_or_else(|| ApiError::invalid("We were unable to parse your search query."))?;
    let seen_until = stripe.seconds() - SEARCH_LAGS_SECONDS;
    let seen = |one: &&Value| {
        one["created"]
            .as_i64()
            .is_some_and(|created| created <= seen_until)
    };
    let state = stripe.lock();
    let found = state
        .objects
        .all(CUSTOMER)
        .filter(|one| one["deleted"] != true && one["metadata"][name] == value);
    let data: Vec<_> = found.filter(seen).cloned().collect();
    Ok(Json(
        json!({"object": "search_result", "url": "/v1/customers/search", "has_more": false, "data": data}),
    ))
}

fn check(params: &Params) -> Result<(), ApiError> {
    params.only(
        &[
            &TEXTS[..],
            &["address", "metadata", "invoice_settings", "payment_method"],
        ]
        .concat(),
    )?;
    params
        .inside("invoice_settings")
        .only(&["default_payment_method"])?;
    params.inside("address").only(&ADDRESS)?;
    metadata::check(params)
}

fn apply(customer: &mut Map<String, Value>, params: &Params) {
    for field in TEXTS {
        if let Some(value) = params.get(field) {
            customer.insert(
                field.to_owned(),
                if value.is_empty() {
                    Value::Null
                } else {
                    json!(value)
                },
            );
        }
    }
    if params.mentions("address") {
        let new = params.inside("address");
        let old = customer.get("address").cloned().unwrap_or_default();
        let field = |name: &str| match new.get(name) {
            Some("") => Value::Null,
            Some(text) => json!(text),
            None => old[name].clone(),
        };
        let address = ADDRESS.map(|name| (name.to_owned(), field(name)));
        let address = address.into_iter().collect();
        customer.insert("address".to_owned(), Value::Object(address));
    }
    if let Some(metadata) = customer.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata::merge(metadata, params);
    }
}

pub(super) fn blank(id: &str, now: i64) -> Value {
    json!({
        "id": id,
        "object": CUSTOMER.object,
        "address": null,
        "balance": 0,
        "created": now,
        "currency": null,
        "default_source": null,
        "delinquent": false,
        "description": null,
        "email": null,
        "invoice_prefix": id.chars().rev().take(8).collect::<String>().to_uppercase(),
        "invoice_settings": {
            "custom_fields": null,
            "default_payment_method": null,
            "footer": null,
            "rendering_options": null,
        },
        "livemode": false,
        "metadata": {},
        "name": null,
        "next_invoice_sequence": 1,
        "phone": null,
        "preferred_locales": [],
        "shipping": null,
        "tax_exempt": "none",
        "test_clock": null,
    })
}
