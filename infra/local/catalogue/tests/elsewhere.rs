//! Calls the stand-in Stripe directly, past the product's client.

use axum::Router;
use axum::body::Body;
use serde_json::Value;
use tower::ServiceExt;

async fn ask(router: &Router, request: http::request::Builder, body: String) -> Value {
    let request = request
        .header("authorization", "Bearer sk_test_1")
        .body(Body::from(body))
        .expect("a request");
    let response = router.clone().oneshot(request).await.expect("an answer");
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    assert!(
        status.is_success(),
        "{status}: {}",
        String::from_utf8_lossy(&body)
    );
    serde_json::from_slice(&body).expect("JSON")
}

/// Sends a GET.
pub async fn get(router: &Router, path: &str) -> Value {
    ask(router, http::Request::get(path), String::new()).await
}

/// Sends a POST, as another client of the Stripe account would.
pub async fn post(router: &Router, path: &str, form: &str) -> Value {
    let request =
        http::Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    ask(router, request, form.to_owned()).await
}

/// The number of portal configurations and of webhook endpoints.
pub async fn counts(router: &Router) -> (usize, usize) {
    let count = async |path| {
        get(router, path).await["data"]
            .as_array()
            .map_or(0, Vec::len)
    };
    (
        count("/v1/billing_portal/configurations").await,
        count("/v1/webhook_endpoints").await,
    )
}
