//! What happens to every call before its own code runs: the key is checked, an Idempotency-Key is honored, a fault that
//! was ordered strikes. Results are remembered for a day; what failed validation, or lost against another call, is not.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request, State as From};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::params::Params;
use super::refusal::Refusal;
use super::{API_VERSION, Fault, Stripe};

const KEY_LENGTH_MAX: usize = 255;
const REMEMBERED_SECONDS: i64 = 86_400;

/// The first result of an Idempotency-Key.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Remembered {
    asked: String,
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
) -> Result<Response, Refusal> {
    authorized(request.headers())?;
    let Some(key) = idempotency_key(&request)? else {
        return Ok(run(stripe, request, next).await.0);
    };
    let (asked, request) = fingerprint(request).await?;
    let occupied = stripe.occupy(format!("key {key}"));
    let _occupied = occupied.ok_or_else(|| Refusal::key_in_use(&key))?;
    if let Some(first) = recalled(stripe, &key) {
        return first.replayed(&key, &asked);
    }
    let (response, keep) = run(stripe, request, next).await;
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX)
        .await
        .expect("our own body is in memory");
    if keep == Keep::Result {
        let text = String::from_utf8_lossy(&body).into_owned();
        let (status, at) = (head.status.as_u16(), stripe.seconds());
        let result = Remembered {
            asked,
            status,
            body: text,
            request_id: request_id.to_owned(),
            at,
        };
        stripe.lock().remembered.insert(key, result);
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Result,
    Nothing,
}

/// Validation, authentication and conflicts refuse a call before it runs, so the key stays free.
fn ran(status: StatusCode) -> bool {
    status.is_success() || status.is_server_error() || status == StatusCode::PAYMENT_REQUIRED
}

/// The call, unless a fault was ordered for it.
async fn run(stripe: &Stripe, request: Request, next: Next) -> (Response, Keep) {
    let internal = StatusCode::INTERNAL_SERVER_ERROR;
    let ordered = stripe.moment().faults.pop_front();
    let (refusal, keep) = match ordered {
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
            (Refusal::failure(internal), Keep::Result)
        }
        Some(Fault::StoredFailure) => (Refusal::failure(internal), Keep::Result),
        Some(Fault::Status(status)) => (
            Refusal::failure(StatusCode::from_u16(status).unwrap_or(internal)),
            Keep::Nothing,
        ),
        Some(Fault::LockTimeout) => (Refusal::lock_timeout(), Keep::Nothing),
        Some(Fault::RateLimit) => (Refusal::rate_limit(), Keep::Nothing),
    };
    (refusal.into_response(), keep)
}

fn recalled(stripe: &Stripe, key: &str) -> Option<Remembered> {
    let now = stripe.seconds();
    let mut state = stripe.lock();
    state
        .remembered
        .retain(|_, result| now - result.at < REMEMBERED_SECONDS);
    state.remembered.get(key).cloned()
}

impl Remembered {
    fn replayed(self, key: &str, asked: &str) -> Result<Response, Refusal> {
        if self.asked != asked {
            return Err(Refusal::idempotency(format!(
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

/// Method, path and parameters in a fixed order: what "the same request" means.
async fn fingerprint(request: Request) -> Result<(String, Request), Refusal> {
    let (head, body) = request.into_parts();
    let unread = |_| Refusal::invalid("The request body could not be read.");
    let body: Bytes = to_bytes(body, usize::MAX).await.map_err(unread)?;
    let copy = Request::from_parts(head.clone(), Body::from(body.clone()));
    let params = Params::from_request(copy, &()).await?;
    let asked = format!("{} {} {}", head.method, head.uri.path(), params.canonical());
    Ok((asked, Request::from_parts(head, Body::from(body))))
}

fn idempotency_key(request: &Request) -> Result<Option<String>, Refusal> {
    let key = request
        .headers()
        .get("idempotency-key")
        .filter(|_| request.method() == Method::POST);
    let Some(key) = key.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()) else {
        return Ok(None);
    };
    if key.is_empty() || key.len() > KEY_LENGTH_MAX {
        return Err(Refusal::idempotency(
            "Idempotency keys must have between 1 and 255 characters.",
        ));
    }
    Ok(Some(key))
}

/// `Bearer sk_test_…`, or the same key as the user name of basic authentication.
fn authorized(headers: &HeaderMap) -> Result<(), Refusal> {
    let header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let (scheme, credential) = header.and_then(|value| value.split_once(' ')).ok_or_else(|| {
        Refusal::unauthorized(
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
    // The message never repeats the key: it may be a real one that went astray.
    let known = |prefix| {
        key.strip_prefix(prefix)
            .is_some_and(|secret: &str| !secret.is_empty())
    };
    if known("sk_test_") || known("rk_test_") {
        Ok(())
    } else {
        Err(Refusal::unauthorized("Invalid API Key provided"))
    }
}
