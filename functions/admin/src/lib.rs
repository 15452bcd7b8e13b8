//! The operators' API: `/api/v1/admin/…` requires an operator's token; `GET /health` and the OpenAPI
//! document are public.
//!
//! Operators read the event log, jobs, balances, invoices, subscriptions, quotas and usage. They also
//! replay events, redrive dead letters, provision accounts, make accounts free, approve sign-ups,
//! correct balances, refund payments, resolve stuck usage, cancel wrong usage, and stop and resume work. Safe to run
//! twice: a replayed event finds its effects already applied, each customer gets one account, each
//! idempotency key corrects a balance or refunds once, and the first decision about usage stays. Every action
//! is logged with the operator's name.

mod config;
mod days;
mod document;
mod operator;
mod reason;
mod routes;

pub use config::{Config, Ctx};
pub use document::document;
pub use rest::ApiError;

use axum::{Router, middleware};
use bytes::Bytes;
use http::{Request, Response};
use std::sync::Arc;

/// Builds the router with every route of the operators' API.
pub fn router(ctx: Ctx) -> Router {
    let names = middleware::from_fn_with_state(ctx.outside.random.clone(), rest::requests::named);
    let (router, _) = routes::all().split_for_parts();
    router
        .merge(routes::aliases())
        .fallback(routes::absent)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(axum::extract::DefaultBodyLimit::max(rest::BODY_BYTES_MAX))
        .layer(names)
        .with_state(Arc::new(ctx))
}

pub async fn respond(router: Router, request: Request<Bytes>) -> Response<Bytes> {
    rest::respond(router, request).await
}
