//! `/v1/events`: the changes of all other objects, newest first, for 30 days.

use axum::extract::{Path, State as From};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use stand_in_shared::record;

use super::Stripe;
use super::account::number;
use super::error::ApiError;
use super::objects::{EVENT, PAGING, list};
use super::params::{NoParams, Params};

const URL: &str = "/v1/events";
const KEPT_SECONDS: i64 = 30 * 86_400;

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, get(index))
        .route("/v1/events/{id}", get(show))
}

impl Stripe {
    /// All events, oldest first, in Stripe's JSON.
    pub fn events(&self) -> Vec<Value> {
        let mut events: Vec<Value> = self.lock().objects.all(EVENT).cloned().collect();
        events.reverse();
        events
    }

    /// The events since the last call, oldest first. Taken events count as delivered, unless
    /// [`Stripe::lose_event`] marks them as lost.
    pub fn outbox_take(&self) -> Vec<Value> {
        let mut account = self.account();
        let from = account.handed_over;
        let waiting = account.objects.take_events(from);
        account.handed_over += waiting.len();
        for event in &waiting {
            record::webhook("stripe", "event", event);
        }
        waiting
    }

    /// Marks a taken event as lost: it is listed as not delivered until [`Stripe::deliver_event`]
    /// delivers it.
    pub fn lose_event(&self, event: &str) -> Result<(), ApiError> {
        self.account()
            .set(EVENT, event, json!({"pending_webhooks": 1}))
            .map(|_| ())
    }

    /// Marks a lost event as delivered.
    pub fn deliver_event(&self, event: &str) -> Result<(), ApiError> {
        self.account()
            .set(EVENT, event, json!({"pending_webhooks": 0}))
            .map(|_| ())
    }
}

async fn show(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(stripe.lock().objects.find(EVENT, &id)?.clone()))
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Result<Json<Value>, ApiError> {
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
        // An event counts as delivered when no webhook is pending.
        events.retain(|event| (event["pending_webhooks"] == 0) == (wanted == "true"));
    }
    Ok(Json(list(URL, &params, events)?))
}
