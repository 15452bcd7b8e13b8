//! `/admin/events`: the recorded webhooks, what became of them, and their replay.

use super::accounts::account_link;
use super::{Bare, DoneNow, Shown, at, done, or_dash, with};
use crate::Ctx;
use crate::routes::inbox::events::{self, EventShown, Filter};
use crate::session::SignedIn;
use ::pages::{Tone, badge, copyable, definitions, empty, grouped, pager, post, table};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::inbox::{EventSource, EventState};
use http::HeaderMap;
use maud::{Markup, html};
use rest::browsers::see_other;
use rest::{Form, Params, Path};
use std::sync::Arc;

/// The most of a payload that its page shows.
const SHOWN_BYTES_MAX: usize = 24_000;

/// Lists events by sender and state.
pub async fn list(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Shown {
    let (source, status) = (filter.source.clone(), filter.status.clone());
    let is_later = filter.cursor.is_some();
    let Json(found) = events::list(signed_in.authorized(), State(ctx), Params(filter)).await?;
    let rows: Vec<_> = found.events.iter().map(line).collect();
    let query = |cursor| {
        with(
            "/admin/events",
            &[
                ("source", source.as_deref()),
                ("status", status.as_deref()),
                ("cursor", cursor),
            ],
        )
    };
    let first = is_later.then(|| query(None));
    let next = found
        .next_cursor
        .as_deref()
        .map(|cursor| query(Some(cursor)));
    let content = html! {
        form.fields method="get" action="/admin/events" {
            (choice("source", "Sender", source.as_deref(), &EventSource::ALL.map(EventSource::as_str)))
            (choice("status", "State", status.as_deref(), &EventState::ALL.map(EventState::as_str)))
            button { "Show" }
        }
        @if rows.is_empty() {
            (empty("No event is in this state.", &html! { a href="/admin/events" { "Show all events" } }))
        } @else {
            (table("Events, newest first", &["Event", "Sender", "Type", "State", "Received", "Outcome"], &rows))
            (pager(first.as_deref(), next.as_deref()))
        }
    };
    let page = signed_in.page("Events", "/admin/events");
    Ok(page.with(&content).into_response())
}

/// A choice of one word, or of all.
pub fn choice(name: &str, label: &str, chosen: Option<&str>, words: &[&str]) -> Markup {
    html! {
        label {
            (label)
            select name=(name) {
                option value="" { "all" }
                @for word in words {
                    option value=(word) selected[chosen == Some(*word)] { (word) }
                }
            }
        }
    }
}

fn path(event: &EventShown) -> String {
    format!(
        "/admin/events/{}/{}",
        event.source,
        super::encoded(&event.id)
    )
}

fn state(event: &EventShown) -> Markup {
    let tone = match event.status {
        "processed" => Tone::Good,
        "failed" | "quarantined" => Tone::Bad,
        "unattributed" => Tone::Warn,
        _ => Tone::Plain,
    };
    badge(tone, event.status)
}

fn line(event: &EventShown) -> Vec<Markup> {
    vec![
        html! { a href=(path(event)) { (event.id) } },
        html! { (event.source) },
        html! { (event.name) },
        state(event),
        at(&event.received_at),
        or_dash(event.outcome.as_deref()),
    ]
}

/// Shows an event with its payload. Reading a payload is recorded.
pub async fn show(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path((source, id)): Path<(String, String)>,
    Params(now): Params<DoneNow>,
) -> Shown {
    let place = || Path((source.clone(), id.clone()));
    let state_of = || State(Arc::clone(&ctx));
    let Json(event) = events::show(signed_in.authorized(), state_of(), place()).await?;
    let payload = events::body(&ctx, &signed_in.operator, &source, &id).await?;
    let (text, is_cut) = readable(&payload);
    let replay = html! { button { "Replay" } };
    let content = html! {
        (done(&now, &[("replayed", "The event is pending again. What it has done already is not done twice.")]))
        (definitions(&[
            ("State", state(&event)),
            ("Type", html! { (event.name) }),
            ("Sender", html! { (event.source) }),
            ("Vouched for by", html! { (event.provenance) }),
            ("Received", at(&event.received_at)),
            ("Processed", html! { @if let Some(end) = &event.processed_at { (at(end)) } @else { "–" } }),
            ("Outcome", or_dash(event.outcome.as_deref())),
            ("Failed attempts", html! { (event.attempts) }),
            ("Account", html! { @if let Some(account) = &event.account { (account_link(account)) } @else { "–" } }),
            ("Digest", html! { (event.digest) }),
        ]))
        @if event.status == "processed" {
            p.quiet { "This event was processed. Replaying it looks up what it did, and does only what is missing." }
        }
        (post(&format!("{}/replay", path(&event)), &signed_in.csrf_token(), &replay))
        section {
            h2 { "Payload" }
            p.quiet {
                (grouped(&event.body_bytes.to_string())) " bytes, as received"
                @if is_cut { "; the beginning is shown. The API returns all of it." }
            }
            (copyable(&text))
        }
    };
    let page = signed_in.page(&event.id, "/admin/events");
    Ok(page.with(&content).into_response())
}

/// A payload as indented JSON if it is JSON, and as text otherwise; and whether it was cut.
fn readable(payload: &[u8]) -> (String, bool) {
    let text = match serde_json::from_slice::<serde_json::Value>(payload) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(payload).into_owned(),
    };
    let shown = domain::text::truncate(&text, SHOWN_BYTES_MAX);
    (shown.to_owned(), shown.len() < text.len())
}

/// Makes an event pending again.
pub async fn replay(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path((source, id)): Path<(String, String)>,
    headers: HeaderMap,
    Form(Bare { csrf_token }): Form<Bare>,
) -> Shown {
    signed_in.check(&headers, &csrf_token)?;
    let place = Path((source, id));
    let (_, Json(event)) = events::replay(signed_in.authorized(), State(ctx), place).await?;
    Ok(see_other(&format!("{}?done=replayed", path(&event))))
}
