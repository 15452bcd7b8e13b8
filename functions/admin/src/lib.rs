//! The operators' API: `/api/v1/admin/…` requires an operator's token; `GET /health` is public.
//!
//! Operators read the event log, jobs, balances, invoices, quotas and usage. They also replay
//! events, redrive dead letters, provision accounts, approve sign-ups, correct balances, resolve
//! stuck usage, and stop and resume work. Safe to run twice: a replayed event finds its effects
//! already applied, each customer gets one account, each idempotency key corrects a balance once,
//! and the first decision about stuck usage stays. Every action is logged with the operator's name.

mod config;
mod operator;
mod routes;

pub use config::{Config, Ctx};
pub use rest::ApiError;

use axum::routing::{delete, get, post};
use axum::{Router, middleware};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use std::sync::Arc;
use tower::ServiceExt;

pub fn router(ctx: Ctx) -> Router {
    let names = middleware::from_fn_with_state(ctx.outside.random.clone(), rest::requests::named);
    Router::new()
        .route("/health", get(routes::health::show))
        .merge(accounts())
        .route(
            "/api/v1/admin/mail/muted",
            delete(routes::notices::mail::unmute),
        )
        .route("/api/v1/admin/switches", get(routes::inbox::switches::list))
        .route(
            "/api/v1/admin/switches/{name}",
            get(routes::inbox::switches::show).put(routes::inbox::switches::change),
        )
        .route("/api/v1/admin/events", get(routes::inbox::events::list))
        .route(
            "/api/v1/admin/events/{source}/{id}",
            get(routes::inbox::events::show),
        )
        .route(
            "/api/v1/admin/events/{source}/{id}/raw",
            get(routes::inbox::events::raw),
        )
        .route(
            "/api/v1/admin/events/{source}/{id}/replay",
            post(routes::inbox::events::replay),
        )
        .route(
            "/api/v1/admin/events/stripe/{id}/attribute",
            post(routes::inbox::events::attribute),
        )
        .route("/api/v1/admin/jobs/{id}", get(routes::jobs::job::show))
        .route(
            "/api/v1/admin/signups",
            get(routes::accounts::signups::list),
        )
        .route(
            "/api/v1/admin/signups/{id}/approve",
            post(routes::accounts::signups::approve),
        )
        .route(
            "/api/v1/admin/signups/{id}/refuse",
            post(routes::accounts::signups::refuse),
        )
        .route(
            "/api/v1/admin/queues/{queue}/redrive",
            post(routes::inbox::queues::redrive),
        )
        .fallback(routes::absent)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(names)
        .with_state(Arc::new(ctx))
}

/// The routes of one account.
fn accounts() -> Router<Arc<Ctx>> {
    Router::new()
        .route(
            "/api/v1/admin/accounts",
            post(routes::accounts::account::create),
        )
        .route(
            "/api/v1/admin/accounts/{id}",
            get(routes::accounts::account::show),
        )
        .route(
            "/api/v1/admin/accounts/{id}/balance",
            get(routes::ledger::credits::balance),
        )
        .route(
            "/api/v1/admin/accounts/{id}/ledger",
            get(routes::ledger::credits::ledger),
        )
        .route(
            "/api/v1/admin/accounts/{id}/adjustments",
            post(routes::ledger::credits::adjust),
        )
        .route(
            "/api/v1/admin/accounts/{id}/invoices",
            get(routes::billing::quotas::invoices),
        )
        .route(
            "/api/v1/admin/accounts/{id}/quotas",
            get(routes::billing::quotas::quotas),
        )
        .route(
            "/api/v1/admin/accounts/{id}/usage",
            get(routes::billing::usage::list),
        )
        .route(
            "/api/v1/admin/accounts/{id}/usage/{meter}/{usage}/resend",
            post(routes::billing::usage::resend),
        )
        .route(
            "/api/v1/admin/accounts/{id}/usage/{meter}/{usage}/write-off",
            post(routes::billing::usage::write_off),
        )
        .route(
            "/api/v1/admin/accounts/{id}/api-keys",
            post(routes::accounts::api_keys::create),
        )
        .route(
            "/api/v1/admin/accounts/{id}/notices",
            get(routes::accounts::account::notices),
        )
        .route(
            "/api/v1/admin/accounts/{id}/mail",
            get(routes::notices::mail::show).put(routes::notices::mail::change),
        )
        .route(
            "/api/v1/admin/accounts/{id}/paused",
            get(routes::inbox::switches::pause_show).put(routes::inbox::switches::pause),
        )
}

pub async fn respond(router: Router, request: Request<Bytes>) -> Response<Bytes> {
    let response = match router.oneshot(request.map(axum::body::Body::from)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (head, body) = response.into_parts();
    // The routes build every body in memory, so collecting one cannot fail.
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    Response::from_parts(head, body)
}
