//! `/signin`, `/signin/callback` and `/signout`: people sign in through GitHub's consent page and
//! sign out.
//!
//! The person's GitHub token is used here and discarded. Safe to run twice: a callback without this
//! browser's state, or with a state that was already used, leads back to the start.

use crate::oauth_state::{self, Intent};
use crate::pages::accounts::setup;
use crate::visitors::{find, vouched};
use crate::{ApiError, Ctx};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use boot::SourceAddress;
use domain::accounts::sessions::SessionText;
use domain::time::Timestamp;
use flows::accounts::{memberships, rates, sessions};
use github_api::{Exchanged, Visitor};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pages::Page;
use rest::browsers::{browser, see_other};
use rest::browsers::{no_session_cookie, session_cookie};
use rest::csrf::CSRF;
use rest::{Form, Params};
use serde::Deserialize;
use std::sync::Arc;

const CODE_BYTES_MAX: usize = 200;

/// The query of `/signin`: the page to go to afterwards.
#[derive(Deserialize)]
pub struct Next {
    return_to: Option<String>,
}

/// Redirects the browser to GitHub's consent page.
pub async fn begin(
    State(ctx): State<Arc<Ctx>>,
    Params(next): Params<Next>,
) -> Result<Response, ApiError> {
    let return_to = match next.return_to {
        Some(path) if oauth_state::within(&path).is_none() => {
            let detail = "`return_to` must be a path of this site, such as `/billing`.";
            return Err(ApiError::bad_request("bad_return_to", detail));
        }
        other => other,
    };
    let intent = Intent {
        installation: None,
        return_to,
    };
    leave(&ctx, &intent).await
}

/// Redirects the browser to GitHub with an intent.
pub async fn leave(ctx: &Ctx, intent: &Intent) -> Result<Response, ApiError> {
    let github = ctx.sign_in().await?;
    let begun = oauth_state::begin(ctx.outside.random_bytes(), intent);
    let mut response = see_other(&github.authorize_url(&begun.state, &begun.challenge));
    set(&mut response, begun.cookie);
    Ok(response)
}

/// The query with which GitHub redirects a person back.
#[derive(Deserialize)]
pub struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// Signs in a person who returns from GitHub. It is counted, because anybody can begin a sign-in, and
/// its end asks GitHub.
pub async fn callback(
    State(ctx): State<Arc<Ctx>>,
    source: Option<Extension<SourceAddress>>,
    headers: HeaderMap,
    Params(back): Params<Back>,
) -> Result<Response, ApiError> {
    let now = ctx.outside.now();
    let network = source.map_or_else(String::new, |source| source.network());
    if let Some(seconds) = rates::count_sign_in(&ctx.store, &network, now).await? {
        return Err(rest::too_many_without_key(seconds));
    }
    let github = ctx.sign_in().await?;
    let state = back.state.as_deref().unwrap_or_default();
    let begun = oauth_state::come_back(&ctx.store, &headers, state, now).await?;
    let Some((intent, verifier)) = begun else {
        return Ok(again(
            "This sign-in began in another browser, was used before or took more than ten minutes.",
        ));
    };
    if back.error.is_some() {
        return Ok(again("Sign-in was cancelled on GitHub."));
    }
    let code = back
        .code
        .as_deref()
        .filter(|code| (1..=CODE_BYTES_MAX).contains(&code.len()));
    let Some(code) = code else {
        return Ok(again("GitHub sent no code."));
    };
    match github.exchange(code, &verifier, now).await? {
        Exchanged::In(visitor) => enter(&ctx, &headers, &visitor, intent, now).await,
        Exchanged::Refused => Ok(again("GitHub did not accept the code; it may be too old.")),
    }
}

async fn enter(
    ctx: &Ctx,
    headers: &HeaderMap,
    visitor: &Visitor,
    intent: Intent,
    now: Timestamp,
) -> Result<Response, ApiError> {
    let user = visitor.user().await?;
    let sold = (&ctx.store, &ctx.catalogue);
    let has = memberships::refresh(sold, visitor, &user, intent.installation, now).await?;
    // A browser has one session, so its previous session ends.
    if let Some(before) = find(ctx, headers).await? {
        sessions::end(&ctx.store, &ctx.sessions, &before).await?;
    }
    let fresh = sessions::Fresh {
        id: ctx.outside.random_bytes(),
        text: ctx.outside.random_bytes(),
        browser: browser(headers),
    };
    let seen = sessions::Seen {
        shown: has.shown.clone(),
        full: has.full.clone(),
    };
    let (session, text) = sessions::start(fresh, user, has.first_choice(), seen, now);
    let digest = store::session_digest(&text);
    ctx.store.session_create(&session, &digest).await?;
    tracing::info!(user.id = %session.user.id, session.id = %session.id, accounts = has.accounts.len(), audit = true, "signed in");
    let csrf = sessions::csrf_token(&text);
    let mut response = match intent.installation {
        Some(installation) => setup::arrive(ctx, &has, installation, &csrf).await?,
        None => {
            let usual = if has.accounts.is_empty() {
                setup::PATH
            } else {
                ctx.dashboard()
            };
            see_other(intent.return_to.as_deref().unwrap_or(usual))
        }
    };
    set_session(&mut response, &text);
    set(&mut response, oauth_state::no_cookie());
    Ok(response)
}

/// The form of the sign-out button.
#[derive(Deserialize)]
pub struct SignOut {
    csrf_token: String,
}

/// Ends the browser's session, if there is one.
pub async fn sign_out(
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    form: Result<Form<SignOut>, ApiError>,
) -> Result<Response, ApiError> {
    if let Some(person) = find(&ctx, &headers).await? {
        let token = headers.get(CSRF).and_then(|value| value.to_str().ok());
        let form = form.ok().map(|Form(form)| form.csrf_token);
        vouched(&ctx, &person, &headers, token.or(form.as_deref()))?;
        sessions::end(&ctx.store, &ctx.sessions, &person).await?;
        let session = &person.session;
        tracing::info!(user.id = %session.user.id, session.id = %session.id, audit = true, "signed out");
    }
    let mut response = see_other(ctx.dashboard());
    set(&mut response, no_session_cookie());
    Ok(response)
}

/// Returns a page that leads back to the start of the sign-in.
fn again(why: &str) -> Response {
    let page = Page::new(StatusCode::BAD_REQUEST, "You are not signed in")
        .paragraph(why)
        .link("/signin", "Sign in");
    let mut response = page.into_response();
    set(&mut response, oauth_state::no_cookie());
    response
}

/// Gives the browser its session.
pub fn set_session(response: &mut Response, text: &SessionText) {
    set(response, session_cookie(text));
}

fn set(response: &mut Response, cookie: HeaderValue) {
    response.headers_mut().append(header::SET_COOKIE, cookie);
}
