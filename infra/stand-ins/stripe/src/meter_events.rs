//! `/v1/billing/meter_events`: usage. An identifier counts once in 24 hours. Only one call for the
//! same customer and meter runs at a time. An event for an unknown customer is accepted and dropped
//! later, because Stripe detects it only while processing.

use std::collections::BTreeMap;

use axum::extract::State as From;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::ApiError;
use super::objects::{CUSTOMER, METER};
use super::params::Params;
use super::{State, Stripe};

const URL: &str = "/v1/billing/meter_events";
const IDENTIFIER_CHARS_MAX: usize = 100;
const UNIQUE_SECONDS: i64 = 86_400;
const AGE_SECONDS_MAX: i64 = 35 * 86_400;
const AHEAD_SECONDS_MAX: i64 = 300;

pub(super) fn routes() -> Router<Stripe> {
    Router::new().route(URL, post(create))
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct MeterEvent {
    pub event_name: String,
    pub identifier: String,
    pub customer: String,
    pub value: i64,
    pub payload: BTreeMap<String, String>,
    pub timestamp: i64,
    pub created: i64,
    pub fate: Fate,
}

/// The status of an event after it was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    Counted,
    UnknownCustomer,
    /// Cancelled by an adjustment.
    Canceled,
}

/// An accepted meter event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterEventView {
    /// The meter's event name.
    pub event_name: String,
    /// Stripe generates it if the caller gives none.
    pub identifier: String,
    /// The customer to whom the usage belongs.
    pub customer: String,
    pub value: i64,
    /// When the usage happened, in seconds.
    pub timestamp: i64,
    /// When it was reported, in seconds.
    pub created: i64,
    /// Whether it is in a total. An event of an unknown customer or a cancelled event is not.
    pub counted: bool,
}

impl Stripe {
    /// Every accepted meter event, in order.
    pub fn meter_events(&self) -> Vec<MeterEventView> {
        self.lock()
            .meter_events
            .iter()
            .map(MeterEvent::view)
            .collect()
    }

    /// The total usage of a customer.
    pub fn total(&self, customer: &str, event_name: &str) -> i64 {
        self.lock()
            .counted(customer, event_name)
            .fold(0, |sum, event| sum.saturating_add(event.value))
    }
}

impl State {
    /// The events that are in a customer's total.
    pub(super) fn counted(
        &self,
        customer: &str,
        event_name: &str,
    ) -> impl Iterator<Item = &MeterEvent> {
        self.meter_events
            .iter()
            .filter(move |event| event.counts_for(customer, event_name))
    }
}

/// The active meter for events of this name.
pub(super) fn active<'a>(state: &'a State, event_name: &str) -> Option<&'a Value> {
    state
        .objects
        .all(METER)
        .find(|meter| meter["event_name"] == event_name && meter["status"] == "active")
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Result<Json<Value>, ApiError> {
    let event = read(&stripe, &params)?;
    let lane = stripe.lock_key(format!("meter {} {}", event.event_name, event.customer));
    let _lane = lane.ok_or_else(ApiError::lock_timeout)?;
    // Yields so that a second call can find this one in flight.
    tokio::task::yield_now().await;
    record(&mut stripe.lock(), event)
}

fn record(state: &mut State, event: MeterEvent) -> Result<Json<Value>, ApiError> {
    let recent = |known: &&MeterEvent| event.created - known.created < UNIQUE_SECONDS;
    if state
        .meter_events
        .iter()
        .filter(recent)
        .any(|known| known.identifier == event.identifier)
    {
        let message = format!(
            "An event already exists with identifier {}.",
            event.identifier
        );
        return Err(ApiError::invalid(message).never_retry());
    }
    let shape = event.shape();
    state.meter_events.push(event);
    Ok(Json(shape))
}

fn read(stripe: &Stripe, params: &Params) -> Result<MeterEvent, ApiError> {
    params.only(&["event_name", "payload", "identifier", "timestamp"])?;
    let event_name = params.required("event_name")?.to_owned();
    let pairs = params.map("payload").into_iter();
    let payload: BTreeMap<String, String> = pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    if payload.is_empty() {
        return Err(ApiError::missing_parameter("payload"));
    }
    let created = stripe.seconds();
    let mut state = stripe.lock();
    let meter = active(&state, &event_name);
    let meter = meter.ok_or_else(|| {
        ApiError::invalid(format!(
            "No active meter found for event name {event_name}."
        ))
    })?;
    let customer = entry(&payload, &meter["customer_mapping"])?.to_owned();
    let value = value(entry(&payload, &meter["value_settings"])?)?;
    let known = state
        .objects
        .find(CUSTOMER, &customer)
        .is_ok_and(|customer| customer["deleted"] != true);
    let fate = if known {
        Fate::Counted
    } else {
        Fate::UnknownCustomer
    };
    let identifier = match params.get("identifier") {
        Some(identifier) => checked(identifier)?.to_owned(),
        None => state.objects.fresh_id("mevt"),
    };
    let timestamp = timestamp(params, created)?;
    Ok(MeterEvent {
        event_name,
        identifier,
        customer,
        value,
        payload,
        timestamp,
        created,
        fate,
    })
}

/// The payload's value under the key that the meter's settings name.
fn entry<'a>(payload: &'a BTreeMap<String, String>, settings: &Value) -> Result<&'a str, ApiError> {
    let key = settings["event_payload_key"].as_str().unwrap_or_default();
    let value = payload
        .get(key)
        .map(String::as_str)
        .filter(|value| !value.is_empty());
    value.ok_or_else(|| ApiError::missing_parameter(&format!("payload[{key}]")))
}

fn value(text: &str) -> Result<i64, ApiError> {
    let message = format!("Invalid meter event value: {text} is not a whole number.");
    text.parse()
        .map_err(|_| ApiError::invalid(message).about("payload"))
}

fn checked(identifier: &str) -> Result<&str, ApiError> {
    if (1..=IDENTIFIER_CHARS_MAX).contains(&identifier.chars().count()) {
        return Ok(identifier);
    }
    let message = format!(
        "Invalid string: identifier must have between 1 and {IDENTIFIER_CHARS_MAX} characters"
    );
    Err(ApiError::invalid(message).about("identifier"))
}

fn timestamp(params: &Params, now: i64) -> Result<i64, ApiError> {
    let timestamp = params.integer("timestamp")?.unwrap_or(now);
    if (now - AGE_SECONDS_MAX..=now + AHEAD_SECONDS_MAX).contains(&timestamp) {
        return Ok(timestamp);
    }
    let message =
        "The timestamp must be within the past 35 calendar days or up to 5 minutes in the future.";
    Err(ApiError::invalid(message).about("timestamp"))
}

impl MeterEvent {
    /// Whether it is in the customer's total.
    pub fn counts_for(&self, customer: &str, event_name: &str) -> bool {
        self.fate == Fate::Counted && self.customer == customer && self.event_name == event_name
    }

    fn shape(&self) -> Value {
        json!({
            "object": "billing.meter_event",
            "created": self.created,
            "event_name": self.event_name,
            "identifier": self.identifier,
            "livemode": false,
            "payload": self.payload,
            "timestamp": self.timestamp,
        })
    }

    fn view(&self) -> MeterEventView {
        MeterEventView {
            event_name: self.event_name.clone(),
            identifier: self.identifier.clone(),
            customer: self.customer.clone(),
            value: self.value,
            timestamp: self.timestamp,
            created: self.created,
            counted: self.fate == Fate::Counted,
        }
    }
}
