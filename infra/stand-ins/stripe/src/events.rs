//! `/v1/events`: what happened to the other objects, newest first, for 30 days.

use axum::extract::{Path, State as From};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Stripe;
use super::desk::number;
use super::objects::{EVENT, PAGING, list};
use super::params::Params;
use super::refusal::Refusal;

const URL: &str = "/v1/events";
const KEPT_SECONDS: i64 = 30 * 86_400;

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, get(index))
        .route("/v1/events/{id}", get(show))
}

impl Stripe {
    /// Every event so far, oldest first, in Stripe's JSON.
    pub fn events(&self) -> Vec<Value> {
        let mut events: Vec<Value> = self.lock().objects.all(EVENT).cloned().collect();
        events.reverse();
        events
    }

    /// The events that nobody was handed yet, oldest first. Taking them is handing them over: they count as delivered,
    /// unless [`Stripe::lose_event`] says otherwise.
    pub fn outbox_take(&self) -> Vec<Value> {
        let mut desk = self.desk();
        let from = desk.handed_over;
        let waiting = desk.objects.hand_over(from);
        desk.handed_over += waiting.len();
        waiting
    }

    /// An event that was taken reached nobody: it is listed with those that were not delivered, until
    /// [`Stripe::deliver_event`] says that it arrived after all.
    pub fn lose_event(&self, event: &str) -> Result<(), Refusal> {
        self.desk()
            .set(EVENT, event, json!({"pending_webhooks": 1}))
            .map(|_| ())
    }

    /// An event that had been lost arrived after all.
    pub fn deliver_event(&self, event: &str) -> Result<(), Refusal> {
        self.desk()
            .set(EVENT, event, json!({"pending_webhooks": 0}))
            .map(|_| ())
    }
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    Ok(Json(stripe.lock().objects.find(EVENT, &id)?.clone()))
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Result<Json<Value>, Refusal> {
    params.only(
        &[
            &PAGING[..],
            &["type", "types", "created", "delivery_success"],
        ]
        .concat(),
    )?;
    let oldest = stripe.seconds() - KEPT_SECONDS;
    let mut events: Vec<Value> = stripe.lock().objects.all(EVENT).cloned().collect();
    events.retain(|event| number(event, "created") >= oldest);
    let mut types = params.list("types");
    types.extend(params.get("type"));
    if !types.is_empty() {
        events.retain(|event| {
            event["type"]
                .as_str()
                .is_some_and(|kind| types.contains(&kind))
        });
    }
    if let Some(wanted) = params.get("delivery_success") {
        // An event counts as delivered when no webhook is left to be told of it.
        events.retain(|event| (event["pending_webhooks"] == 0) == (wanted == "true"));
    }
    Ok(Json(list(URL, &params, events)?))
}
