//! `/v1/billing/meter_event_adjustments`: removes an incorrectly reported meter event from the
//! totals, within a day. An invoice that already counted it stays unchanged.

use axum::Router;
use axum::extract::State as From;
use axum::routing::post;
use serde_json::json;

use super::Stripe;
use super::account::{Answer, answer};
use super::error::ApiError;
use super::meter_events::Fate;
use super::params::Params;

const CANCELABLE_SECONDS: i64 = 86_400;

pub(super) fn routes() -> Router<Stripe> {
    Router::new().route("/v1/billing/meter_event_adjustments", post(create))
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&["cancel", "event_name", "type"])?;
    let event_name = params.required("event_name")?;
    params.required("type")?;
    params.word("type", &["cancel"])?;
    let identifier = params.required("cancel[identifier]")?;
    let mut account = stripe.account();
    let now = account.now;
    // An identifier can be reused after a day, so the newest event counts.
    let mut known = account.meter_events.iter_mut().rev();
    let event =
        known.find(|event| event.identifier == identifier && event.event_name == event_name);
    let event = event.ok_or_else(|| {
        let message = format!(
            "No meter event found with identifier {identifier} for event name {event_name}."
        );
        ApiError::invalid(message)
            .coded("resource_missing")
            .about("cancel[identifier]")
    })?;
    if now - event.created > CANCELABLE_SECONDS {
        let message = "Meter events can only be canceled within 24 hours of being received.";
        return Err(ApiError::invalid(message).about("cancel[identifier]"));
    }
    if event.fate == Fate::Canceled {
        let message =
            format!("The meter event with identifier {identifier} has already been canceled.");
        return Err(ApiError::invalid(message).about("cancel[identifier]"));
    }
    event.fate = Fate::Canceled;
    answer(&json!({
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": event_name,
        "livemode": false,
        "status": "complete",
        "type": "cancel",
    }))
}
