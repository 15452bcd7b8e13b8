//! `/api/v1/admin/events`: reads the event log, replays events and attributes them to accounts.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use domain::ids::AccountId;
use domain::inbox::{EventKey, EventRow, EventSource, EventState};
use http::{StatusCode, header};
use queues::Message;
use rest::cursors;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::Cursor;

const PAGE: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    source: Option<String>,
    status: Option<String>,
    cursor: Option<String>,
}

/// Lists events, newest first.
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    filter: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(filter) = filter.map_err(|_| {
        ApiError::bad_request("bad_query", "the query takes source, status and cursor")
    })?;
    let sources =
        match filter.source.as_deref() {
            None | Some("") => EventSource::ALL.to_vec(),
            Some(text) => {
                vec![EventSource::parse(text).ok_or_else(|| {
                    ApiError::bad_request("bad_source", "source is github or stripe")
                })?]
            }
        };
    let states = match filter.status.as_deref() {
        None | Some("") => EventState::ALL.to_vec(),
        Some(text) => vec![EventState::parse(text).ok_or_else(bad_status)?],
    };
    let cursor = filter
        .cursor
        .as_deref()
        .filter(|text| !text.is_empty())
        .map(cursors::read)
        .transpose()?;
    let cursor = cursor.map(Cursor::from);
    let (mut rows, mut more) = (Vec::new(), false);
    for source in sources {
        let page = ctx
            .inbox
            .list(source, &states, cursor.as_ref(), PAGE)
            .await?;
        more |= page.next.is_some();
        rows.extend(page.rows);
    }
    rows.sort_by(|a, b| (b.listed_at, b.key.id()).cmp(&(a.listed_at, a.key.id())));
    more |= rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|row| cursors::write(row.listed_at, row.key.id()));
    Ok(Json(
        json!({ "events": rows.iter().map(shown).collect::<Vec<_>>(), "next_cursor": next }),
    ))
}

fn bad_status() -> ApiError {
    let words: Vec<&str> = EventState::ALL
        .into_iter()
        .map(EventState::as_str)
        .collect();
    ApiError::bad_request(
        "bad_status",
        format!("status is one of {}", words.join(", ")),
    )
}

/// Shows one event, without its body.
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path((source, id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let row = ctx
        .inbox
        .find_row(&key(&source, &id)?)
        .await?
        .ok_or_else(absent)?;
    Ok(Json(shown(&row)))
}

/// Returns the exact bytes that were received.
pub async fn raw(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path((source, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let event = ctx
        .inbox
        .find(&key(&source, &id)?)
        .await?
        .ok_or_else(absent)?;
    tracing::info!(operator.name = operator.name, event.key = %event.row.key, audit = true, "read a raw event");
    // A sender controls these bytes, so a browser must never render them as one of our pages.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, event.body).into_response())
}

/// Makes an event pending again and queues it. Effects that were already applied are not applied
/// again.
pub async fn replay(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path((source, id)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let key = key(&source, &id)?;
    let row = ctx
        .inbox
        .replay(&key, ctx.outside.now())
        .await?
        .ok_or_else(absent)?;
    tracing::info!(operator.name = operator.name, event.key = %key, audit = true, "replayed an event");
    ctx.queues.send(&Message::Event(key), None).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(&row))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribution {
    account: String,
}

/// Attributes a Stripe event of an unknown customer to an account, and queues it. The first
/// attribution stays; repeating it does no harm.
pub async fn attribute(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    body: Result<Json<Attribution>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Json(said) = body.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    let unknown = || {
        ApiError::bad_request(
            "bad_account",
            "account is the id of an account, acc_…, that exists",
        )
    };
    let account = AccountId::parse(&said.account).map_err(|_| unknown())?;
    ctx.store
        .account_find(&account)
        .await?
        .ok_or_else(unknown)?;
    let key = key(EventSource::Stripe.as_str(), &id)?;
    let known = ctx.inbox.find_row(&key).await?.ok_or_else(absent)?;
    let settled = |row: &EventRow| {
        ApiError::conflict(
            "not_unattributed",
            format!("this event is {}", row.state.as_str()),
        )
    };
    if known.state != EventState::Unattributed && known.account.as_ref() != Some(&account) {
        return Err(settled(&known));
    }
    let row = ctx
        .inbox
        .attribute(&key, &account, ctx.outside.now())
        .await?
        .ok_or_else(|| settled(&known))?;
    tracing::info!(operator.name = operator.name, event.key = %key, account.id = %account, audit = true, "attributed an event");
    ctx.queues.send(&Message::Event(key), None).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(&row))))
}

fn key(source: &str, id: &str) -> Result<EventKey, ApiError> {
    EventSource::parse(source)
        .and_then(|source| EventKey::parse(source, id).ok())
        .ok_or_else(absent)
}

fn absent() -> ApiError {
    ApiError::not_found("there is no such event")
}

fn shown(row: &EventRow) -> Value {
    json!({
        "id": row.key.id(),
        "source": row.key.source().as_str(),
        "type": row.name,
        "status": row.state.as_str(),
        "provenance": row.provenance,
        "received_at": row.received_at.to_string(),
        "processed_at": row.processed_at.map(|at| at.to_string()),
        "outcome": row.outcome,
        "attempts": row.attempts,
        "account": row.account.as_ref().map(AccountId::as_str),
        "digest": row.digest,
        "body_bytes": row.body_bytes,
    })
}
