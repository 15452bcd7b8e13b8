//! HTTP in the format of API Gateway's HTTP APIs and of function URLs: payload format 2.0. Only the
//! fields of a request and a response are read and written.
//!
//! Only the receivers use it. The `lambda_http` crate supports every gateway and charset, and would
//! be a tenth of a receiver's size. The other HTTP functions use that crate.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{COOKIE, SET_COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wrapped {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    request_context: Context,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
struct Context {
    http: HttpContext,
}

#[derive(Deserialize)]
struct HttpContext {
    method: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WrappedResponse {
    status_code: u16,
    headers: BTreeMap<String, String>,
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

/// The gateway sent something that is not an HTTP request.
pub(crate) type BadEvent = Box<dyn std::error::Error + Send + Sync>;

impl Wrapped {
    /// Returns the request with its raw bytes, whether they came as text or in base64.
    pub(crate) fn unwrap_request(self) -> Result<Request<Bytes>, BadEvent> {
        let body = match self.body {
            Some(text) if self.is_base64_encoded => Bytes::from(STANDARD.decode(text)?),
            Some(text) => Bytes::from(text),
            None => Bytes::new(),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.request_context.http.method.parse()?;
        *request.uri_mut() = uri(&self.raw_path, &self.raw_query_string)?;
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.append(
                HeaderName::from_bytes(name.as_bytes())?,
                HeaderValue::from_bytes(value.as_bytes())?,
            );
        }
        if !self.cookies.is_empty() {
            headers.insert(COOKIE, self.cookies.join("; ").parse()?);
        }
        Ok(request)
    }
}

/// Builds the URI. The gateway may have decoded the path, so characters that a path may not contain
/// are encoded again.
fn uri(path: &str, query: &str) -> Result<Uri, BadEvent> {
    let mut text = String::with_capacity(path.len() + 1 + query.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"\"#<>?\\^`{|}".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}")?;
        }
    }
    if !query.is_empty() {
        text.push('?');
        text.push_str(query);
    }
    Ok(PathAndQuery::try_from(text)?.into())
}

/// Wraps a response. The body is text if it is UTF-8, and base64 otherwise.
pub(crate) fn wrap(response: Response<Bytes>) -> WrappedResponse {
    let (mut head, body) = response.into_parts();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let cookies = head.headers.get_all(SET_COOKIE).iter().map(text).collect();
    head.headers.remove(SET_COOKIE);
    let (body, is_base64_encoded) = match String::from_utf8(body.into()) {
        Ok(text) => (text, false),
        Err(error) => (STANDARD.encode(error.as_bytes()), true),
    };
    WrappedResponse {
        status_code: head.status.as_u16(),
        headers: joined(&head.headers),
        cookies,
        body,
        is_base64_encoded,
    }
}

/// Joins several values of a header into one list, because the format has one value for each name.
fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let list = |name| {
        let values = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(", ")
    };
    headers
        .keys()
        .map(|name| (name.to_string(), list(name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(path: &str, body: &str, base64: bool) -> Wrapped {
        let context = json!({ "http": { "method": "POST", "path": path }, "stage": "$default" });
        let event = json!({
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "a=1&b=%20",
            "cookies": ["x=1", "y=2"],
            "headers": { "x-one": "1,2" },
            "requestContext": context,
            "body": body,
            "isBase64Encoded": base64,
        });
        serde_json::from_value(event).expect("the format")
    }

    #[test]
    fn a_request_is_what_was_sent() {
        let request = event("/a b/ü#?%23", "a2Vs4oCm", true)
            .unwrap_request()
            .expect("a request");
        assert_eq!(
            (request.method().as_str(), &request.body()[..]),
            ("POST", "kel…".as_bytes())
        );
        assert_eq!(
            request.uri().to_string(),
            "/a%20b/%C3%BC%23%3F%23?a=1&b=%20"
        );
        assert_eq!(
            (&request.headers()["x-one"], &request.headers()["cookie"]),
            (&"1,2".parse().unwrap(), &"x=1; y=2".parse().unwrap())
        );
        assert_eq!(
            event("/", "a2Vs4oCm", false)
                .unwrap_request()
                .expect("a request")
                .body(),
            "a2Vs4oCm"
        );
        assert!(event("/", "no base64!", true).unwrap_request().is_err());
    }

    #[test]
    fn a_response_keeps_its_bytes() {
        let response = Response::builder()
            .status(202)
            .header("set-cookie", "x=1")
            .header("vary", "a")
            .header("vary", "b");
        let text = wrap(
            response
                .body(Bytes::from_static(b"recorded"))
                .expect("a response"),
        );
        assert_eq!(
            (text.status_code, text.body.as_str(), text.is_base64_encoded),
            (202, "recorded", false)
        );
        assert_eq!(
            (text.headers["vary"].as_str(), text.cookies.as_slice()),
            ("a, b", &["x=1".to_owned()][..])
        );
        assert_eq!(text.headers.len(), 1);
        let bytes = wrap(Response::new(Bytes::from_static(&[0xFF, 0])));
        assert_eq!(
            (bytes.body.as_str(), bytes.is_base64_encoded),
            ("/wA=", true)
        );
    }
}
