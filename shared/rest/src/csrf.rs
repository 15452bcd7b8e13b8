//! The CSRF check: the proof that a change comes from one of our pages.
//!
//! Another site can make a browser send the session's cookie, but it cannot read the response. So
//! every change also needs the CSRF token, which follows from the session's text.

use crate::ApiError;
use crate::site::host;
use http::{HeaderMap, HeaderValue, Uri, header};
use subtle::ConstantTimeEq;

/// The header in which scripts of our pages send the CSRF token.
pub const CSRF: &str = "x-csrf-token";

/// Returns an error unless the token is the session's and the `Origin` header, if present, is our
/// own site: that of the setting, or the one to which the request was sent.
pub fn check_csrf(
    expected: &str,
    token: Option<&str>,
    headers: &HeaderMap,
    site: Option<&str>,
) -> Result<(), ApiError> {
    let token = token.unwrap_or_default().as_bytes();
    let right: bool = expected.as_bytes().ct_eq(token).into();
    if !right {
        let detail = "Send the `csrf_token` of `GET /api/v1/session` as `X-CSRF-Token`; each session has its own. On a page, reload it and send the form again.";
        return Err(ApiError::forbidden("bad_csrf_token", detail));
    }
    match headers.get(header::ORIGIN) {
        Some(said) if !is_ours(said, headers, site) => {
            let detail = "This request comes from another site; use the dashboard.";
            Err(ApiError::forbidden("foreign_origin", detail))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether an origin is that of the setting, or without one the host to which the request was sent.
fn is_ours(said: &HeaderValue, headers: &HeaderMap, site: Option<&str>) -> bool {
    let Ok(said) = said.to_str() else {
        return false;
    };
    match site {
        Some(site) => origin(site).is_some_and(|ours| said == ours),
        None => host(headers).is_some_and(|host| {
            let after = said.strip_prefix("https://");
            after.or_else(|| said.strip_prefix("http://")) == Some(host)
        }),
    }
}

/// Returns the scheme, host and port of a URL.
fn origin(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_say() {
        for (url, expected) in [
            (
                "http://127.0.0.1:8420/billing",
                Some("http://127.0.0.1:8420"),
            ),
            ("https://tallyhook.test", Some("https://tallyhook.test")),
            ("/billing", None),
        ] {
            assert_eq!(origin(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn without_a_setting_the_origin_is_the_host_of_the_request() {
        let allowed = |said: &'static str, site: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("a.test:8420"));
            headers.insert(header::ORIGIN, HeaderValue::from_static(said));
            check_csrf("token", Some("token"), &headers, site).is_ok()
        };
        assert!(allowed("https://a.test:8420", None) && allowed("http://a.test:8420", None));
        for foreign in [
            "https://a.test",
            "https://b.test:8420",
            "null",
            "a.test:8420",
        ] {
            assert!(!allowed(foreign, None), "{foreign}");
        }
        assert!(!allowed(
            "https://a.test:8420",
            Some("https://b.test/billing")
        ));
        let site = Some("https://b.test/billing");
        assert!(allowed("https://b.test", site));
        assert!(!allowed("https://b.test.evil.test", site));
    }
}
