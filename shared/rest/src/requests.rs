//! Request ids: the id of a request in its response, in problems and in every log line.
//!
//! A client may send its own id if that is plain and short; every other request gets one here. The
//! id only helps people find a request. It proves nothing, and no decision depends on it.

use crate::ApiError;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::sync::Arc;
use tracing::Instrument;

/// A source of random numbers for ids.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The header of the id, in requests and responses.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const NAME_CHARS_MAX: usize = 64;
const PATH_BYTES_MAX: usize = 200;

/// Gives a request its id, logs its response, and adds the id to the response. This is the
/// outermost layer of a function.
pub async fn named(State(random): State<Random>, request: Request, next: Next) -> Response {
    let name = name_of(request.headers()).map_or_else(
        || format!("{:016x}{:016x}", random(), random()),
        str::to_owned,
    );
    let span = tracing::info_span!("request", request.id = name);
    let method = request.method().clone();
    let path = discreet(request.uri().path());
    let answer = async {
        let response = next.run(request).await;
        tracing::info!(http.method = %method, http.path = path, http.status = response.status().as_u16(), "answered");
        response
    };
    let mut response = answer.instrument(span).await;
    if let Some(problem) = response.extensions_mut().remove::<ApiError>() {
        let headers = std::mem::take(response.headers_mut());
        response = problem.about(&name);
        // Keep the headers of other layers; the problem's own headers take precedence.
        for (header, value) in &headers {
            response
                .headers_mut()
                .entry(header)
                .or_insert_with(|| value.clone());
        }
    }
    if let Ok(value) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(HEADER, value);
    }
    if method == Method::HEAD {
        *response.body_mut() = axum::body::Body::empty();
    }
    response
}

/// Returns a path that is safe to log, without the secret that some paths end with.
fn discreet(path: &str) -> String {
    let secret = SECRETS_BEHIND
        .into_iter()
        .find(|start| path.starts_with(start));
    secret.map_or_else(
        || path.chars().take(PATH_BYTES_MAX).collect(),
        |start| format!("{start}…"),
    )
}

/// Prefixes of the paths that end with a secret.
const SECRETS_BEHIND: [&str; 1] = ["/welcome/"];

/// Returns the client's own id, if it is safe to log.
fn name_of(headers: &HeaderMap) -> Option<&str> {
    let name = headers.get(HEADER)?.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    ((1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_paths_are_not_logged() {
        assert_eq!(discreet("/welcome/canary"), "/welcome/…");
        assert_eq!(discreet("/api/v1/jobs/job_1"), "/api/v1/jobs/job_1");
        assert_eq!(discreet(&"/a".repeat(500)).len(), PATH_BYTES_MAX);
    }

    #[test]
    fn only_plain_short_ids_are_accepted() {
        let taken = |name: &[u8]| {
            let value = HeaderValue::from_bytes(name).expect("a header may carry it");
            name_of(&HeaderMap::from_iter([(HEADER, value)])).map(str::to_owned)
        };
        for good in ["a", "Root-1.2_3", &"x".repeat(64)] {
            assert_eq!(taken(good.as_bytes()).as_deref(), Some(good));
        }
        for bad in [
            "",
            "a b",
            "a\tb",
            "{\"a\":1}",
            "a;b",
            "\u{1b}[31m",
            "é",
            &"x".repeat(65),
        ] {
            if HeaderValue::from_bytes(bad.as_bytes()).is_ok() {
                assert_eq!(taken(bad.as_bytes()), None, "{bad:?}");
            }
        }
        assert_eq!(taken(b"\xff"), None);
        assert_eq!(name_of(&HeaderMap::new()), None);
    }
}
