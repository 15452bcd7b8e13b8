//! Errors as people and programs get them: `application/problem+json` with a code, a sentence, and nothing of our insides.

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::retry::{Failure, Retryable};
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

/// An answer that is an error. Its cause is logged and never shown.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<u64>,
}

impl ApiError {
    /// Something in the request is wrong; `detail` says what to do.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// Nobody, or nobody we know; `detail` says how to come in.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// It has to be paid for first.
    pub fn payment_required(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, code, detail)
    }

    /// Somebody we know, who may not do this.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// The method does not go with the path.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path takes another method",
        )
    }

    /// It clashes with what is there.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// It was there and is no more.
    pub fn gone(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, code, detail)
    }

    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What is said to people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// It is understood and cannot be done.
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// It came too often; it may come again in so many seconds.
    pub fn too_many(detail: impl Into<String>, retry_after_seconds: u64) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail);
        Self {
            retry_after: Some(retry_after_seconds),
            ..error
        }
    }

    /// Something behind this door failed; the cause is logged.
    pub fn behind(failure: &Failure) -> Self {
        tracing::error!(error = %failure, "a request could not be served");
        Self::unavailable()
    }

    fn unavailable() -> Self {
        let detail = "something behind this door did not answer; nothing was lost, try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// The answer to the request of this name.
    pub(crate) fn about(self, request: &str) -> Response {
        let problem = self.problem(Some(request));
        self.answer(problem)
    }

    fn problem(&self, request: Option<&str>) -> Value {
        let mut problem = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if let (Some(problem), Some(request)) = (problem.as_object_mut(), request) {
            problem.insert("request_id".to_owned(), request.into());
        }
        problem
    }

    fn answer(&self, problem: Value) -> Response {
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl<E: Retryable> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::behind(&Failure::from(error))
    }
}

impl IntoResponse for ApiError {
    /// The answer without its request's name, which [`crate::requests::named`] adds.
    fn into_response(self) -> Response {
        let mut response = self.answer(self.problem(None));
        response.extensions_mut().insert(self);
        response
    }
}
