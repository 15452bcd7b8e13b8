//! `/admin/signups`: who wants an account, and the decision about it.

use super::accounts::account_link;
use super::events::choice;
use super::{Bare, Shown, WithReason, at, encoded, or_dash, reason_field, with};
use crate::Ctx;
use crate::reason::Reason;
use crate::routes::accounts::signups::{self, Filter, SignUpShown};
use crate::session::SignedIn;
use ::pages::{empty, pager, post, table};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use domain::accounts::signups::SignUpState;
use http::HeaderMap;
use maud::{Markup, html};
use rest::browsers::see_other;
use rest::{Body, Form, Params, Path};
use std::sync::Arc;

/// Lists sign-ups in one state; those that wait for approval if none is chosen.
pub async fn list(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Shown {
    let state = filter.state.clone();
    let is_later = filter.cursor.is_some();
    let Json(found) = signups::list(signed_in.authorized(), State(ctx), Params(filter)).await?;
    let token = signed_in.csrf_token();
    let rows: Vec<_> = found.signups.iter().map(|one| line(one, &token)).collect();
    let query = |cursor| {
        with(
            "/admin/signups",
            &[("state", state.as_deref()), ("cursor", cursor)],
        )
    };
    let first = is_later.then(|| query(None));
    let next = found
        .next_cursor
        .as_deref()
        .map(|cursor| query(Some(cursor)));
    let content = html! {
        form.fields method="get" action="/admin/signups" {
            (choice("state", "State", state.as_deref(), &SignUpState::ALL.map(SignUpState::as_str)))
            button { "Show" }
        }
        @if rows.is_empty() {
            (empty("No sign-up is in this state.", &html! {
                "With `AUTO_PROVISION=false`, sign-ups wait here for an operator. Otherwise they become accounts by themselves."
            }))
        } @else {
            (table("Sign-ups, newest first", &["Who", "Where", "Plan", "State", "Since", "Account", "Decision"], &rows))
            (pager(first.as_deref(), next.as_deref()))
        }
    };
    let page = signed_in.page("Sign-ups", "/admin/signups");
    Ok(page.with(&content).into_response())
}

fn line(one: &SignUpShown, token: &str) -> Vec<Markup> {
    let path = format!("/admin/signups/{}", encoded(&one.id));
    let is_open = one.state == SignUpState::WaitingForApproval.as_str();
    let is_refused = one.state == SignUpState::Refused.as_str();
    vec![
        html! { (or_dash(one.name.as_deref())) br; span.quiet { (or_dash(one.email.as_deref())) } },
        html! { (one.way) @if let Some(owner) = one.owner_id { br; span.quiet { "owner " (owner) } } },
        html! { (one.plan) @if let Some(wish) = &one.wished_plan { br; span.quiet { "then " (wish) } } },
        html! { (one.state) @if let Some(why) = &one.why { br; span.quiet { (why) } } },
        at(&one.at),
        account_link(&one.account_id),
        html! {
            @if is_open || is_refused { (post(&format!("{path}/approve"), token, &html! { button { "Approve" } })) }
            @if is_open {
                details {
                    summary { "Refuse" }
                    (post(&format!("{path}/refuse"), token, &html! { (reason_field()) button { "Refuse" } }))
                }
            }
        },
    ]
}

/// Lets a sign-up become an account.
pub async fn approve(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(Bare { csrf_token }): Form<Bare>,
) -> Shown {
    signed_in.check(&headers, &csrf_token)?;
    signups::approve(signed_in.authorized(), State(ctx), Path(id))
        .await
        .map(|_| ())?;
    Ok(see_other("/admin/signups"))
}

/// Refuses a sign-up.
pub async fn refuse(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(WithReason { csrf_token, reason }): Form<WithReason>,
) -> Shown {
    signed_in.check(&headers, &csrf_token)?;
    let why = Body(Reason { reason });
    signups::refuse(signed_in.authorized(), State(ctx), Path(id), why)
        .await
        .map(|_| ())?;
    Ok(see_other("/admin/signups"))
}
