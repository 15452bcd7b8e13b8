//! `/api/v1/admin/events`: reads the event log, replays events and attributes them to accounts.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::accounts::operators::Operator;
use domain::ids::AccountId;
use domain::inbox::{EventKey, EventRow, EventSource, EventState};
use http::{StatusCode, header};
use queues::Message;
use rest::{Body, Params, Path, cursors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Cursor;
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 50;

/// The query of a listing.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Return only events of this sender: `github` or `stripe`.
    #[param(pattern = "^(github|stripe)?$")]
    pub source: Option<String>,
    /// Return only events in this state: `pending`, `processed`, `ignored`, `failed`, `quarantined`
    /// or `unattributed`.
    #[param(pattern = "^(pending|processed|ignored|failed|quarantined|unattributed)?$")]
    pub status: Option<String>,
    /// The `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// A page of events, newest first.
#[derive(Serialize, ToSchema)]
pub struct Events {
    pub events: Vec<EventShown>,
    /// The cursor of the next page; absent on the last page.
    pub next_cursor: Option<String>,
}

/// A recorded event, without its body.
#[derive(Serialize, ToSchema)]
pub struct EventShown {
    /// The id that the sender gave it.
    pub id: String,
    /// The sender: `github` or `stripe`.
    pub source: &'static str,
    #[serde(rename = "type")]
    pub name: String,
    pub status: &'static str,
    /// What shows that the sender sent it.
    pub provenance: String,
    pub received_at: String,
    pub processed_at: Option<String>,
    /// What became of it.
    pub outcome: Option<String>,
    pub attempts: u32,
    /// The account that an operator attributed it to.
    pub account: Option<String>,
    /// The digest of its body.
    pub digest: String,
    pub body_bytes: u64,
}

/// Lists events, newest first.
#[utoipa::path(get, path = "/api/v1/admin/events", tag = "inbox", params(Filter),
    responses((status = 200, body = Events)))]
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Json<Events>, ApiError> {
    let sources = match filter.source.as_deref() {
        None | Some("") => EventSource::ALL.to_vec(),
        Some(text) => vec![EventSource::parse(text).ok_or_else(bad_source)?],
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
    Ok(Json(Events {
        events: rows.iter().map(shown).collect(),
        next_cursor: next,
    }))
}

fn bad_source() -> ApiError {
    ApiError::bad_request("bad_source", "`source` must be `github` or `stripe`.")
}

fn bad_status() -> ApiError {
    let known = EventState::ALL.map(EventState::as_str).join(", ");
    ApiError::bad_request("bad_status", format!("`status` must be one of {known}."))
}

/// Shows an event, without its body.
#[utoipa::path(get, path = "/api/v1/admin/events/{source}/{id}", tag = "inbox",
    params(("source" = String, Path, description = "The sender: `github` or `stripe`.", example = "github"),
        ("id" = String, Path, description = "The event's id.")),
    responses((status = 200, body = EventShown)))]
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path((source, id)): Path<(String, String)>,
) -> Result<Json<EventShown>, ApiError> {
    let row = ctx
        .inbox
        .find_row(&key(&source, &id)?)
        .await?
        .ok_or_else(absent)?;
    Ok(Json(shown(&row)))
}

/// Returns the exact bytes that were received.
#[utoipa::path(get, path = "/api/v1/admin/events/{source}/{id}/raw", tag = "inbox",
    params(("source" = String, Path, description = "The sender: `github` or `stripe`.", example = "github"),
        ("id" = String, Path, description = "The event's id.")),
    responses((status = 200, description = "The bytes.", body = String,
        content_type = "application/octet-stream")))]
pub async fn raw(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path((source, id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let body = body(&ctx, &operator, &source, &id).await?;
    // A sender controls these bytes, so a browser must never render them as one of our pages.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, body).into_response())
}

/// Reads the bytes of an event, which is recorded.
pub async fn body(
    ctx: &Ctx,
    operator: &Operator,
    source: &str,
    id: &str,
) -> Result<Vec<u8>, ApiError> {
    let event = ctx
        .inbox
        .find(&key(source, id)?)
        .await?
        .ok_or_else(absent)?;
    tracing::info!(operator.name = operator.name, event.key = %event.row.key, audit = true, "read a raw event");
    Ok(event.body.to_vec())
}

/// Makes an event pending again and queues it.
///
/// Effects that were already applied are not applied again.
#[utoipa::path(post, path = "/api/v1/admin/events/{source}/{id}/replay", tag = "inbox",
    params(("source" = String, Path, description = "The sender: `github` or `stripe`.", example = "github"),
        ("id" = String, Path, description = "The event's id.")),
    responses((status = 202, body = EventShown, description = "Accepted; the event is pending.")))]
pub async fn replay(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path((source, id)): Path<(String, String)>,
) -> Result<(StatusCode, Json<EventShown>), ApiError> {
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

/// The account that an event concerns.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attribution {
    /// The account's id.
    #[schema(example = "acc_01hf7yat00zzzzzzzzzzzzzzzz")]
    pub account: String,
}

/// Attributes a Stripe event of an unknown customer to an account, and queues it.
///
/// The first attribution stays; repeating it does no harm.
#[utoipa::path(post, path = "/api/v1/admin/events/stripe/{id}/attribute", tag = "inbox",
    params(("id" = String, Path, description = "The event's id.")), request_body = Attribution,
    responses((status = 202, body = EventShown, description = "Accepted; the event is pending."), (status = 409)))]
pub async fn attribute(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    Body(attribution): Body<Attribution>,
) -> Result<(StatusCode, Json<EventShown>), ApiError> {
    let unknown = || {
        ApiError::bad_request(
            "bad_account",
            "`account` must be the id of an account, `acc_…`.",
        )
    };
    let account = AccountId::parse(&attribution.account).map_err(|_| unknown())?;
    ctx.store
        .account_find(&account)
        .await?
        .ok_or_else(unknown)?;
    let key = key(EventSource::Stripe.as_str(), &id)?;
    let known = ctx.inbox.find_row(&key).await?.ok_or_else(absent)?;
    let settled = |row: &EventRow| {
        ApiError::conflict(
            "not_unattributed",
            format!("This event is {}.", row.state.as_str()),
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
    ApiError::not_found("There is no such event.")
}

fn shown(row: &EventRow) -> EventShown {
    EventShown {
        id: row.key.id().to_owned(),
        source: row.key.source().as_str(),
        name: row.name.clone(),
        status: row.state.as_str(),
        provenance: row.provenance.clone(),
        received_at: row.received_at.to_string(),
        processed_at: row.processed_at.map(|at| at.to_string()),
        outcome: row.outcome.clone(),
        attempts: row.tries.attempts,
        account: row.account.as_ref().map(ToString::to_string),
        digest: row.digest.clone(),
        body_bytes: row.body_bytes,
    }
}
