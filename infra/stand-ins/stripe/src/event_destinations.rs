//! `/v2/core/event_destinations`: where thin events are sent. This API takes JSON and pages by
//! addresses. The secret is returned only at creation, and only if the request includes it. The
//! stand-in itself delivers nothing.

use axum::extract::{Path, Query, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use stand_in_shared::dates::iso;

use super::Stripe;
use super::account::Answer;
use super::error::ApiError;
use super::objects::{DESTINATION, PRIVATE};

const SECRET: &str = "webhook_endpoint.signing_secret";
const URL: &str = "webhook_endpoint.url";
const PAGE_ITEMS: usize = 10;
const KNOWN: [&str; 11] = [
    "amazon_eventbridge",
    "azure_event_grid",
    "description",
    "enabled_events",
    "event_payload",
    "events_from",
    "include",
    "metadata",
    "name",
    "type",
    "webhook_endpoint",
];
const CHANGEABLE: [&str; 6] = [
    "description",
    "enabled_events",
    "include",
    "metadata",
    "name",
    "webhook_endpoint",
];

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route("/v2/core/event_destinations", post(create).get(index))
        .route("/v2/core/event_destinations/{id}", get(show).post(update))
        .route("/v2/core/event_destinations/{id}/enable", post(enable))
        .route("/v2/core/event_destinations/{id}/disable", post(disable))
}

async fn create(From(stripe): From<Stripe>, Json(body): Json<Value>) -> Answer {
    only(&body, &KNOWN)?;
    for name in ["enabled_events", "event_payload", "name", "type"] {
        if body[name].is_null() {
            return Err(ApiError::missing_parameter(name));
        }
    }
    if body["type"] != "webhook_endpoint" || body["event_payload"] != "thin" {
        let message = "This account only has thin events for webhook endpoints.";
        return Err(ApiError::invalid(message).about("type"));
    }
    let url = body["webhook_endpoint"]["url"].as_str();
    let url = url.ok_or_else(|| ApiError::missing_parameter("webhook_endpoint.url"))?;
    let mut account = stripe.account();
    let id = account.fresh_id(DESTINATION);
    let secret = account.objects.fresh_id("whsec");
    let destination = json!({
        "id": id,
        "object": DESTINATION.object,
        "created": iso(account.now * 1_000),
        "description": body["description"].as_str().unwrap_or_default(),
        "enabled_events": body["enabled_events"],
        "event_payload": "thin",
        "events_from": ["self"],
        "livemode": false,
        "metadata": body["metadata"].as_object().cloned().unwrap_or_default(),
        "name": body["name"],
        "status": "enabled",
        "type": "webhook_endpoint",
        "updated": iso(account.now * 1_000),
        PRIVATE: {"signing_secret": secret, "url": url},
    });
    account.objects.insert(DESTINATION, destination.clone());
    Ok(Json(seen(destination, &included(&body))))
}

async fn index(From(stripe): From<Stripe>, Query(query): Query<Vec<(String, String)>>) -> Answer {
    only_asked(&query, &["include", "limit"])?;
    let limit = query.iter().find(|(name, _)| name == "limit");
    let limit = limit.map_or(Ok(PAGE_ITEMS), |(_, limit)| limit.parse());
    let limit = limit.map_err(|_| ApiError::invalid("Invalid integer").about("limit"))?;
    let account = stripe.account();
    let mut all = account.select(DESTINATION, |_: &Value| true);
    all.reverse();
    let included = asked(&query);
    let data: Vec<Value> = all
        .into_iter()
        .map(|one| seen(one, &without_secret(&included)))
        .collect();
    // Stripe's address of the next page is its own affair, and nobody asks for it here.
    let more = (data.len() > limit).then_some("/v2/core/event_destinations?page=2");
    let page = &data[..limit.min(data.len())];
    Ok(Json(
        json!({"data": page, "next_page_url": more, "previous_page_url": null}),
    ))
}

async fn show(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Answer {
    only_asked(&query, &["include"])?;
    let found = stripe.account().find(DESTINATION, &id)?;
    Ok(Json(seen(found, &without_secret(&asked(&query)))))
}

async fn update(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Answer {
    only(&body, &CHANGEABLE)?;
    let mut account = stripe.account();
    let mut destination = account.find(DESTINATION, &id)?;
    for name in ["description", "enabled_events", "metadata", "name"] {
        if !body[name].is_null() {
            destination[name] = body[name].clone();
        }
    }
    let url = &body["webhook_endpoint"]["url"];
    if !url.is_null() {
        destination[PRIVATE]["url"] = url.clone();
    }
    destination["updated"] = json!(iso(account.now * 1_000));
    let changed = account.set(DESTINATION, &id, destination)?;
    Ok(Json(seen(changed, &without_secret(&included(&body)))))
}

async fn enable(from: From<Stripe>, id: Path<String>) -> Answer {
    switch(from, id, "enabled")
}

async fn disable(from: From<Stripe>, id: Path<String>) -> Answer {
    switch(from, id, "disabled")
}

fn switch(From(stripe): From<Stripe>, Path(id): Path<String>, status: &str) -> Answer {
    let mut account = stripe.account();
    account.find(DESTINATION, &id)?;
    let changed = account.set(DESTINATION, &id, json!({"status": status}))?;
    Ok(Json(seen(changed, &[])))
}

/// A destination with the included fields only.
fn seen(mut destination: Value, included: &[String]) -> Value {
    let private = destination[PRIVATE].take();
    if let Some(fields) = destination.as_object_mut() {
        fields.remove(PRIVATE);
    }
    // What is not included is absent, and never null.
    let field = |name: &str, short: &str| {
        let is_included = included.iter().any(|one| one == name);
        is_included.then(|| (short.to_owned(), private[short].clone()))
    };
    let fields = [field(SECRET, "signing_secret"), field(URL, "url")];
    destination["webhook_endpoint"] = fields.into_iter().flatten().collect();
    destination
}

fn included(body: &Value) -> Vec<String> {
    let names = body["include"].as_array().into_iter().flatten();
    names
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

/// `include[0]=a`, as the official libraries send it.
fn asked(query: &[(String, String)]) -> Vec<String> {
    let names = query.iter().filter(|(name, _)| name.starts_with("include"));
    names.map(|(_, value)| value.clone()).collect()
}

fn without_secret(included: &[String]) -> Vec<String> {
    let names = included.iter().filter(|name| *name != SECRET);
    names.cloned().collect()
}

fn only_asked(query: &[(String, String)], known: &[&str]) -> Result<(), ApiError> {
    let is_known = |name: &str| {
        let outer = name.split('[').next().unwrap_or_default();
        known.contains(&outer)
    };
    match query.iter().find(|(name, _)| !is_known(name)) {
        None => Ok(()),
        Some((name, _)) => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> ApiError {
    let message = format!("Received unknown field: {name}");
    ApiError::parameter(name, "unknown_field", message)
}

fn only(body: &Value, known: &[&str]) -> Result<(), ApiError> {
    let other = body
        .as_object()
        .and_then(|fields| fields.keys().find(|name| !known.contains(&name.as_str())));
    match other {
        None => Ok(()),
        Some(name) => Err(unknown(name)),
    }
}
