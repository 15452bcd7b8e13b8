//! The operators' pages. Each shows what the route of the API with the same name answers, and its
//! forms do what that route does, so both have the same figures and rules.

mod accounts;
mod adjust;
mod catalogue;
mod events;
mod explained;
mod jobs;
mod overview;
mod queues;
mod signin;
mod signups;
mod switches;

use crate::{ApiError, Ctx};
use ::pages::{Page, Tone, notice};
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use domain::time::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

pub fn routes() -> Router<Arc<Ctx>> {
    Router::new()
        .route("/admin", get(overview::show))
        .route("/admin/signin", get(signin::show).post(signin::sign_in))
        .route("/admin/signout", post(signin::sign_out))
        .route("/admin/billing", get(accounts::list))
        .route("/admin/accounts/{id}", get(accounts::show))
        .route("/admin/accounts/{id}/adjust", post(adjust::preview))
        .route("/admin/accounts/{id}/adjust/confirm", post(adjust::confirm))
        .route(
            "/admin/accounts/{id}/transactions/{cause}",
            get(explained::transaction),
        )
        .route(
            "/admin/accounts/{id}/usage/{meter}/{usage}",
            get(explained::usage),
        )
        .route("/admin/jobs", get(jobs::list))
        .route("/admin/jobs/{id}", get(jobs::show))
        .route("/admin/events", get(events::list))
        .route("/admin/events/{source}/{id}", get(events::show))
        .route("/admin/events/{source}/{id}/replay", post(events::replay))
        .route("/admin/queues", get(queues::list))
        .route("/admin/queues/{queue}/redrive", post(queues::redrive))
        .route("/admin/switches", get(switches::list))
        .route("/admin/switches/{name}", post(switches::change))
        .route("/admin/signups", get(signups::list))
        .route("/admin/signups/{id}/approve", post(signups::approve))
        .route("/admin/signups/{id}/refuse", post(signups::refuse))
        .route("/admin/catalogue", get(catalogue::show))
}

/// What a page shows or a form does, or the page that says why not.
type Shown = Result<Response, Refused>;

/// An error as a page.
struct Refused(ApiError);

impl<E: Into<ApiError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        problem(&self.0).into_response()
    }
}

/// The page for an error.
pub fn problem(error: &ApiError) -> Page {
    let status = error.status();
    let heading = status.canonical_reason().unwrap_or("This did not work");
    Page::new(status, heading)
        .paragraph(error.detail())
        .link("/admin", "Back to the overview")
}

/// A form without fields of its own.
#[derive(Deserialize)]
struct Bare {
    csrf_token: String,
}

/// A form with a reason.
#[derive(Deserialize)]
struct WithReason {
    csrf_token: String,
    reason: String,
}

/// What was just done, from the address to which a form leads.
#[derive(Deserialize)]
struct DoneNow {
    done: Option<String>,
}

/// The message about what was just done. Only texts that are known here are shown.
fn done(now: &DoneNow, known: &[(&str, &str)]) -> Markup {
    let word = now.done.as_deref().unwrap_or_default();
    let text = known.iter().find(|(name, _)| *name == word);
    html! { @if let Some((_, text)) = text { (notice(Tone::Good, &html! { (text) })) } }
}

/// A time that the API answered.
fn at(text: &str) -> Markup {
    html! {
        @match Timestamp::parse(text) {
            Some(at) => (::pages::moment(at)),
            None => (text),
        }
    }
}

/// An amount of credits that the API answered.
fn credits(text: &str) -> Markup {
    html! { data value=(text) { (::pages::grouped(text)) " credits" } }
}

/// A value, or a dash where there is none.
fn or_dash(value: Option<&str>) -> Markup {
    html! { @match value { Some(value) => (value), None => "–" } }
}

/// A field for a reason.
fn reason_field() -> Markup {
    html! {
        label {
            "Reason"
            input type="text" name="reason" required maxlength="500" autocomplete="off";
        }
    }
}

/// A path with a query.
fn with(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut text = path.to_owned();
    let mut sign = '?';
    for (name, value) in pairs {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push(sign);
            text.push_str(name);
            text.push('=');
            text.push_str(&encoded(value));
            sign = '&';
        }
    }
    text
}

/// Encodes everything but unreserved characters (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_cannot_add_parameters() {
        let pairs = [
            ("a", Some("1&b=2#")),
            ("c", None),
            ("d", Some("")),
            ("e", Some("é")),
        ];
        assert_eq!(with("/x", &pairs), "/x?a=1%26b%3D2%23&e=%C3%A9");
    }
}
