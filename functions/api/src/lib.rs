//! The door for customers: `/api/v1/…` for their programs, behind keys, and for themselves, signed in with GitHub.
//!
//! Shows an account what it has, may do and has done, records its usage, holds and spends its credits, and sells to it.
//! Woken by API Gateway. Safe to run twice: whatever a request creates has an identity that follows from its idempotency
//! key, credits move through the ledger, quotas by conditional writes. Who asks is told by the key or the session alone,
//! never by a header or a field; what is another account's looks absent.

mod assists;
mod cache;
mod caller;
mod checkout_sessions;
mod config;
mod delegated;
mod document;
mod joining;
mod memberships;
mod oauth_state;
mod owners;
mod pages;
mod rates;
mod routes;
mod sales;
mod sessions;
mod subscribing;

pub use config::{Config, Ctx};
pub use document::document;
pub use rest::ApiError;

use axum::{Router, middleware};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use std::sync::Arc;
use tower::ServiceExt;

/// The largest body this door takes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// Every route of this door.
pub fn router(ctx: Ctx) -> Router {
    let names = middleware::from_fn_with_state(ctx.outside.random.clone(), rest::requests::named);
    let (router, _) = routes::all().split_for_parts();
    router
        .merge(routes::aliases())
        .merge(routes::for_browsers())
        .fallback(routes::absent)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(rates::shown))
        .layer(names)
        .with_state(Arc::new(ctx))
}

/// Answers one request.
pub async fn respond(router: Router, request: Request<Bytes>) -> Response<Bytes> {
    let mut response = match router.oneshot(request.map(axum::body::Body::from)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // Answers are about one account and this moment.
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    let (head, body) = response.into_parts();
    // Bodies are made in memory here, so collecting one cannot fail.
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    Response::from_parts(head, body)
}
