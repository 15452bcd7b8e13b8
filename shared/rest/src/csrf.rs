//! The CSRF check: the proof that a change comes from one of our pages.
//!
//! Another site can make a browser send the session's cookie, but it cannot read the response. So
//! every change also needs the CSRF token, which follows from the session's text.

use crate::ApiError;
use http::{HeaderMap, Uri, header};
use subtle::ConstantTimeEq;

/// The header in which scripts of our pages send the CSRF token.
pub const CSRF: &str = "x-csrf-token";

/// Returns an error unless the token is the session's and the `Origin` header, if present, is our
/// own site.
pub fn check_csrf(
    expected: &str,
    token: Option<&str>,
    headers: &HeaderMap,
    site: &str,
) -> Result<(), ApiError> {
    let token = token.unwrap_or_default().as_bytes();
    let right: bool = expected.as_bytes().ct_eq(token).into();
    if !right {
        let detail = "Send the `csrf_token` of `GET /api/v1/session` as `X-CSRF-Token`; each session has its own.";
        return Err(ApiError::forbidden("bad_csrf_token", detail));
    }
    let ours = origin(site);
    match headers.get(header::ORIGIN) {
        Some(said) if ours.is_none_or(|ours| said.as_bytes() != ours.as_bytes()) => {
            let detail = "This request comes from another site; use the dashboard.";
            Err(ApiError::forbidden("foreign_origin", detail))
        }
        Some(_) | None => Ok(()),
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
}
