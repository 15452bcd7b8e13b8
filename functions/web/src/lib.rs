//! Pages and redirects for browsers: sign-in with GitHub, setup after an installation, the first
//! API key, and for members of an account its billing and its jobs.
//!
//! This function holds the App's client secret, a key of Stripe and the session cookies. It does not
//! hold the ledger's key: it shows entries and writes none. Safe to run twice: a sign-in's state is
//! used once, a first key follows from its link, an owner is linked by a conditional write, and each
//! form carries the identity of what it does.

mod config;
mod members;
mod oauth_state;
mod pages;
mod problems;
mod visitors;

pub use config::{Config, Ctx};
pub use rest::ApiError;

use axum::{Router, middleware};
use bytes::Bytes;
use http::{Request, Response};
use std::sync::Arc;

/// Builds the router with every page and the responses to unknown paths and methods.
pub fn router(ctx: Ctx) -> Router {
    let request_ids =
        middleware::from_fn_with_state(ctx.outside.random.clone(), rest::requests::named);
    pages::routes()
        .fallback(absent)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::extract::DefaultBodyLimit::max(rest::BODY_BYTES_MAX))
        .layer(request_ids)
        .layer(middleware::from_fn(problems::as_pages))
        .with_state(Arc::new(ctx))
}

async fn absent() -> ApiError {
    ApiError::not_found("Nothing exists at this path.")
}

async fn wrong_method() -> ApiError {
    ApiError::method_not_allowed()
}

pub async fn respond(router: Router, request: Request<Bytes>) -> Response<Bytes> {
    rest::respond(router, request).await
}
