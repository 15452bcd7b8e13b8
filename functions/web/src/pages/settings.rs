//! `/settings/…`: the people and programs of an account, its notices, and the account itself.

mod account;
mod keys;
mod notices;
mod people;
mod repositories;
mod sessions;

use crate::Ctx;
use crate::members::{Member, Standing};
use axum::Router;
use axum::routing::{get, post};
use maud::{Markup, html};
use pages::{Page, Tone, notice, tabs};
use serde::Deserialize;
use std::sync::Arc;

const TABS: &[(&str, &str)] = &[
    ("/settings/members", "Members"),
    ("/settings/keys", "API keys"),
    ("/settings/repositories", "Repositories"),
    ("/settings/notices", "Notices"),
    ("/settings/sessions", "Sessions"),
    ("/settings/account", "Account"),
];

pub fn routes() -> Router<Arc<Ctx>> {
    Router::new()
        .route("/settings/members", get(people::show))
        .route("/settings/members/{id}/role", post(people::change))
        .route("/settings/members/{id}/remove", post(people::remove))
        .route("/settings/keys", get(keys::show).post(keys::create))
        .route("/settings/keys/{id}/rotate", post(keys::rotate))
        .route("/settings/keys/{id}/revoke", post(keys::revoke))
        .route("/settings/notices", get(notices::show).post(notices::set))
        .route("/settings/repositories", get(repositories::show))
        .route("/settings/sessions", get(sessions::show))
        .route("/settings/sessions/others", post(sessions::end_others))
        .route("/settings/sessions/{id}/end", post(sessions::end))
        .route("/settings/account", get(account::show))
}

/// The query of a page: what a form has done.
#[derive(Deserialize)]
pub struct Done {
    done: Option<String>,
}

/// Starts a page of the settings.
fn tab(member: &Member, standing: &Standing<'_>, heading: &str, current: &str) -> Page {
    Page::framed(heading, member.frame(standing, "/settings/members"))
        .with(&tabs("Settings", TABS, current))
}

fn flash(done: &Done) -> Markup {
    let text = match done.done.as_deref() {
        Some("ended") => {
            "Ended. Their browsers have to sign in again, within a minute at the latest."
        }
        Some("removed") => "The member is removed. Their sessions lose access within a minute.",
        Some("revoked") => "The key is revoked. It stops working within a minute.",
        Some("role") => "The role is changed.",
        Some("saved") => "The notices are saved.",
        _ => return html! {},
    };
    notice(Tone::Good, &html! { (text) })
}

fn read_only() -> Markup {
    notice(
        Tone::Plain,
        &html! { "Only admins of this account can change this. You can read everything here." },
    )
}
