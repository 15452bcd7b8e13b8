//! `/v1/webhook_endpoints`: the addresses to which events are sent. A secret is returned only once,
//! at creation. The stand-in itself delivers nothing.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::account::{Answer, answer};
use super::error::ApiError;
use super::metadata;
use super::objects::{ENDPOINT, PAGING, list};
use super::params::{NoParams, Params};
use super::{API_VERSION, Stripe};

const URL: &str = "/v1/webhook_endpoints";
const ENDPOINTS_MAX: usize = 16;

pub(super) fn routes() -> Router<Stripe> {
    Router::new().route(URL, post(create).get(index)).route(
        "/v1/webhook_endpoints/{id}",
        get(show).post(update).delete(remove),
    )
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[
        "api_version",
        "connect",
        "description",
        "enabled_events",
        "metadata",
        "url",
    ])?;
    let url = checked(params.required("url")?)?;
    let events = params.list("enabled_events");
    if events.is_empty() {
        return Err(ApiError::missing_parameter("enabled_events"));
    }
    let version = params.get("api_version");
    if version.is_some_and(|version| version != API_VERSION) {
        return Err(
            ApiError::invalid(format!("This account only speaks {API_VERSION}."))
                .about("api_version"),
        );
    }
    let metadata = metadata::new(&params)?;
    let mut account = stripe.account();
    if account.objects.all(ENDPOINT).count() >= ENDPOINTS_MAX {
        let message = "You have reached the maximum of 16 test webhook endpoints.";
        return Err(ApiError::invalid(message));
    }
    let mut endpoint = json!({
        "id": account.fresh_id(ENDPOINT),
        "object": ENDPOINT.object,
        "api_version": version,
        "application": null,
        "created": account.now,
        "description": params.get("description"),
        "enabled_events": events,
        "livemode": false,
        "metadata": metadata,
        "status": "enabled",
        "url": url,
    });
    account.objects.insert(ENDPOINT, endpoint.clone());
    endpoint["secret"] = json!(account.objects.fresh_id("whsec"));
    answer(&endpoint)
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(ENDPOINT, &id)?)
}

async fn update(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[
        "description",
        "disabled",
        "enabled_events",
        "metadata",
        "url",
    ])?;
    let mut account = stripe.account();
    let mut endpoint = account.find(ENDPOINT, &id)?;
    endpoint["metadata"] = metadata::merged(&endpoint, &params)?;
    if let Some(url) = params.get("url") {
        endpoint["url"] = json!(checked(url)?);
    }
    if params.mentions("enabled_events") {
        endpoint["enabled_events"] = json!(params.list("enabled_events"));
    }
    if let Some(description) = params.get("description") {
        endpoint["description"] = json!(description);
    }
    if let Some(disabled) = params.boolean("disabled")? {
        endpoint["status"] = json!(if disabled { "disabled" } else { "enabled" });
    }
    answer(&account.set(ENDPOINT, &id, endpoint)?)
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&PAGING)?;
    Ok(Json(list(
        URL,
        &params,
        stripe.account().select(ENDPOINT, |_: &Value| true),
    )?))
}

async fn remove(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    stripe.account().objects.remove(ENDPOINT, &id)?;
    Ok(Json(
        json!({"id": id, "object": ENDPOINT.object, "deleted": true}),
    ))
}

fn checked(url: &str) -> Result<&str, ApiError> {
    let web = url.starts_with("http://") || url.starts_with("https://");
    web.then_some(url)
        .ok_or_else(|| ApiError::parameter("url", "url_invalid", "Not a valid URL"))
}
