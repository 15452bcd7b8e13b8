//! Rate limits: counts callers and guests, and adds the rate limit headers to responses.
//!
//! While the store cannot count, reads stay open and every other request is refused, so that no
//! credits move uncounted.

use crate::{ApiError, Ctx};
use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::Response;
use boot::SourceAddress;
use flows::accounts::rates::{Allowance, Rated, Who};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use std::sync::{Arc, Mutex, PoisonError};

/// Carries the count of a request to its response.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Option<Allowance>>>);

/// Adds the caller's remaining allowance to each response.
pub async fn shown(mut request: Request, next: Next) -> Response {
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let mut response = next.run(request).await;
    let allowance = *slot.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(allowance) = allowance {
        for (name, value) in [
            ("ratelimit-limit", allowance.limit),
            ("ratelimit-remaining", allowance.remaining),
            ("ratelimit-reset", allowance.reset_seconds),
        ] {
            let name = HeaderName::from_static(name);
            response
                .headers_mut()
                .insert(name, HeaderValue::from(value));
        }
    }
    response
}

/// Counts a request, or refuses it if the caller has reached a limit.
pub async fn count(ctx: &Ctx, who: Who<'_>, parts: &Parts) -> Result<(), ApiError> {
    let rated = match ctx.rates.count(&ctx.store, who, ctx.outside.now()).await {
        Ok(rated) => rated,
        Err(error) if matches!(parts.method, Method::GET | Method::HEAD) => {
            tracing::warn!(account.id = who.account, %error, "could not count a request");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let (Rated::Within(allowance) | Rated::Exceeded(allowance)) = rated;
    if let Some(slot) = parts.extensions.get::<Slot>() {
        *slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(allowance);
    }
    match rated {
        Rated::Within(_) => Ok(()),
        Rated::Exceeded(Allowance { reset_seconds, .. }) => {
            let limits = ctx.rates.limits;
            let detail = format!(
                "The limit is {} requests a minute for a key or a session and {} for an account; retry in {reset_seconds} seconds.",
                limits.key, limits.account
            );
            Err(ApiError::too_many(detail, reset_seconds))
        }
    }
}

/// A client without a key whose network has not sent too many requests.
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
