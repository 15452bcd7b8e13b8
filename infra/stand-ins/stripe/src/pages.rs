//! Stripe for people: one page with what was sold and paid, meters and their totals, the newest meter events, and the
//! customers.

use std::collections::BTreeMap;

use axum::extract::State as From;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use super::meter_events::{Fate, MeterEvent};
use super::objects::{CUSTOMER, METER};
use super::{State, Stripe, dashboard};
use stand_in_shared::html::{Markup, all, moment, page, table, tag, text};

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route("/", get(overview))
        .route("/state.json", get(state))
}

async fn state(From(stripe): From<Stripe>) -> Json<Value> {
    Json(stripe.export())
}

async fn overview(From(stripe): From<Stripe>) -> Response {
    let state = stripe.desk();
    let customers = state.objects.all(CUSTOMER).map(customer_row).collect();
    let events = state.meter_events.iter().rev().map(event_row).collect();
    let sales = dashboard::sales(&state);
    let body = [
        sales,
        heading("Meters"),
        table(
            &["meter", "event name", "status", "events"],
            meter_rows(&state),
        ),
        heading("Totals"),
        table(&["customer", "event name", "total"], total_rows(&state)),
        heading("Meter events"),
        table(
            &[
                "reported",
                "identifier",
                "customer",
                "event name",
                "value",
                "happened",
                "",
            ],
            events,
        ),
        heading("Customers"),
        table(&["customer", "email", "metadata", "created"], customers),
    ];
    page("Stripe account", all(body))
}

fn meter_rows(state: &State) -> Vec<Vec<Markup>> {
    let events = |name: &Value| {
        state
            .meter_events
            .iter()
            .filter(|event| *name == *event.event_name)
            .count()
    };
    let row = |meter: &Value| {
        vec![
            tag("code", field(meter, "id")),
            field(meter, "event_name"),
            field(meter, "status"),
            text(events(&meter["event_name"])),
        ]
    };
    state.objects.all(METER).map(row).collect()
}

fn total_rows(state: &State) -> Vec<Vec<Markup>> {
    let mut totals: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for event in state
        .meter_events
        .iter()
        .filter(|event| event.fate == Fate::Counted)
    {
        let total = totals
            .entry((&event.customer, &event.event_name))
            .or_default();
        *total = total.saturating_add(event.value);
    }
    let row =
        |((customer, name), total)| vec![tag("code", text(customer)), text(name), text(total)];
    totals.into_iter().map(row).collect()
}

fn event_row(event: &MeterEvent) -> Vec<Markup> {
    let fate = match event.fate {
        Fate::Counted => "",
        Fate::UnknownCustomer => "not counted: no such customer",
        Fate::Canceled => "not counted: taken back",
    };
    vec![
        moment(event.created * 1000),
        tag("code", text(&event.identifier)),
        tag("code", text(&event.customer)),
        text(&event.event_name),
        text(event.value),
        moment(event.timestamp * 1000),
        text(fate),
    ]
}

fn customer_row(customer: &Value) -> Vec<Markup> {
    vec![
        tag("code", field(customer, "id")),
        field(customer, "email"),
        text(&customer["metadata"]),
        moment(customer["created"].as_i64().unwrap_or_default() * 1000),
    ]
}

fn field(object: &Value, name: &str) -> Markup {
    text(object[name].as_str().unwrap_or_default())
}

pub(super) fn heading(words: &'static str) -> Markup {
    tag("h2", text(words))
}
