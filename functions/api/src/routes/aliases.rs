//! Clients that were written for other systems: other paths of some routes, and requests without a
//! key. `docs/paths.md` lists the paths; the OpenAPI document does not.
//!
//! These clients send no `Idempotency-Key` and fields of their own. So what is created gets a key
//! that is derived from the request, which makes a repeat within a minute the same act. Changes and
//! cancellations get a key for each request, because their repeats change nothing. On other paths,
//! unknown fields are ignored.

use super::{account, checkout, commit_summaries, credits, period, plans, portal, subscription};
use crate::{ApiError, Ctx};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, header};
use rest::IdempotencyKey;
use rest::idempotency::{DERIVED_SECONDS, HEADER};
use serde_json::Value;
use std::sync::Arc;

/// The header that tells how many seconds a derived key lasts.
const WINDOW: HeaderName = HeaderName::from_static("x-idempotency-window");

/// The fields of a body that a client may name otherwise: its names, and the name of the route.
const RENAMED: [(&[&str], &str); 4] = [
    (&["pack_id", "packId"], "pack"),
    (&["plan_id", "planId"], "plan"),
    (&["ui_mode", "uiMode"], "ui"),
    (&["repo"], "repository"),
];

/// The fields that the routes behind these paths know.
const KNOWN: [&str; 9] = [
    "pack",
    "quantity",
    "plan",
    "ui",
    "at",
    "resume",
    "when",
    "keep_plan",
    "repository",
];

pub fn all(ctx: &Arc<Ctx>) -> Router<Arc<Ctx>> {
    let subscription = || {
        get(subscription::show)
            .post(subscription::create)
            .patch(subscription::update)
            .delete(subscription::cancel)
    };
    let mut router = Router::new()
        .route("/api/billing/balance", get(credits::balance))
        .route("/api/billing/checkout", post(checkout::create))
        .route("/api/billing/credit-packs", get(plans::credit_packs))
        .route("/api/billing/portal", post(portal::create))
        .route("/api/billing/quota", get(account::quota))
        .route(
            "/api/commits/{sha}/queue-summary",
            post(commit_summaries::queue),
        )
        .route("/api/stripe/checkout-session", post(checkout::create))
        .route("/api/v1/billing/plans", get(plans::plans))
        .route("/billing/plans", get(plans::plans));
    for base in ["", "/api/billing", "/api/api/v1/billing"] {
        router = router
            .route(&format!("{base}/invoices"), get(account::invoices))
            .route(&format!("{base}/plans"), get(plans::plans))
            .route(&format!("{base}/subscription"), subscription())
            .route(&format!("{base}/usage"), get(period::usage));
    }
    router.route_layer(from_fn_with_state(Arc::clone(ctx), adapt))
}

/// Gives a request the form that the routes expect, and tells which key it got.
async fn adapt(ctx: State<Arc<Ctx>>, request: Request, next: Next) -> Result<Response, ApiError> {
    with_key(ctx, request, next, known_fields).await
}

/// Gives a request that has no key one, and tells which.
pub async fn keyed(
    ctx: State<Arc<Ctx>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    with_key(ctx, request, next, |_| None).await
}

async fn with_key(
    State(ctx): State<Arc<Ctx>>,
    request: Request,
    next: Next,
    rewrite: fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<Response, ApiError> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(next.run(request).await);
    }
    let (mut parts, body) = request.into_parts();
    let bytes = to_bytes(body, rest::BODY_BYTES_MAX).await.map_err(|_| {
        ApiError::bad_request(
            "bad_body",
            "The body is too large or broken off; send it again.",
        )
    })?;
    let key = if parts.headers.contains_key(HEADER) {
        None
    } else {
        Some(key_for(&ctx, &parts, &bytes))
    };
    if let Some(key) = &key {
        parts.headers.insert(HEADER, key.clone());
    }
    let creates = parts.method == Method::POST;
    let bytes = match rewrite(&bytes) {
        Some(rewritten) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            rewritten.into()
        }
        None => bytes,
    };
    let request = Request::from_parts(parts, Body::from(bytes));
    let mut response = next.run(request).await;
    if let Some(key) = key {
        let headers = response.headers_mut();
        headers.insert(HEADER, key);
        if creates {
            headers.insert(WINDOW, HeaderValue::from(DERIVED_SECONDS));
        }
    }
    Ok(response)
}

/// The key of a request that has none. Creating something twice within the window is a repeat. A
/// plan that is changed, cancelled and resumed within it is not.
fn key_for(ctx: &Ctx, parts: &Parts, body: &[u8]) -> HeaderValue {
    let key = if parts.method == Method::POST {
        let path = parts
            .uri
            .path_and_query()
            .map_or_else(|| parts.uri.path(), |path| path.as_str());
        IdempotencyKey::derived(parts.method.as_str(), path, body, ctx.outside.now())
    } else {
        IdempotencyKey::of_request((ctx.outside.random)())
    };
    HeaderValue::from_str(key.as_str()).expect("a key is printable ASCII")
}

/// The body with the fields that the routes know, under their names. A body that is no JSON object
/// stays as it is, so that the route refuses it.
fn known_fields(body: &[u8]) -> Option<Vec<u8>> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else {
        return None;
    };
    for (theirs, ours) in RENAMED {
        for name in theirs {
            if let Some(value) = fields.remove(*name) {
                fields.entry(ours).or_insert(value);
            }
        }
    }
    fields.retain(|name, _| KNOWN.contains(&name.as_str()));
    serde_json::to_vec(&fields).ok()
}
