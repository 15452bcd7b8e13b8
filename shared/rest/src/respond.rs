//! One request through a router, with the headers that every answer has.

use axum::Router;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// The largest request body of an HTTP function.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

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
