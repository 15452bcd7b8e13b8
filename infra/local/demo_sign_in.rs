//! The link that opens the demo account's dashboard signed in.
//!
//! It plays a sign-in with the stand-in GitHub: the same two requests to `web` that a browser makes,
//! and the button that the demo's owner would press between them. `web` knows nothing of it. The link
//! works once, and only this local server has its route.

use crate::stack::Stack;
use anyhow::{Context, bail};
use axum::body::Body;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use std::sync::{Mutex, PoisonError};
use tower::ServiceExt;

/// The admin of the demo's account.
const OWNER_LOGIN: &str = "acme-owner";
const DASHBOARD: &str = "/billing";
/// The path before the token.
pub const PATH: &str = "/stand-ins/demo";

/// The token of a link until somebody follows it.
pub struct Link(Mutex<Option<String>>);

impl Link {
    pub const fn new(token: String) -> Self {
        Self(Mutex::new(Some(token)))
    }

    /// No link.
    pub const fn none() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether this is the token of the link, which then is used up.
    fn use_up(&self, token: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_right = known.as_deref() == Some(token);
        if is_right {
            *known = None;
        }
        is_right
    }
}

/// Signs the browser in if the link was not used before, and leads to the dashboard.
pub async fn follow(stack: &Stack, link: &Link, token: &str) -> Response {
    if !link.use_up(token) {
        return Redirect::to(&format!("/signin?return_to={DASHBOARD}")).into_response();
    }
    match sign_in(stack).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

async fn sign_in(stack: &Stack) -> anyhow::Result<Response> {
    let request = Request::get(format!("/signin?return_to={DASHBOARD}")).body(Bytes::new())?;
    let leaves = web::respond(stack.web.clone(), request).await;
    let cookie = text_of(&leaves, &header::SET_COOKIE)?;
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let consent = text_of(&leaves, &header::LOCATION)?;
    let at = consent
        .find("/login/oauth/")
        .context("the demo signs in with the stand-in GitHub only")?;
    let press =
        Request::post(format!("{}&login={OWNER_LOGIN}", &consent[at..])).body(Body::empty())?;
    let consented = stack.vendors.github.pages().oneshot(press).await?;
    let back = text_of(&consented, &header::LOCATION)?;
    let at = back
        .find("/signin/callback")
        .context("the stand-in GitHub leads back to the callback")?;
    let request = Request::get(&back[at..])
        .header(header::COOKIE, cookie)
        .body(Bytes::new())?;
    let arrived = web::respond(stack.web.clone(), request).await;
    if arrived.status() != StatusCode::SEE_OTHER {
        bail!("the sign-in ended with {}", arrived.status());
    }
    Ok(arrived.map(Body::from))
}

fn text_of<B>(response: &http::Response<B>, name: &http::HeaderName) -> anyhow::Result<String> {
    let value = response.headers().get(name);
    let value = value.with_context(|| format!("the sign-in's answer lacks {name}"))?;
    Ok(value.to_str()?.to_owned())
}
