//! Sends Stripe's requests through [`Web`](crate::Web): once, with the caller's idempotency key and
//! the pinned API version. Errors keep Stripe's message. `calls.rs` builds the requests.

use crate::error::{Advice, Fault, Origin, Refusal, StripeError};
use crate::{BoxError, StripeApi};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use serde::Deserialize;
use std::time::Duration;
use stripe_client_core::{
    CustomizedStripeRequest, RequestBuilder, RequestStrategy, StripeClient, StripeMethod,
};
use stripe_shared::version::VERSION;
use tower::ServiceExt;

/// A client for one operation, so that its errors can name it.
pub(crate) struct Operation<'a> {
    api: &'a StripeApi,
    pub name: &'static str,
}

impl StripeApi {
    pub(crate) fn to(&self, name: &'static str) -> Operation<'_> {
        Operation { api: self, name }
    }
}

/// Stripe's two API families, which have different paths.
#[derive(Clone, Copy)]
pub(crate) enum Family {
    V1,
    V2,
}

const MESSAGE_CHARS_MAX: usize = 300;
const RETRY_AFTER_SECONDS_MAX: u64 = 86_400;

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorShape,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorShape {
    code: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

impl StripeClient for Operation<'_> {
    type Err = StripeError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, StripeError> {
        let (request, custom) = request.into_pieces();
        let key = match &custom.request_strategy {
            Some(RequestStrategy::Idempotent(key)) => Some(key.as_str()),
            Some(_) | None => None,
        };
        self.exchange(Family::V1, request, key).await
    }
}

impl Operation<'_> {
    /// Sends a request, once, and returns the body of a successful response.
    pub(crate) async fn exchange(
        &self,
        family: Family,
        request: RequestBuilder,
        key: Option<&str>,
    ) -> Result<Bytes, StripeError> {
        let unclear = |source: BoxError| StripeError::Unclear {
            operation: self.name,
            source,
        };
        let request = self.request(family, request, key)?;
        let response = self
            .api
            .web
            .clone()
            .oneshot(request)
            .await
            .map_err(unclear)?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        Err(StripeError::of_refusal(self.name, refusal(&response)))
    }

    fn request(
        &self,
        family: Family,
        request: RequestBuilder,
        key: Option<&str>,
    ) -> Result<Request<Bytes>, StripeError> {
        let query = request
            .query
            .filter(|query| !query.is_empty())
            .map_or(String::new(), |query| format!("?{query}"));
        let method = match request.method {
            StripeMethod::Get => Method::GET,
            StripeMethod::Post => Method::POST,
            StripeMethod::Delete => Method::DELETE,
        };
        let root = match family {
            Family::V1 => "/v1",
            Family::V2 => "/v2",
        };
        let mut built = Request::builder()
            .method(method)
            .uri(format!("{}{root}{}{query}", self.api.url, request.path))
            .header(AUTHORIZATION, self.api.authorization.clone())
            .header(USER_AGENT, concat!("tallyhook/", env!("CARGO_PKG_VERSION")))
            .header("stripe-version", HeaderValue::from_static(VERSION.as_str()));
        if let Some(key) = key {
            built = built.header("idempotency-key", key);
        }
        if request.body.is_some() {
            let form = match family {
                Family::V1 => "application/x-www-form-urlencoded",
                Family::V2 => "application/json",
            };
            built = built.header(CONTENT_TYPE, form);
        }
        let unaskable = |_| StripeError::Unaskable {
            operation: self.name,
            why: "it does not fit into a request",
        };
        built
            .body(Bytes::from(request.body.unwrap_or_default()))
            .map_err(unaskable)
    }
}

