//! `/admin/signin`: an operator's token begins a session.

use super::{Bare, Shown, problem};
use crate::operator::{identify, token_digest};
use crate::session::{LIFE, SignedIn, cookie};
use crate::{ApiError, Ctx};
use ::pages::{Forms, Page, Tone, notice};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use boot::SourceAddress;
use domain::accounts::sessions::SessionText;
use flows::accounts::rates;
use http::{HeaderMap, StatusCode, header};
use maud::html;
use rest::Form;
use rest::browsers::see_other;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use store::{OperatorSession, session_digest};

#[derive(Deserialize)]
pub struct Token {
    token: String,
}

/// Shows the form.
pub async fn show() -> Page {
    form(StatusCode::OK, None)
}

fn form(status: StatusCode, wrong: Option<&str>) -> Page {
    Page::new(status, "Sign in as an operator")
        .forms(Forms::Ours)
        .with(&html! {
            @if let Some(wrong) = wrong { (notice(Tone::Bad, &html! { (wrong) })) }
            form method="post" action="/admin/signin" {
                label {
                    "Operator's token"
                    input type="password" name="token" required autocomplete="current-password" autofocus;
                }
                button.primary { "Sign in" }
            }
            p.quiet { "The session lasts twelve hours, or until the token is removed from " code { "OPERATOR_TOKEN" } "." }
        })
}

/// Begins a session if the token is an operator's.
pub async fn sign_in(
    State(ctx): State<Arc<Ctx>>,
    source: Option<Extension<SourceAddress>>,
    Form(Token { token }): Form<Token>,
) -> Shown {
    let network = source.map_or_else(String::new, |source| source.network());
    let now = ctx.outside.now();
    if let Some(seconds) = rates::count_operator_try(&ctx.store, &network, now).await? {
        tracing::warn!(
            alarm = true,
            "a network has used up its tries to sign in as an operator"
        );
        let detail = format!("Too many tries; try again in {seconds} seconds.");
        return Ok(problem(&ApiError::too_many(detail, seconds)).into_response());
    }
    let Some(operator) = identify(&ctx, token.trim()).await? else {
        tracing::warn!("a wrong operator's token");
        let wrong = "This is not an operator's token. Copy it again: it is the part of OPERATOR_TOKEN after the colon.";
        return Ok(form(StatusCode::UNAUTHORIZED, Some(wrong)).into_response());
    };
    let text = SessionText::mint(ctx.outside.random_bytes());
    let session = OperatorSession {
        name: operator.name.clone(),
        token_digest: token_digest(token.trim()),
        expires_at: now.plus(LIFE),
    };
    let digest = session_digest(&text);
    ctx.store.operator_session_create(&session, &digest).await?;
    tracing::info!(operator.name = operator.name, audit = true, "signed in");
    let mut response = see_other("/admin");
    response
        .headers_mut()
        .insert(header::SET_COOKIE, cookie(text.expose(), LIFE));
    Ok(response)
}

/// Ends the session.
pub async fn sign_out(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(Bare { csrf_token }): Form<Bare>,
) -> Result<Response, super::Refused> {
    signed_in.check(&headers, &csrf_token)?;
    ctx.store.operator_session_end(&signed_in.digest()).await?;
    let mut response = see_other("/admin/signin");
    response
        .headers_mut()
        .insert(header::SET_COOKIE, cookie("", Duration::ZERO));
    Ok(response)
}
