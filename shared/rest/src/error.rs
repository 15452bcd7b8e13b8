//! Errors as clients receive them: `application/problem+json` with a code, a sentence and the
//! request's id.
//!
//! The cause of an error is logged and never shown.

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::refusal::{FlowError, Grounds, Refusal};
use domain::retry::{Failure, Retry};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The error object that every route returns.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "type": "about:blank", "title": "Not Found", "status": 404, "code": "not_found", "detail": "There is no such job.", "request_id": "0f5c1e7a90d4b1c63a58d2f7e6b40911" }))]
pub struct Problem {
    /// Always `about:blank`.
    #[serde(rename = "type")]
    kind: String,
    /// The HTTP status in words.
    title: String,
    status: u16,
    /// A code that identifies the error, for programs.
    code: String,
    /// A sentence that says what is wrong and what to do, for people.
    detail: String,
    /// The id of the request, also in the `x-request-id` header. Include it when you contact
    /// support.
    request_id: String,
}

/// An error response.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<u64>,
}

impl ApiError {
    /// The request is malformed or out of bounds.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The request has no valid credentials.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// The request needs a payment first.
    pub fn payment_required(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, code, detail)
    }

    /// The caller is authenticated but may not do this.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// The object does not exist, or it belongs to another account.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// The path does not support this method.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This path does not support the request's method.",
        )
    }

    /// The request conflicts with the current state.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// The object existed but no longer does.
    pub fn gone(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, code, detail)
    }

    /// The request is well-formed but cannot be carried out.
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// The caller has reached a limit, which resets after this many seconds.
    pub fn too_many(detail: impl Into<String>, retry_after_seconds: u64) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail);
        Self {
            retry_after: Some(retry_after_seconds),
            ..error
        }
    }

    /// A dependency of this function failed. The response invites a retry only if a retry can help;
    /// a failure that no attempt can fix is our own fault.
    pub fn failure(failure: &Failure) -> Self {
        tracing::error!(error = %failure, "failed to serve a request");
        match failure.retry {
            Retry::Soon | Retry::Outage | Retry::After(_) | Retry::Alarm(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service is temporarily unavailable. Nothing was lost; retry the request.",
            ),
            Retry::Never => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "An internal error occurred. Contact support with the `request_id`.",
            ),
        }
    }

    /// A flow refused the request.
    fn refused(refusal: Refusal) -> Self {
        let Refusal {
            grounds,
            code,
            detail,
        } = refusal;
        let status = match grounds {
            Grounds::Invalid => StatusCode::BAD_REQUEST,
            Grounds::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
            Grounds::Forbidden => StatusCode::FORBIDDEN,
            Grounds::NotFound => StatusCode::NOT_FOUND,
            Grounds::Conflict => StatusCode::CONFLICT,
            Grounds::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Grounds::TooMany {
                retry_after_seconds,
            } => return Self::too_many(detail, retry_after_seconds),
        };
        Self::new(status, code, detail)
    }

    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The word for programs.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// Returns the response to the request with this id.
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

impl<E: Into<FlowError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        match error.into() {
            FlowError::Refused(refusal) => Self::refused(refusal),
            FlowError::Failed(failure) => Self::failure(&failure),
        }
    }
}

/// The error for a guest whose network has sent too many requests.
pub fn too_many_without_key(retry_after_seconds: u64) -> ApiError {
    let detail =
        format!("Too many requests without a key; retry in {retry_after_seconds} seconds.");
    ApiError::too_many(detail, retry_after_seconds)
}

impl IntoResponse for ApiError {
    /// Returns the response without the request's id, which [`crate::requests::named`] adds.
    fn into_response(self) -> Response {
        let mut response = self.answer(self.problem(None));
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_a_failure_that_may_pass_invites_a_retry() {
        let wait = Duration::from_secs(1);
        for retry in [
            Retry::Soon,
            Retry::Outage,
            Retry::After(wait),
            Retry::Alarm(wait),
        ] {
            let source = "a throttle".into();
            let error = ApiError::failure(&Failure { retry, source });
            assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE, "{retry:?}");
        }
        let error = ApiError::failure(&Failure::never("an item cannot be read"));
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let detail = error.detail();
        assert!(
            !detail.contains("retry") && !detail.contains("item"),
            "{detail}"
        );
    }
}
