//! `/status`: whether everything that GitHub and Stripe made has arrived. Everybody may read it.
//!
//! It shows numbers and times, and no ids. It is read at most once a minute.

use crate::visitors::Guest;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::inbox::EventSource;
use domain::inbox::recovery::Completeness;
use domain::time::Timestamp;
use http::header::{ACCEPT, CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use maud::{Markup, html};
use pages::{Page, Tone, badge, moment, table};
use serde::Serialize;
use std::sync::Arc;

const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=60");
const BY_FORMAT: HeaderValue = HeaderValue::from_static("accept");

/// The events of one sender.
#[derive(Clone, Serialize)]
pub struct SourceStatus {
    source: &'static str,
    state: &'static str,
    /// Events of about the last three days, and those of them that have arrived.
    made: Option<u64>,
    arrived: Option<u64>,
    read_through: Option<String>,
    #[serde(skip)]
    read: Option<Timestamp>,
}

#[derive(Serialize)]
struct Status {
    events: Vec<SourceStatus>,
}

/// Shows the page, or the same as JSON for a client that asks for it.
pub async fn show(
    _: Guest,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut events = Vec::new();
    for source in EventSource::ALL {
        events.push(status_of(&ctx, source).await?);
    }
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let json = accepted.is_some_and(|accept| accept.contains("application/json"));
    let mut response = if json {
        Json(Status { events }).into_response()
    } else {
        page(&events).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, CACHED);
    headers.insert(VARY, BY_FORMAT);
    Ok(response)
}

async fn status_of(ctx: &Ctx, source: EventSource) -> Result<SourceStatus, ApiError> {
    let now = ctx.outside.now();
    if let Some(Some(known)) = ctx.status.get(source.as_str(), now) {
        return Ok(known);
    }
    let progress = ctx.recoveries.recovery_progress(source).await?;
    let counted = ctx.recoveries.recovery_count(source).await?;
    let misses = ctx.recoveries.miss_list(source).await?;
    let count = counted.as_ref().map(|counted| &counted.count);
    let state = Completeness::of(progress.as_ref(), count, misses.len(), now);
    // A number that nobody has checked would look like a promise.
    let count = count.filter(|_| state != Completeness::Unknown);
    let is_counted = |at: Timestamp| {
        let span = counted.as_ref().map(|counted| counted.from..counted.to);
        span.is_some_and(|span| span.contains(&at))
    };
    let missing = misses.iter().filter(|miss| is_counted(miss.made_at));
    let missing = u64::try_from(missing.count()).unwrap_or(u64::MAX);
    let status = SourceStatus {
        source: source.as_str(),
        state: state.as_str(),
        made: count.map(|count| count.made),
        arrived: count.map(|count| count.made.saturating_sub(missing)),
        read_through: progress.as_ref().map(|at| at.read_through.to_string()),
        read: progress.map(|progress| progress.read_through),
    };
    ctx.status.put(source.as_str(), Some(status.clone()), now);
    Ok(status)
}

fn page(events: &[SourceStatus]) -> Page {
    let rows: Vec<Vec<Markup>> = events.iter().map(row).collect();
    let columns = ["From", "State", "Arrived", "Checked up to"];
    let content = html! {
        (table("Events of the last three days", &columns, &rows))
        p.quiet {
            "Tallyhook compares what GitHub and Stripe say they sent with what has arrived, and brings back what is missing. The state is unknown if Tallyhook could not check recently."
        }
    };
    Page::new(StatusCode::OK, "Status").with(&content)
}

fn row(status: &SourceStatus) -> Vec<Markup> {
    let name = if status.source == EventSource::Github.as_str() {
        "GitHub"
    } else {
        "Stripe"
    };
    let tone = match Completeness::parse(status.state) {
        Some(Completeness::Complete) => Tone::Good,
        Some(Completeness::Incomplete) => Tone::Bad,
        Some(Completeness::Unknown) | None => Tone::Plain,
    };
    let arrived = match (status.arrived, status.made) {
        (Some(arrived), Some(made)) => html! { (arrived) " of " (made) },
        _ => html! { "unknown" },
    };
    vec![
        html! { (name) },
        badge(tone, status.state),
        arrived,
        html! { @if let Some(at) = status.read { (moment(at)) } @else { "not yet" } },
    ]
}