/// Parses an error response, whether it comes from Stripe or from a gateway in front of it.
fn refusal(response: &Response<Bytes>) -> Refusal {
    let error = serde_json::from_slice::<ErrorBody>(response.body())
        .map(|body| body.error)
        .unwrap_or_default();
    let headers = response.headers();
    Refusal {
        status: response.status().as_u16(),
        fault: match error.kind.as_deref() {
            Some("idempotency_error") => Fault::Key,
            Some("card_error") => Fault::Card,
            Some(_) | None => Fault::Other,
        },
        code: error.code.or(error.kind).map(|code| bounded(&code)),
        message: error
            .message
            .map(|message| bounded(&message))
            .unwrap_or_default(),
        request_id: text(headers, "request-id").map(bounded),
        retry_after: text(headers, RETRY_AFTER.as_str())
            .and_then(|seconds| seconds.parse().ok())
            .map(|seconds: u64| Duration::from_secs(seconds.clamp(1, RETRY_AFTER_SECONDS_MAX))),
        advice: match text(headers, "stripe-should-retry") {
            Some("true") => Some(Advice::Retry),
            Some("false") => Some(Advice::Stop),
            Some(_) | None => None,
        },
        origin: match text(headers, "idempotent-replayed") {
            Some("true") => Origin::Replayed,
            Some(_) | None => Origin::Fresh,
        },
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn bounded(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply};
    use domain::retry::{Retry, Retryable};

    async fn error_of(reply: Reply) -> StripeError {
        let peer = Peer::script([reply]);
        peer.api().meter_find("x").await.expect_err("an error")
    }

    #[tokio::test]
    async fn answers_have_classes() {
        let after = |seconds| Retry::After(Duration::from_secs(seconds));
        let alarm = Retry::Alarm(Duration::from_secs(300));
        for (status, headers, expected) in [
            (400, &[][..], Retry::Never),
            (400, &[("stripe-should-retry", "true")][..], Retry::Soon),
            (401, &[][..], alarm),
            (402, &[][..], alarm),
            (403, &[][..], alarm),
            (404, &[][..], Retry::Never),
            (409, &[][..], Retry::Soon),
            (425, &[][..], Retry::Soon),
            (429, &[][..], Retry::Outage),
            (429, &[("retry-after", "7")][..], after(7)),
            (429, &[("retry-after", "0")][..], after(1)),
            (500, &[("stripe-should-retry", "false")][..], Retry::Outage),
            (503, &[("retry-after", "30")][..], after(30)),
            (302, &[("location", "https://evil.test/")][..], Retry::Never),
        ] {
            let error = error_of(Reply::with(
                status,
                headers,
                r#"{"error":{"message":"no","type":"api_error"}}"#,
            ))
            .await;
            assert_eq!(error.retry(), expected, "{status} {headers:?}");
        }
        assert_eq!(error_of(Reply::Lost).await.retry(), Retry::Outage);
    }

    #[tokio::test]
    async fn what_stripe_says_is_kept() {
        let body = r#"{"error":{"code":"lock_timeout","type":"invalid_request_error","message":"This object\nis locked"}}"#;
        let error = error_of(Reply::with(429, &[("request-id", "req_1")], body)).await;
        assert_eq!(
            error.to_string(),
            "could not find the meter: asked to wait with 429 lock_timeout: This object is locked (req_1)"
        );
    }

    #[tokio::test]
    async fn a_gateways_page_keeps_its_status() {
        let error = error_of(Reply::with(502, &[], "<html>Bad Gateway</html>")).await;
        assert_eq!(
            error.to_string(),
            "could not find the meter: Stripe failed with 502"
        );
        assert_eq!(error.retry(), Retry::Outage);
    }

    #[tokio::test]
    async fn requests_carry_what_they_must() {
        let peer = Peer::script([Reply::ok(
            r#"{"object":"list","data":[],"has_more":false,"url":"/v1/billing/meters"}"#,
        )]);
        assert_eq!(peer.api().meter_find("x").await.expect("an answer"), None);
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "GET /v1/billing/meters?limit=100&status=active");
        assert_eq!(heard.header("authorization"), "Bearer sk_test_canary");
        assert_eq!(heard.header("stripe-version"), VERSION.as_str());
        assert_eq!(heard.header("idempotency-key"), "");
    }

    #[tokio::test]
    async fn the_key_is_never_printed() {
        for reply in [
            Reply::Lost,
            Reply::with(401, &[], "{}"),
            Reply::ok("canary"),
        ] {
            let error = error_of(reply).await;
            let failure = domain::retry::Failure::from(error);
            let shown = format!("{failure:?} {failure}");
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}
