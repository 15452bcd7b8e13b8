//! Stripe's errors: an `error` object with a type, often a code, and sometimes the invalid
//! parameter.

use std::fmt;

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A call that Stripe refuses, with its message.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    error: Value,
    /// The `stripe-should-retry` header, where Stripe overrides what the status suggests.
    should_retry: Option<&'static str>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            error: json!({"type": kind, "message": message.into()}),
            should_retry: None,
        }
    }

    /// A 400.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// A 400 about one parameter, with Stripe's code for the error.
    pub(super) fn parameter(param: &str, code: &str, message: impl Into<String>) -> Self {
        Self::invalid(message).about(param).with("code", code)
    }

    pub(super) fn about(self, param: &str) -> Self {
        self.with("param", param)
    }

    pub(super) fn missing_parameter(param: &str) -> Self {
        Self::parameter(
            param,
            "parameter_missing",
            format!("Missing required param: {param}."),
        )
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message)
    }

    /// A 404 for an object that does not exist.
    pub(super) fn no_such(noun: &str, id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            format!("No such {noun}: '{id}'"),
        )
        .with("code", "resource_missing")
        .with("param", "id")
    }

    /// A 400 for a parameter that references an object that does not exist.
    pub(super) fn no_such_reference(noun: &str, id: &str, param: &str) -> Self {
        Self::parameter(param, "resource_missing", format!("No such {noun}: '{id}'"))
    }

    /// A 402: the bank declined the charge.
    pub(super) fn card_declined(decline_code: &str) -> Self {
        Self::new(
            StatusCode::PAYMENT_REQUIRED,
            "card_error",
            "Your card was declined.",
        )
        .with("code", "card_declined")
        .with("decline_code", decline_code)
    }

    /// A 402: the bank wants the cardholder to confirm the charge, and they are away.
    pub(super) fn authentication_required() -> Self {
        Self::new(
            StatusCode::PAYMENT_REQUIRED,
            "card_error",
            "Your card was declined. This transaction requires authentication.",
        )
        .with("code", "authentication_required")
        .with("decline_code", "authentication_required")
    }

    /// A 400: a payment intent cannot do this in its status.
    pub(super) fn unexpected_state(verb: &str, status: &str) -> Self {
        Self::invalid(format!(
            "You cannot {verb} this PaymentIntent because it has a status of {status}."
        ))
        .coded("payment_intent_unexpected_state")
    }

    /// A 400: there is no payment method to charge.
    pub(super) fn no_method() -> Self {
        let message = "This customer has no attached payment source or default payment method. Please consider adding a \
                       default payment method.";
        Self::invalid(message).coded("resource_missing")
    }

    pub(super) fn unknown_address(path: &str) -> Self {
        let message =
            format!("Unrecognized request URL ({path}). Please see https://stripe.com/docs");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
    }

    pub(super) fn idempotency(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "idempotency_error", message)
    }

    pub(super) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this idempotent key ({key})."
        );
        Self::new(StatusCode::CONFLICT, "idempotency_error", message)
            .with("code", "idempotency_key_in_use")
    }

    pub(super) fn lock_timeout() -> Self {
        let message = "This object cannot be accessed right now because another API request or Stripe process is \
                       currently accessing it.";
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "invalid_request_error",
            message,
        )
        .with("code", "lock_timeout")
    }

    pub(super) fn rate_limit() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "invalid_request_error",
            "Request rate limit exceeded.",
        )
        .with("code", "rate_limit")
    }

    /// An internal failure of Stripe.
    pub(super) fn failure(status: StatusCode) -> Self {
        let kind = if status.is_server_error() {
            "api_error"
        } else {
            "invalid_request_error"
        };
        Self::new(status, kind, "An unknown error occurred")
    }

    pub(super) fn never_retry(self) -> Self {
        Self {
            should_retry: Some("false"),
            ..self
        }
    }

    /// Adds Stripe's code for the error.
    pub(super) fn coded(self, code: &str) -> Self {
        self.with("code", code)
    }

    fn with(mut self, field: &str, value: &str) -> Self {
        self.error[field] = json!(value);
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Stripe refuses with {}: {}",
            self.status,
            self.error["message"].as_str().unwrap_or_default()
        )
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.error}))).into_response();
        if let Some(answer) = self.should_retry {
            response
                .headers_mut()
                .insert("stripe-should-retry", HeaderValue::from_static(answer));
        }
        response
    }
}
