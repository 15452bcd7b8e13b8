//! `/v1/billing/meters`: meters, and the totals of their events.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::meter_events::{MeterEvent, active};
use super::objects::{METER, PAGING, list};
use super::params::{NoParams, Params};
use super::{State, Stripe};

const URL: &str = "/v1/billing/meters";
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;
/// "Meter events are aggregated asynchronously so the meter event summaries provide an eventually
/// consistent view" (docs.stripe.com/api/billing/meter-event-summary). Stripe names no time; here an
/// event is in them after this long.
pub(super) const SUMMARY_LAG_SECONDS: i64 = 600;

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, post(create).get(index))
        .route("/v1/billing/meters/{id}", get(show).post(rename))
        .route("/v1/billing/meters/{id}/deactivate", post(deactivate))
        .route("/v1/billing/meters/{id}/reactivate", post(reactivate))
        .route("/v1/billing/meters/{id}/event_summaries", get(summaries))
}

impl Stripe {
    /// Adds a meter that sums `payload[value]` by `payload[stripe_customer_id]`. Returns its id, or
    /// the id of an existing active meter with that event name.
    pub fn add_meter(&self, event_name: &str) -> String {
        let now = self.seconds();
        let mut state = self.lock();
        let known = active(&state, event_name)
            .and_then(|meter| meter["id"].as_str())
            .map(str::to_owned);
        known.unwrap_or_else(|| {
            let meter = blank(&mut state, event_name, event_name, "sum", now);
            let meter = state
                .objects
                .create(METER, "billing.meter.created", meter, now);
            meter["id"].as_str().unwrap_or_default().to_owned()
        })
    }
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Result<Json<Value>, ApiError> {
    params.only(&[
        "display_name",
        "event_name",
        "default_aggregation",
        "customer_mapping",
        "value_settings",
        "event_time_window",
    ])?;
    let (event_name, display_name) = (
        params.required("event_name")?,
        params.required("display_name")?,
    );
    let formula = params.required("default_aggregation[formula]")?;
    if !["sum", "count", "last"].contains(&formula) {
        let message = format!(
            "Invalid default_aggregation[formula]: must be one of count, last, or sum, not {formula}"
        );
        return Err(ApiError::invalid(message));
    }
    let now = stripe.seconds();
    let mut state = stripe.lock();
    if active(&state, event_name).is_some() {
        return Err(ApiError::invalid(format!(
            "An active meter with event name {event_name} already exists."
        )));
    }
    let mut meter = blank(&mut state, event_name, display_name, formula, now);
    for settings in ["customer_mapping", "value_settings"] {
        if let Some(key) = params.get(&format!("{settings}[event_payload_key]")) {
            meter[settings]["event_payload_key"] = json!(key);
        }
    }
    if let Some(window) = params.get("event_time_window") {
        meter["event_time_window"] = json!(window);
    }
    Ok(Json(state.objects.create(
        METER,
        "billing.meter.created",
        meter,
        now,
    )))
}

fn blank(
    state: &mut State,
    event_name: &str,
    display_name: &str,
    formula: &str,
    now: i64,
) -> Value {
    json!({
        "id": state.objects.fresh_id(METER.prefix),
        "object": METER.object,
        "created": now,
        "customer_mapping": {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        "default_aggregation": {"formula": formula},
        "display_name": display_name,
        "event_name": event_name,
        "event_time_window": null,
        "livemode": false,
        "status": "active",
        "status_transitions": {"deactivated_at": null},
        "updated": now,
        "value_settings": {"event_payload_key": "value"},
    })
}

async fn show(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(stripe.lock().objects.find(METER, &id)?.clone()))
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Result<Json<Value>, ApiError> {
    params.only(&[&PAGING[..], &["status"]].concat())?;
    let state = stripe.lock();
    let wanted = |meter: &&Value| {
        params
            .get("status")
            .is_none_or(|status| meter["status"] == status)
    };
    Ok(Json(list(
        URL,
        &params,
        state.objects.all(METER).filter(wanted).cloned().collect(),
    )?))
}

async fn rename(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    params.only(&["display_name"])?;
    let mut account = stripe.account();
    let before = account.find(METER, &id)?;
    let name = params
        .get("display_name")
        .map_or(before["display_name"].clone(), |name| json!(name));
    let fields = json!({"display_name": name, "updated": account.now});
    Ok(Json(account.update(
        METER,
        &id,
        "billing.meter.updated",
        fields,
    )?))
}

async fn deactivate(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Value>, ApiError> {
    let now = stripe.seconds();
    set_status(
        &stripe,
        &id,
        "billing.meter.deactivated",
        "inactive",
        json!(now),
    )
}

async fn reactivate(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Value>, ApiError> {
    set_status(
        &stripe,
        &id,
        "billing.meter.reactivated",
        "active",
        Value::Null,
    )
}

fn set_status(
    stripe: &Stripe,
    id: &str,
    event: &str,
    status: &str,
    at: Value,
) -> Result<Json<Value>, ApiError> {
    let now = stripe.seconds();
    let change = |meter: &mut Map<String, Value>| {
        meter.insert("status".to_owned(), json!(status));
        meter.insert(
            "status_transitions".to_owned(),
            json!({"deactivated_at": at}),
        );
        meter.insert("updated".to_owned(), json!(now));
    };
    Ok(Json(
        stripe
            .lock()
            .objects
            .update(METER, id, event, now, change)?,
    ))
}

async fn summaries(
    From(stripe): From<Stripe>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Value>, ApiError> {
    params.only(
        &[
            &PAGING[..],
            &[
                "customer",
                "start_time",
                "end_time",
                "value_grouping_window",
            ],
        ]
        .concat(),
    )?;
    let customer = params.required("customer")?;
    let grouping = params
        .get("value_grouping_window")
        .map(window_seconds)
        .transpose()?;
    let start = bound(&params, "start_time", grouping.unwrap_or(MINUTE))?;
    let end = bound(&params, "end_time", grouping.unwrap_or(MINUTE))?;
    if end <= start {
        return Err(ApiError::invalid("end_time must be after start_time").about("end_time"));
    }
    let aggregated = stripe.seconds() - SUMMARY_LAG_SECONDS;
    let state = stripe.lock();
    let meter = state.objects.find(METER, &id)?;
    let step = grouping.unwrap_or(end - start);
    // Newest first. A window without events has no summary.
    let windows = (0..(end - start) / step)
        .rev()
        .map(|window| start + window * step);
    let summary = |from: i64| summary(&state, meter, (customer, aggregated), (from, from + step));
    let url = format!("{URL}/{id}/event_summaries");
    Ok(Json(list(
        &url,
        &params,
        windows.filter_map(summary).collect(),
    )?))
}

fn window_seconds(name: &str) -> Result<i64, ApiError> {
    match name {
        "hour" => Ok(HOUR),
        "day" => Ok(DAY),
        _ => Err(ApiError::invalid(
            "Invalid value_grouping_window: must be one of day or hour",
        )),
    }
}

fn bound(params: &Params, name: &str, unit: i64) -> Result<i64, ApiError> {
    let time = params
        .integer(name)?
        .ok_or_else(|| ApiError::missing_parameter(name))?;
    if time % unit == 0 {
        return Ok(time);
    }
    let message = format!("{name} must align with {unit}-second boundaries.");
    Err(ApiError::invalid(message).about(name))
}

/// The summary of a window, of the events that were accepted until `aggregated`.
fn summary(
    state: &State,
    meter: &Value,
    (customer, aggregated): (&str, i64),
    (start, end): (i64, i64),
) -> Option<Value> {
    let inside = |at: i64| (start..end).contains(&at);
    let events = state
        .counted(customer, meter["event_name"].as_str()?)
        .filter(|event| inside(event.timestamp) && event.created <= aggregated);
    let events: Vec<&MeterEvent> = events.collect();
    let newest = events.iter().max_by_key(|event| event.timestamp)?;
    let aggregated = match meter["default_aggregation"]["formula"].as_str()? {
        "count" => i64::try_from(events.len()).ok()?,
        "last" => newest.value,
        _ => events
            .iter()
            .fold(0, |sum, event| i64::saturating_add(sum, event.value)),
    };
    let id = meter["id"].as_str()?.replace("mtr_", "mtrusg_");
    Some(json!({
        "id": format!("{id}_{start}_{end}"),
        "object": "billing.meter_event_summary",
        "aggregated_value": aggregated,
        "start_time": start,
        "end_time": end,
        "livemode": false,
        "meter": meter["id"],
    }))
}
