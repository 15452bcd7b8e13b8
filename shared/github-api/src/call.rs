//! One request to GitHub and its response, on octocrab, over [`Web`].
//!
//! A request is sent once. Nothing here retries, follows redirects or sleeps: octocrab's own
//! retries would repeat writes. `sessions` repeats what a new token was refused.

use crate::error::GithubError;
use crate::route::Route;
use crate::{BoxError, Web};
use bytes::Bytes;
use domain::time::Timestamp;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt;

/// A request before it has a token.
pub(crate) struct Call {
    pub operation: &'static str,
    method: Method,
    route: Route,
    body: Option<Value>,
    accept: &'static str,
    /// Whether a 302 is an answer. Others are addresses of what has moved.
    found: bool,
}

const JSON: &str = "application/vnd.github+json";
const DIFF: &str = "application/vnd.github.diff";
pub(crate) const AGENT: &str = concat!("tallyhook/", env!("CARGO_PKG_VERSION"));

/// A successful response.
pub(crate) struct Answer {
    operation: &'static str,
    pub headers: HeaderMap,
    body: Bytes,
}

impl Call {
    pub fn get(operation: &'static str, route: Route) -> Self {
        Self {
            operation,
            method: Method::GET,
            route,
            body: None,
            accept: JSON,
            found: false,
        }
    }

    /// A request that GitHub answers with the address of a file.
    pub fn get_file(operation: &'static str, route: Route) -> Self {
        Self {
            found: true,
            ..Self::get(operation, route)
        }
    }

    /// A request for a diff in git's format.
    pub fn get_diff(operation: &'static str, route: Route) -> Self {
        Self {
            accept: DIFF,
            ..Self::get(operation, route)
        }
    }

    pub fn post(operation: &'static str, route: Route, body: Value) -> Self {
        Self {
            operation,
            method: Method::POST,
            route,
            body: Some(body),
            accept: JSON,
            found: false,
        }
    }

    /// A POST without a body.
    pub fn post_nothing(operation: &'static str, route: Route) -> Self {
        Self {
            method: Method::POST,
            ..Self::get(operation, route)
        }
    }

    pub fn put(operation: &'static str, route: Route, body: Value) -> Self {
        Self {
            operation,
            method: Method::PUT,
            route,
            body: Some(body),
            accept: JSON,
            found: false,
        }
    }

    pub fn patch(operation: &'static str, route: Route, body: Value) -> Self {
        Self {
            operation,
            method: Method::PATCH,
            route,
            body: Some(body),
            accept: JSON,
            found: false,
        }
    }

    pub fn delete(operation: &'static str, route: Route, body: Value) -> Self {
        Self {
            operation,
            method: Method::DELETE,
            route,
            body: Some(body),
            accept: JSON,
            found: false,
        }
    }

    /// Whether the request only reads, so that it may be repeated.
    pub fn only_reads(&self) -> bool {
        self.method == Method::GET
    }

    /// Sends the request below `prefix` with the token of `crab`.
    pub async fn send(
        &self,
        crab: &Octocrab,
        prefix: &Route,
        now: Timestamp,
    ) -> Result<Answer, GithubError> {
        self.exchange(crab, prefix)
            .await
            .map_err(|error| GithubError::of_octocrab(self.operation, error, now))
    }

    async fn exchange(&self, crab: &Octocrab, prefix: &Route) -> octocrab::Result<Answer> {
        let request = Request::builder()
            .method(self.method.clone())
            .uri(self.route.below(prefix).as_str())
            .header(ACCEPT, self.accept)
            .header(USER_AGENT, AGENT);
        let request = crab.build_request(request, self.body.as_ref())?;
        let response = crab.execute(request).await?;
        let response = if self.found && response.status() == StatusCode::FOUND {
            response
        } else {
            octocrab::map_github_error(response).await?
        };
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            operation: self.operation,
            headers: head.headers,
            body,
        })
    }
}

impl Answer {
    /// Parses the body. The parser's message is dropped, because it quotes the body.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, GithubError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let place = format!(
                "the answer has another shape at line {} column {}",
                error.line(),
                error.column()
            );
            GithubError::Unclear {
                operation: self.operation,
                source: place.into(),
            }
        })
    }
}

impl Answer {
    pub fn into_bytes(self) -> Bytes {
        self.body
    }

    /// The body as text; invalid UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Creates an octocrab client without a token on our transport. Its queue belongs to the current
/// runtime.
pub(crate) fn crab_over(web: Web, base: Uri) -> Octocrab {
    let service = tower::service_fn(move |request: Request<OctoBody>| {
        let web = web.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let response = web.oneshot(Request::from_parts(head, body)).await?;
            Ok::<_, BoxError>(response.map(Full::new))
        }
    });
    let Ok(crab) = OctocrabBuilder::new_empty()
        .with_service(service)
        .with_layer(&BaseUriLayer::new(base))
        .with_auth(AuthState::None)
        .build();
    crab
}
