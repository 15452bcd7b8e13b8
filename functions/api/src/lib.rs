//! The customer API, `/api/v1/…`: for programs with API keys, and for people with a session.
//!
//! It shows an account its state, records its usage, holds and spends its credits, and sells to it.
//! Only the key or the session identifies the caller, never another header or a field. Objects of
//! other accounts look absent. Safe to run twice: the identity of everything that a request creates
//! follows from its idempotency key, credits move through the ledger, and quotas change by
//! conditional writes.

mod caller;
mod config;
mod document;
mod rates;
mod routes;
mod sessions;

pub use config::{Config, Ctx};
pub use document::document;
pub use rest::ApiError;

use axum::{Router, middleware};
use bytes::Bytes;
use http::{Request, Response};
use std::sync::Arc;

/// Builds the router with every route of the API.
pub fn router(ctx: Ctx) -> Router {
    let names = middleware::from_fn_with_state(ctx.outside.random.clone(), rest::requests::named);
    let ctx = Arc::new(ctx);
    let (router, _) = routes::all().split_for_parts();
    let (without_keys, _) = routes::without_keys().split_for_parts();
    let keyed = middleware::from_fn_with_state(Arc::clone(&ctx), routes::aliases::keyed);
    router
        .merge(without_keys.route_layer(keyed))
        .merge(routes::aliases::all(&ctx))
        .route(
            routes::jobs::cancel_form::PATH,
            axum::routing::post(routes::jobs::cancel_form::submit),
        )
        .route(
            routes::accounts::signup_form::PATH,
            axum::routing::post(routes::accounts::signup_form::submit),
        )
        .fallback(routes::absent)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(axum::extract::DefaultBodyLimit::max(rest::BODY_BYTES_MAX))
        .layer(middleware::from_fn(rates::shown))
        .layer(names)
        .with_state(ctx)
}

pub async fn respond(router: Router, request: Request<Bytes>) -> Response<Bytes> {
    rest::respond(router, request).await
}
