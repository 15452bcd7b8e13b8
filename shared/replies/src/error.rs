//! Errors as people and programs get them: `application/problem+json` with a code, a sentence, and nothing of our insides.

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::retry::{Failure, Retryable};
use http::{HeaderValue, StatusCode, header};

/// An answer that is an error. Its cause is logged and never shown.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl ApiError {
    /// Something in the request is wrong; `detail` says what to do.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, detail: detail.into() }
    }

    /// Nobody, or nobody we know; `detail` says how to come in.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, code: "unauthorized", detail: detail.into() }
    }

    /// It has to be paid for first.
    pub fn payment_required(code: &'static str, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::PAYMENT_REQUIRED, code, detail: detail.into() }
    }

    /// Somebody we know, who may not do this.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, code, detail: detail.into() }
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "not_found", detail: detail.into() }
    }

    /// The method does not go with the path.
    pub fn method_not_allowed() -> Self {
        let detail = "this path takes another method".to_owned();
        Self { status: StatusCode::METHOD_NOT_ALLOWED, code: "method_not_allowed", detail }
    }

    /// It clashes with what is there.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, code, detail: detail.into() }
    }

    /// It is understood and cannot be done.
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code, detail: detail.into() }
    }

    /// It came too often; it may come again at that time.
    pub fn too_many(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, code: "too_many_requests", detail: detail.into() }
    }

    /// Something behind this door failed; the cause is logged.
    pub fn behind(failure: &Failure) -> Self {
        tracing::error!(error = %failure, "a request could not be served");
        Self::unavailable()
    }

    fn unavailable() -> Self {
        let detail = "something behind this door did not answer; nothing was lost, try again".to_owned();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code: "unavailable", detail }
    }
}

impl<E: Retryable> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::behind(&Failure::from(error))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        let mut response = (self.status, Json(problem)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}
