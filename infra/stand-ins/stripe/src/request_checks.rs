//! The middleware of every call: checks the API key, replays a result under an Idempotency-Key, and
//! applies an ordered fault. Results are stored for a day, except those of failed validation and of
//! conflicts with another call.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request, State as From};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::params::Params;
use super::{API_VERSION, Fault, Stripe};

const KEY_LENGTH_MAX: usize = 255;
const RESULT_KEPT_SECONDS: i64 = 86_400;

/// The first result under an Idempotency-Key.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredResult {
    fingerprinted: String,
    status: u16,
    body: String,
    request_id: String,
    at: i64,
}

/// The middleware around all routes.
pub(super) async fn pass(From(stripe): From<Stripe>, request: Request, next: Next) -> Response {
    let request_id = {
        let mut state = stripe.lock();
        state.calls += 1;
        format!("req_{:014}", state.calls)
    };
    let outcome = admit(&stripe, request, next, &request_id).await;
    let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
    let request_id = HeaderValue::from_str(&request_id).expect("letters and digits");
    response.headers_mut().insert("request-id", request_id);
    response
        .headers_mut()
        .insert("stripe-version", HeaderValue::from_static(API_VERSION));
    response
}

async fn admit(
    stripe: &Stripe,
    request: Request,
    next: Next,
    request_id: &str,
) -> Result<Response, ApiError> {
    authorized(request.headers())?;
    let Some(key) = idempotency_key(&request)? else {
        return Ok(run(stripe, request, next).await.0);
    };
    let (fingerprinted, request) = fingerprint(request).await?;
    let held = stripe.lock_key(format!("key {key}"));
    let _held = held.ok_or_else(|| ApiError::key_in_use(&key))?;
    if let Some(first) = stored_result(stripe, &key) {
        return first.replayed(&key, &fingerprinted);
    }
    let (response, keep) = run(stripe, request, next).await;
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX)
        .await
        .expect("our own body is in memory");
    if keep == Keep::Result {
        let text = String::from_utf8_lossy(&body).into_owned();
        let (status, at) = (head.status.as_u16(), stripe.seconds());
        let result = StoredResult {
            fingerprinted,
            status,
            body: text,
            request_id: request_id.to_owned(),
            at,
        };
        stripe.lock().stored_results.insert(key, result);
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Result,
    Nothing,
}

/// Validation, authentication and conflicts refuse a call before it runs, so its key stays unused.
fn ran(status: StatusCode) -> bool {
    status.is_success() || status.is_server_error() || status == StatusCode::PAYMENT_REQUIRED
}

/// Executes the call, unless a fault was ordered for it.
async fn run(stripe: &Stripe, request: Request, next: Next) -> (Response, Keep) {
    let internal = StatusCode::INTERNAL_SERVER_ERROR;
    let line = format!("{} {}", request.method(), request.uri().path());
    let ordered = stripe.fault(&line);
    let (error, keep) = match ordered {
        None => {
            let response = next.run(request).await;
            let keep = if ran(response.status()) {
                Keep::Result
            } else {
                Keep::Nothing
            };
            return (response, keep);
        }
        Some(Fault::DoneAndFailed) => {
            next.run(request).await;
            (ApiError::failure(internal), Keep::Result)
        }
        Some(Fault::StoredFailure) => (ApiError::failure(internal), Keep::Result),
        Some(Fault::Status(status)) => (
            ApiError::failure(StatusCode::from_u16(status).unwrap_or(internal)),
            Keep::Nothing,
        ),
        Some(Fault::LockTimeout) => (ApiError::lock_timeout(), Keep::Nothing),
        Some(Fault::RateLimit) => (ApiError::rate_limit(), Keep::Nothing),
    };
    (error.into_response(), keep)
}

fn stored_result(stripe: &Stripe, key: &str) -> Option<StoredResult> {
    let now = stripe.seconds();
    let mut state = stripe.lock();
    state
        .stored_results
        .retain(|_, result| now - result.at < RESULT_KEPT_SECONDS);
    state.stored_results.get(key).cloned()
}

impl StoredResult {
    fn replayed(self, key: &str, fingerprinted: &str) -> Result<Response, ApiError> {
        if self.fingerprinted != fingerprinted {
            return Err(ApiError::idempotency(format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. \
                 Try using a key other than '{key}' if you meant to execute a different request."
            )));
        }
        let original = HeaderValue::from_str(&self.request_id)
            .unwrap_or(HeaderValue::from_static("req_unknown"));
        let response = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotent-replayed", "true")
            .header("original-request", original)
            .body(Body::from(self.body));
        Ok(response.expect("status and headers were valid the first time"))
    }
}

/// The method, path and parameters in a fixed order, which identify a request.
async fn fingerprint(request: Request) -> Result<(String, Request), ApiError> {
    let (head, body) = request.into_parts();
    let unread = |_| ApiError::invalid("The request body could not be read.");
    let body: Bytes = to_bytes(body, usize::MAX).await.map_err(unread)?;
    let parameters = if head.uri.path().starts_with("/v2/") {
        String::from_utf8_lossy(&body).into_owned()
    } else {
        let copy = Request::from_parts(head.clone(), Body::from(body.clone()));
        Params::from_request(copy, &()).await?.canonical()
    };
    let fingerprinted = format!("{} {} {parameters}", head.method, head.uri.path());
    Ok((fingerprinted, Request::from_parts(head, Body::from(body))))
}

fn idempotency_key(request: &Request) -> Result<Option<String>, ApiError> {
    let key = request
        .headers()
        .get("idempotency-key")
        .filter(|_| request.method() == Method::POST);
    let Some(key) = key.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()) else {
        return Ok(None);
    };
    if key.is_empty() || key.len() > KEY_LENGTH_MAX {
        return Err(ApiError::idempotency(
            "Idempotency keys must have between 1 and 255 characters.",
        ));
    }
    Ok(Some(key))
}

/// Accepts `Bearer sk_test_…`, or the same key as the user name of basic authentication.
fn authorized(headers: &HeaderMap) -> Result<(), ApiError> {
    let header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let (scheme, credential) = header.and_then(|value| value.split_once(' ')).ok_or_else(|| {
        ApiError::unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer \
             auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )
    })?;
    let key = if scheme.eq_ignore_ascii_case("basic") {
        let decoded = BASE64_STANDARD
            .decode(credential)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        decoded
            .and_then(|pair| pair.split(':').next().map(str::to_owned))
            .unwrap_or_default()
    } else {
        credential.trim().to_owned()
    };
    // The message never repeats the key, which may be a real one sent here by mistake.
    let known = |prefix| {
        key.strip_prefix(prefix)
            .is_some_and(|secret: &str| !secret.is_empty())
    };
    if known("sk_test_") || known("rk_test_") {
        Ok(())
    } else {
        Err(ApiError::unauthorized("Invalid API Key provided"))
    }
}
