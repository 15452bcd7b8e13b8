//! `/v1/customers`.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::Stripe;
use super::metadata;
use super::objects::{CUSTOMER, PAGING, list};
use super::params::Params;
use super::refusal::Refusal;

const URL: &str = "/v1/customers";
/// Plain text fields; an empty value clears one.
const TEXTS: [&str; 4] = ["email", "name", "description", "phone"];

pub(super) fn routes() -> Router<Stripe> {
    Router::new().route(URL, post(create).get(index)).route("/v1/customers/{id}", get(show).post(update))
}

impl Stripe {
    /// A customer under a chosen id; one that is there already stays as it is.
    pub fn add_customer(&self, id: &str, email: &str) {
        let now = self.seconds();
        let mut state = self.lock();
        if state.objects.find(CUSTOMER, id).is_err() {
            let mut customer = blank(id, now);
            customer["email"] = json!(email);
            state.objects.create(CUSTOMER, "customer.created", customer, now);
        }
    }
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Result<Json<Value>, Refusal> {
    check(&params)?;
    let now = stripe.seconds();
    let mut state = stripe.lock();
    let id = state.objects.fresh_id(CUSTOMER.prefix);
    let mut customer = blank(&id, now);
    customer.as_object_mut().into_iter().for_each(|customer| apply(customer, &params));
    Ok(Json(state.objects.create(CUSTOMER, "customer.created", customer, now)))
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    Ok(Json(stripe.lock().objects.find(CUSTOMER, &id)?.clone()))
}

async fn update(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Result<Json<Value>, Refusal> {
    check(&params)?;
    let now = stripe.seconds();
    let change = |customer: &mut Map<String, Value>| apply(customer, &params);
    Ok(Json(stripe.lock().objects.update(CUSTOMER, &id, "customer.updated", now, change)?))
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Result<Json<Value>, Refusal> {
    params.only(&[&PAGING[..], &["email"]].concat())?;
    let state = stripe.lock();
    let wanted = |customer: &&Value| params.get("email").is_none_or(|email| customer["email"] == email);
    Ok(Json(list(URL, &params, state.objects.all(CUSTOMER).filter(wanted).cloned().collect())?))
}

fn check(params: &Params) -> Result<(), Refusal> {
    params.only(&[&TEXTS[..], &["metadata"]].concat())?;
    metadata::check(params)
}

fn apply(customer: &mut Map<String, Value>, params: &Params) {
    for field in TEXTS {
        if let Some(value) = params.get(field) {
            customer.insert(field.to_owned(), if value.is_empty() { Value::Null } else { json!(value) });
        }
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
