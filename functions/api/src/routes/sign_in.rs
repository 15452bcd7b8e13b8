//! `/signin`, `/signin/callback`, `/signout`: people come in by GitHub's consent page and go out again.
//!
//! The person's token is used here and thrown away. Who comes back without the state that his browser left with is sent to
//! the beginning; so is who comes back twice.

use crate::memberships;
use crate::oauth_state;
use crate::oauth_state::Intent;
use crate::pages::Page;
use crate::routes::setup;
use crate::sessions;
use crate::sessions::Person;
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::time::Timestamp;
use github_api::{Exchanged, Visitor};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rest::{Form, Params};
use serde::Deserialize;
use std::sync::Arc;

const CODE_BYTES_MAX: usize = 200;

/// Where to go afterwards.
#[derive(Deserialize)]
pub struct Wish {
    return_to: Option<String>,
}

/// Sends a browser to GitHub's consent page.
pub async fn begin(
    State(ctx): State<Arc<Ctx>>,
    Params(wish): Params<Wish>,
) -> Result<Response, ApiError> {
    let within = |path: String| oauth_state::within(&path).map(str::to_owned);
    let bad = || {
        ApiError::bad_request(
            "bad_return_to",
            "return_to is a path of this site, such as /billing",
        )
    };
    let return_to = wish
        .return_to
        .map(|path| within(path).ok_or_else(bad))
        .transpose()?;
    leave(
        &ctx,
        &Intent {
            installation: None,
            return_to,
        },
    )
    .await
}

/// Leaves for GitHub with an intent.
pub async fn leave(ctx: &Ctx, intent: &Intent) -> Result<Response, ApiError> {
    let github = ctx.sign_in().await?;
    let begun = oauth_state::begin(ctx, intent);
    let mut response = redirect(&github.authorize_url(&begun.state, &begun.challenge));
    response
        .headers_mut()
        .append(header::SET_COOKIE, begun.cookie);
    Ok(response)
}

/// What GitHub sends somebody back with.
#[derive(Deserialize)]
pub struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// Takes somebody in who comes back from GitHub.
pub async fn callback(
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Params(back): Params<Back>,
) -> Result<Response, ApiError> {
    let now = ctx.outside.now();
    let github = ctx.sign_in().await?;
    let state = back.state.as_deref().unwrap_or_default();
    let Some((intent, verifier)) = oauth_state::come_back(&ctx, &headers, state, now).await? else {
        return Ok(again(
            "This sign-in was not begun in this browser, was used before or has taken more than ten minutes.",
        ));
    };
    if back.error.is_some() {
        return Ok(again("GitHub says that you did not want to come in."));
    }
    let code = back
        .code
        .as_deref()
        .filter(|code| (1..=CODE_BYTES_MAX).contains(&code.len()));
    let Some(code) = code else {
        return Ok(again("GitHub has sent no code."));
    };
    match github.exchange(code, &verifier, now).await? {
        Exchanged::In(visitor) => come_in(&ctx, &headers, &visitor, intent, now).await,
        Exchanged::Refused => Ok(again(
            "GitHub does not know the code that you came with, or it was too old.",
        )),
    }
}

async fn come_in(
    ctx: &Ctx,
    headers: &HeaderMap,
    visitor: &Visitor,
    intent: Intent,
    now: Timestamp,
) -> Result<Response, ApiError> {
    let user = visitor.user().await?;
    let has = memberships::refresh(ctx, visitor, &user, intent.installation, now).await?;
    // Whoever was signed in on this browser is not any more.
    if let Some(before) = sessions::person(ctx, headers, now).await? {
        sessions::end(ctx, &before.digest()).await?;
    }
    let (session, text) = sessions::begin(ctx, user, has.first_choice(), has.shown.clone(), now);
    ctx.store
        .session_create(&session, &store::session_digest(&text))
        .await?;
    tracing::info!(user.id = %session.user.id, session.id = %session.id, accounts = has.accounts.len(), audit = true, "signed in");
    let csrf = sessions::csrf_token(&text);
    let mut response = match intent.installation {
        Some(installation) => setup::arrive(ctx, &has, installation, &csrf).await?,
        None => {
            let usual = if has.accounts.is_empty() {
                setup::PATH
            } else {
                &ctx.dashboard_url
            };
            redirect(intent.return_to.as_deref().unwrap_or(usual))
        }
    };
    response
        .headers_mut()
        .append(header::SET_COOKIE, sessions::hand_over(&text));
    response
        .headers_mut()
        .append(header::SET_COOKIE, oauth_state::take_away());
    Ok(response)
}

/// A form's proof that it is ours.
#[derive(Deserialize)]
pub struct SignOut {
    csrf_token: String,
}

/// Ends the session of a browser, and does nothing where there is none.
pub async fn sign_out(
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    form: Result<Form<SignOut>, ApiError>,
) -> Result<Response, ApiError> {
    let now = ctx.outside.now();
    if let Some(person) = sessions::person(&ctx, &headers, now).await? {
        let said = headers
            .get(sessions::CSRF)
            .and_then(|value| value.to_str().ok());
        let form = form.ok().map(|Form(form)| form.csrf_token);
        person.vouched_by(&ctx, &headers, said.or(form.as_deref()))?;
        let Person { session, .. } = &person;
        sessions::end(&ctx, &person.digest()).await?;
        tracing::info!(user.id = %session.user.id, session.id = %session.id, audit = true, "signed out");
    }
    let mut response = redirect(&ctx.dashboard_url);
    response
        .headers_mut()
        .append(header::SET_COOKIE, sessions::take_away());
    Ok(response)
}

/// A page that leads to the beginning.
fn again(why: &str) -> Response {
    let page = Page::new(StatusCode::BAD_REQUEST, "You are not signed in")
        .says(why)
        .leads("/signin", "Sign in");
    let mut response = page.into_response();
    response
        .headers_mut()
        .append(header::SET_COOKIE, oauth_state::take_away());
    response
}

/// Sends a browser on; what it sends there is a GET.
pub fn redirect(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    // All that we send people to is plain: our settings, GitHub's page with encoded words, paths that were looked at.
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}
