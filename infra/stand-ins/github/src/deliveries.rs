//! `/app/hook/deliveries`: the log of the App's webhook deliveries, which GitHub keeps for three
//! days, and redeliveries.
//!
//! The stand-in makes no calls, so its caller says how each delivery ended, and takes the
//! redeliveries that the App asked for. Each attempt is an entry of its own; all attempts of one
//! event have the same `guid` and the same bytes. Numbers are above 2^53, as GitHub's are since
//! February 2026 (octokit/request.js#797).

use axum::extract::{Path, Query, State as From};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use stand_in_shared::dates;

use super::GitHub;
use super::access::AsApp;
use super::paging::encoded;
use super::refusal::Refusal;
use super::state::HookDelivery;

const KEPT_MILLIS: i64 = 3 * 86_400_000;
const FIRST_ID: u64 = 3_804_004_623_172_239_366;
const PER_PAGE_MAX: usize = 100;

/// A delivery that the App asked for once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redelivery {
    pub guid: String,
    pub event: String,
    pub body: String,
}

/// How a delivery ended, for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryView {
    pub guid: String,
    pub redelivery: bool,
    pub status_code: u16,
}

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/app/hook/deliveries", get(index))
        .route("/app/hook/deliveries/{delivery}", get(show))
        .route("/app/hook/deliveries/{delivery}/attempts", post(attempt))
}

impl GitHub {
    /// Logs a delivery and how the receiver answered.
    pub fn delivery_ended(&self, guid: &str, event: &str, body: &[u8], status_code: u16) {
        let at = self.now();
        let mut state = self.lock();
        let id = FIRST_ID + state.fresh_id();
        let redelivery = state.deliveries.iter().any(|known| known.guid == guid);
        state.deliveries.push(HookDelivery {
            id,
            guid: guid.to_owned(),
            at,
            event: event.to_owned(),
            body: String::from_utf8_lossy(body).into_owned(),
            redelivery,
            status_code,
        });
        state.deliveries.retain(|known| is_kept(known, at));
    }

    /// The redeliveries that were asked for since the last call.
    pub fn redeliveries_take(&self) -> Vec<Redelivery> {
        let mut state = self.lock();
        let asked = std::mem::take(&mut state.redeliveries);
        let find = |id| state.deliveries.iter().find(|known| known.id == id);
        let found = asked.into_iter().filter_map(find);
        found
            .map(|known| Redelivery {
                guid: known.guid.clone(),
                event: known.event.clone(),
                body: known.body.clone(),
            })
            .collect()
    }

    /// From now on, no delivery reaches the App's receiver; GitHub notes this status instead.
    pub fn set_receiver_status(&self, status_code: Option<u16>) {
        self.lock().receiver_status = status_code;
    }

    /// The status with which every delivery ends before it reaches the receiver, if any.
    pub fn receiver_status(&self) -> Option<u16> {
        self.lock().receiver_status
    }

    /// All deliveries of the last three days, oldest first.
    pub fn deliveries(&self) -> Vec<DeliveryView> {
        let (now, state) = (self.now(), self.lock());
        let kept = state.deliveries.iter().filter(|known| is_kept(known, now));
        kept.map(|known| DeliveryView {
            guid: known.guid.clone(),
            redelivery: known.redelivery,
            status_code: known.status_code,
        })
        .collect()
    }
}

fn is_kept(known: &HookDelivery, now: i64) -> bool {
    known.at > now - KEPT_MILLIS
}

/// The status in GitHub's words.
fn status(code: u16) -> String {
    match code {
        200..=299 => "OK".to_owned(),
        502 => "failed to connect to host".to_owned(),
        504 => "timed out".to_owned(),
        code => format!("Invalid HTTP Response: {code}"),
    }
}

fn item(known: &HookDelivery) -> Value {
    let payload: Value = serde_json::from_str(&known.body).unwrap_or_default();
    json!({
        "id": known.id,
        "guid": known.guid,
        "delivered_at": dates::iso(known.at),
        "redelivery": known.redelivery,
        "duration": 0.25,
        "status": status(known.status_code),
        "status_code": known.status_code,
        "event": known.event,
        "action": payload["action"].as_str(),
        "installation_id": payload["installation"]["id"].as_u64(),
        "repository_id": payload["repository"]["id"].as_u64(),
        "throttled_at": null,
    })
}

#[derive(Deserialize)]
struct Asked {
    per_page: Option<usize>,
    cursor: Option<String>,
}

async fn index(
    _: AsApp,
    From(github): From<GitHub>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let before = match asked.cursor.as_deref() {
        None => u64::MAX,
        Some(cursor) => cursor
            .strip_prefix("v1_")
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Refusal::unprocessable("Invalid cursor"))?,
    };
    let per_page = asked.per_page.unwrap_or(30).clamp(1, PER_PAGE_MAX);
    let (now, state) = (github.now(), github.lock());
    let newest_first = state.deliveries.iter().rev();
    let mut older = newest_first.filter(|known| known.id < before && is_kept(known, now));
    let page: Vec<&HookDelivery> = older.by_ref().take(per_page).collect();
    let more = older.next().is_some();
    let items: Vec<Value> = page.iter().map(|known| item(known)).collect();
    let mut response = Json(items).into_response();
    if let Some(last) = page.last().filter(|_| more) {
        let cursor = encoded(&format!("v1_{}", last.id));
        let link =
            format!("</app/hook/deliveries?per_page={per_page}&cursor={cursor}>; rel=\"next\"");
        let link = HeaderValue::from_str(&link).expect("an encoded address");
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

async fn show(
    _: AsApp,
    From(github): From<GitHub>,
    Path(id): Path<u64>,
) -> Result<Json<Value>, Refusal> {
    let (now, state) = (github.now(), github.lock());
    let known = state.deliveries.iter().find(|known| known.id == id);
    let known = known
        .filter(|known| is_kept(known, now))
        .ok_or_else(Refusal::not_found)?;
    let mut shape = item(known);
    // Parsed, so not the bytes that were signed.
    let payload: Value = serde_json::from_str(&known.body).unwrap_or_else(|_| json!({}));
    shape["request"] = json!({
        "headers": {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/f1a2b3c",
            "X-GitHub-Delivery": known.guid,
            "X-GitHub-Event": known.event,
        },
        "payload": payload,
    });
    shape["response"] = json!({ "headers": null, "payload": null });
    Ok(Json(shape))
}

async fn attempt(
    _: AsApp,
    From(github): From<GitHub>,
    Path(id): Path<u64>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let now = github.now();
    let mut state = github.lock();
    let known = state.deliveries.iter().find(|known| known.id == id);
    known
        .filter(|known| is_kept(known, now))
        .ok_or_else(Refusal::not_found)?;
    state.redeliveries.push(id);
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}
