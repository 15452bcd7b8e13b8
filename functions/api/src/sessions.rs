//! Authenticates signed-in people by their session's cookie, and checks the CSRF token that every
//! change needs.

use crate::{ApiError, Ctx, rates};
use axum::extract::FromRequestParts;
use domain::accounts::sessions::Session;
use domain::ids::AccountId;
use flows::accounts::rates::Who;
use flows::accounts::sessions::{self, Person};
use http::request::Parts;
use http::{HeaderMap, Method, header};
use rest::csrf::{CSRF, check_csrf};
use std::sync::Arc;

/// Returns the person whose session the request carries, if the session is valid.
pub async fn person(ctx: &Ctx, headers: &HeaderMap) -> Result<Option<Person>, ApiError> {
    let Some(text) = rest::browsers::session(headers) else {
        return Ok(None);
    };
    let now = ctx.outside.now();
    Ok(sessions::find(&ctx.store, &ctx.sessions, text, now).await?)
}

/// Returns an error unless the request changes nothing or comes from our own page.
pub fn vouched(person: &Person, site: Option<&str>, parts: &Parts) -> Result<(), ApiError> {
    if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let token = parts.headers.get(CSRF);
    let token = token.and_then(|value| value.to_str().ok());
    check_csrf(&person.csrf_token(), token, &parts.headers, site)
}

/// A signed-in person, for routes about the session itself. The person may have no account.
pub struct SignedIn(pub Person);

impl FromRequestParts<Arc<Ctx>> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, ApiError> {
        let unauthorized = || {
            ApiError::unauthorized(
                "This endpoint requires a signed-in session; API keys are not accepted. Sign in at `/signin`.",
            )
        };
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return Err(unauthorized());
        }
        let person = person(ctx, &parts.headers)
            .await?
            .ok_or_else(unauthorized)?;
        vouched(&person, ctx.dashboard_url.as_deref(), parts)?;
        let Session {
            id, user, account, ..
        } = &person.session;
        let account = account
            .as_ref()
            .map_or_else(|| format!("user_{}", user.id), AccountId::to_string);
        let who = Who {
            account: &account,
            by: id.as_str(),
        };
        rates::count(ctx, who, parts).await?;
        Ok(Self(person))
    }
}
