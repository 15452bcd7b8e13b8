//! `/admin/switches`: what an operator can stop at once, and since when it is stopped.

use super::accounts::account_link;
use super::{DoneNow, Shown, WithReason, at, done, reason_field};
use crate::Ctx;
use crate::routes::inbox::switches::{self, Position, SwitchChange, SwitchShown};
use crate::session::SignedIn;
use ::pages::{Tone, badge, definitions, post};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::HeaderMap;
use maud::{Markup, html};
use rest::browsers::see_other;
use rest::{Body, Form, Params, Path};
use serde::Deserialize;
use std::sync::Arc;

/// The fields of a switch's form.
#[derive(Deserialize)]
pub struct Wanted {
    #[serde(flatten)]
    why: WithReason,
    position: String,
}

/// Lists every switch with its form, and the accounts that are paused.
pub async fn list(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Params(now): Params<DoneNow>,
) -> Shown {
    let Json(found) = switches::list(signed_in.authorized(), State(ctx)).await?;
    let token = signed_in.csrf_token();
    let content = html! {
        (done(&now, &[("switched", "The switch is set. Every function sees it within a minute.")]))
        p.quiet { "Stopped work waits: nothing is lost, and nothing is counted as a failure." }
        @for switch in &found.switches { (card(switch, &token)) }
        section {
            h2 { "Paused accounts" }
            @if found.paused_accounts.is_empty() { p { "No account is paused." } }
            @for paused in &found.paused_accounts {
                p { (account_link(&paused.account_id)) ": " (said(&paused.word)) }
            }
        }
    };
    let page = signed_in.page("Switches", "/admin/switches");
    Ok(page.with(&content).into_response())
}

fn card(switch: &SwitchShown, token: &str) -> Markup {
    let is_off = switch.on == Some(false);
    let (to, label) = if is_off {
        ("on", "Switch on")
    } else {
        ("off", "Switch off")
    };
    let fields = html! {
        input type="hidden" name="position" value=(to);
        (reason_field())
        button { (label) }
    };
    let state = match switch.on {
        Some(true) => badge(Tone::Good, "on"),
        Some(false) => badge(Tone::Bad, "off"),
        None => html! { (switch.default) },
    };
    html! {
        section.card {
            h2 { (switch.name) }
            (definitions(&[
                ("Position", state),
                ("While it is off", html! { (switch.while_off) }),
                ("Latest change", html! { @if let Some(word) = &switch.word { (said(word)) } @else { "none" } }),
            ]))
            details { summary { (label) } (post(&format!("/admin/switches/{}", switch.name), token, &fields)) }
        }
    }
}

fn said(word: &SwitchChange) -> Markup {
    html! { @if word.on { "on" } @else { "off" } " since " (at(&word.at)) " by " (word.by) ": " (word.reason) }
}

/// Sets a switch.
pub async fn change(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Form(wanted): Form<Wanted>,
) -> Shown {
    signed_in.check(&headers, &wanted.why.csrf_token)?;
    let position = Position {
        on: wanted.position == "on",
        reason: wanted.why.reason,
    };
    switches::change(
        signed_in.authorized(),
        State(ctx),
        Path(name),
        Body(position),
    )
    .await
    .map(|_| ())?;
    Ok(see_other("/admin/switches?done=switched"))
}
