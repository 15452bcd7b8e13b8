//! Runs one request through a router and adds the headers that every response has.

use axum::Router;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// The largest request body of an HTTP function.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

pub async fn respond(router: Router, request: Request<Bytes>) -> Response<Bytes> {
    let mut response = match router.oneshot(request.map(axum::body::Body::from)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // A response concerns one account at one moment, so it must not be cached.
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // Browsers ignore it over plain HTTP, as on the local stack (RFC 6797, section 8.1).
    headers.insert(
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=63072000"),
    );
    let (head, body) = response.into_parts();
    // Bodies are built in memory, so collecting one cannot fail.
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    Response::from_parts(head, body)
}
