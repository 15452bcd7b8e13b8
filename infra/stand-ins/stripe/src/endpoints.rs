//! `/v1/webhook_endpoints`: where events are to go. Their secrets are told once, when they are made; the stand-in itself
//! delivers nothing.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::desk::{Answer, answer};
use super::metadata;
use super::objects::{ENDPOINT, PAGING, list};
use super::params::Params;
use super::refusal::Refusal;
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
        return Err(Refusal::missing_parameter("enabled_events"));
    }
    let version = params.get("api_version");
    if version.is_some_and(|version| version != API_VERSION) {
        return Err(
            Refusal::invalid(format!("This account only speaks {API_VERSION}."))
                .about("api_version"),
        );
    }
    let metadata = metadata::new(&params)?;
    let mut desk = stripe.desk();
    if desk.objects.all(ENDPOINT).count() >= ENDPOINTS_MAX {
        let message = "You have reached the maximum of 16 test webhook endpoints.";
        return Err(Refusal::invalid(message));
    }
    let mut endpoint = json!({
        "id": desk.fresh_id(ENDPOINT),
        "object": ENDPOINT.object,
        "api_version": version,
        "application": null,
        "created": desk.now,
        "description": params.get("description"),
        "enabled_events": events,
        "livemode": false,
        "metadata": metadata,
        "status": "enabled",
        "url": url,
    });
    desk.objects.shelve(ENDPOINT, endpoint.clone());
    endpoint["secret"] = json!(desk.objects.fresh_id("whsec"));
    answer(&endpoint)
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>) -> Answer {
    answer(&stripe.desk().find(ENDPOINT, &id)?)
}

async fn update(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[
        "description",
        "disabled",
        "enabled_events",
        "metadata",
        "url",
    ])?;
    let mut desk = stripe.desk();
    let mut endpoint = desk.find(ENDPOINT, &id)?;
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
    answer(&desk.set(ENDPOINT, &id, endpoint)?)
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&PAGING)?;
    Ok(Json(list(
        URL,
        &params,
        stripe.desk().select(ENDPOINT, |_: &Value| true),
    )?))
}

async fn remove(From(stripe): From<Stripe>, Path(id): Path<String>) -> Answer {
    stripe.desk().objects.remove(ENDPOINT, &id)?;
    Ok(Json(
        json!({"id": id, "object": ENDPOINT.object, "deleted": true}),
    ))
}

fn checked(url: &str) -> Result<&str, Refusal> {
    let web = url.starts_with("http://") || url.starts_with("https://");
    web.then_some(url)
        .ok_or_else(|| Refusal::parameter("url", "url_invalid", "Not a valid URL"))
}
