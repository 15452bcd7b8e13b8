//! GitHub's errors: status, message and, for 422, an `errors` list.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::GitHubConfig;

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    errors: Vec<Value>,
    headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            errors: vec![],
            headers: vec![],
        }
    }

    /// A redirect of a repository's former name to its number: 301 for reading, 307 otherwise
    /// (docs.github.com, "Best practices for using the REST API", "Follow redirects").
    pub fn moved(status: u16, config: &GitHubConfig, repository: u64, rest: &str) -> Self {
        let status = StatusCode::from_u16(status).expect("a redirect");
        let to = format!(
            "{}/api/v3/repositories/{repository}{rest}",
            config.html_base
        );
        Self {
            headers: vec![(header::LOCATION, to)],
            ..Self::new(status, "Moved Permanently")
        }
    }

    /// GitHub asks for a wait after too many creations.
    pub fn secondary_limit(wait_seconds: i64) -> Self {
        let message = "You have exceeded a secondary rate limit and have been temporarily blocked from content creation.";
        Self {
            headers: vec![(header::RETRY_AFTER, wait_seconds.to_string())],
            ..Self::new(StatusCode::FORBIDDEN, message)
        }
    }

    pub fn bad_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    pub fn bad_credentials() -> Self {
        Self::unauthorized("Bad credentials")
    }

    pub fn not_permitted() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Resource not accessible by integration",
        )
    }

    pub fn suspended() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "This installation has been suspended",
        )
    }

    pub fn not_found() -> Self {
        Self::missing("Not Found")
    }

    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// A 422 about one field, with GitHub's code for the error.
    pub fn field(resource: &str, field: &str, code: &str) -> Self {
        Self::validation(json!({"resource": resource, "field": field, "code": code}))
    }

    /// A 422 whose reason is a sentence.
    pub fn custom(resource: &str, message: impl Into<String>) -> Self {
        Self::validation(json!({"resource": resource, "code": "custom", "message": message.into()}))
    }

    fn validation(error: Value) -> Self {
        Self {
            errors: vec![error],
            ..Self::unprocessable("Validation Failed")
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({
            "message": self.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": self.status.as_str(),
        });
        if !self.errors.is_empty() {
            body["errors"] = Value::Array(self.errors);
        }
        let mut response = (self.status, Json(body)).into_response();
        for (name, value) in self.headers {
            let value = HeaderValue::from_str(&value).expect("an address or a number");
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// A JSON body. An invalid body gets GitHub's errors.
pub(super) struct Input<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let unread = |_| Refusal::bad_request("Problems parsing JSON");
        let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let value: Value = serde_json::from_slice(text)
            .map_err(|_| Refusal::bad_request("Problems parsing JSON"))?;
        serde_json::from_value(value)
            .map(Input)
            .map_err(|error| Refusal::unprocessable(format!("Invalid request.\n\n{error}.")))
    }
}
