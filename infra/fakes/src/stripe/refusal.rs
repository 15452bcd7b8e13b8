//! How Stripe says no: an `error` object with a type, often a code, sometimes the parameter at fault.

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: Value,
    /// What the `stripe-should-retry` header says, where Stripe knows better than the status.
    should_retry: Option<&'static str>,
}

impl Refusal {
    fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        Self { status, error: json!({"type": kind, "message": message.into()}), should_retry: None }
    }

    /// 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// 400 about one parameter, with Stripe's code for what is wrong with it.
    pub fn parameter(param: &str, code: &str, message: impl Into<String>) -> Self {
        Self::invalid(message).about(param).with("code", code)
    }

    pub fn about(self, param: &str) -> Self {
        self.with("param", param)
    }

    pub fn missing_parameter(param: &str) -> Self {
        Self::parameter(param, "parameter_missing", format!("Missing required param: {param}."))
    }

    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message)
    }

    /// 404 for an object that is not there.
    pub fn no_such(noun: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", format!("No such {noun}: '{id}'"))
            .with("code", "resource_missing")
            .with("param", "id")
    }

    pub fn unknown_address(path: &str) -> Self {
        let message = format!("Unrecognized request URL ({path}). Please see https://stripe.com/docs");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
    }

    pub fn idempotency(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "idempotency_error", message)
    }

    pub fn key_in_use(key: &str) -> Self {
        let message = format!("There is currently another in-progress request using this idempotent key ({key}).");
        Self::new(StatusCode::CONFLICT, "idempotency_error", message).with("code", "idempotency_key_in_use")
    }

    pub fn lock_timeout() -> Self {
        let message = "This object cannot be accessed right now because another API request or Stripe process is \
                       currently accessing it.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "invalid_request_error", message).with("code", "lock_timeout")
    }

    pub fn rate_limit() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "invalid_request_error", "Request rate limit exceeded.")
            .with("code", "rate_limit")
    }

    /// A failure of Stripe's own.
    pub fn failure(status: StatusCode) -> Self {
        let kind = if status.is_server_error() { "api_error" } else { "invalid_request_error" };
        Self::new(status, kind, "An unknown error occurred")
    }

    pub fn never_retry(self) -> Self {
        Self { should_retry: Some("false"), ..self }
    }

    fn with(mut self, field: &str, value: &str) -> Self {
        self.error[field] = json!(value);
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.error}))).into_response();
        if let Some(answer) = self.should_retry {
            response.headers_mut().insert("stripe-should-retry", HeaderValue::from_static(answer));
        }
        response
    }
}
