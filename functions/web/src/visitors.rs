//! The people who use a browser: guests, whose requests are counted by network, and signed-in
//! people.

use crate::{ApiError, Ctx};
use axum::extract::FromRequestParts;
use boot::SourceAddress;
use flows::accounts::sessions::{self, Person};
use http::HeaderMap;
use http::request::Parts;
use std::sync::Arc;

/// A visitor without credentials whose network has not sent too many requests.
pub struct Guest;

impl FromRequestParts<Arc<Ctx>> for Guest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, ApiError> {
        // Requests without a source address share one limit.
        let source = parts.extensions.get::<SourceAddress>();
        let network = source.map_or_else(String::new, |source| source.network());
        match ctx
            .rates
            .count_guest(&ctx.store, &network, ctx.outside.now())
            .await?
        {
            None => Ok(Self),
            Some(seconds) => Err(rest::too_many_without_key(seconds)),
        }
    }
}

/// A signed-in person. Handlers check their forms with [`vouched`].
pub struct SignedIn(pub Person);

impl FromRequestParts<Arc<Ctx>> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, ApiError> {
        let person = find(ctx, &parts.headers).await?;
        person
            .map(Self)
            .ok_or_else(|| ApiError::unauthorized("Sign in at `/signin`."))
    }
}

/// Returns the person whose session the request carries, if the session is valid.
pub async fn find(ctx: &Ctx, headers: &HeaderMap) -> Result<Option<Person>, ApiError> {
    let Some(text) = rest::browsers::session(headers) else {
        return Ok(None);
    };
    let now = ctx.outside.now();
    Ok(sessions::find(&ctx.store, &ctx.sessions, text, now).await?)
}

/// Returns an error unless the form comes from our own page.
pub fn vouched(
    ctx: &Ctx,
    person: &Person,
    headers: &HeaderMap,
    token: Option<&str>,
) -> Result<(), ApiError> {
    let site = ctx.dashboard_url.as_deref();
    rest::csrf::check_csrf(&person.csrf_token(), token, headers, site)
}
