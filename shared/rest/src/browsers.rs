//! Browser sessions: the session cookie, and the proof that a change comes from one of our pages.
//!
//! Another site can make a browser send the cookie, but it cannot read the response. So every
//! change also needs the CSRF token, which follows from the session's text. The cookie's name has
//! no `__Host-` prefix, because browsers disagree on whether `http://127.0.0.1`, where the local
//! stack runs, may set one.

use crate::ApiError;
use domain::accounts::sessions::{LIFE, SessionText};
use http::{HeaderMap, HeaderValue, Uri, header};
use subtle::ConstantTimeEq;

const SESSION: &str = "th_session";
/// The header in which scripts of our pages send the CSRF token.
pub const CSRF: &str = "x-csrf-token";

/// Returns the session of a request, if the cookie is well-formed.
pub fn session(headers: &HeaderMap) -> Option<SessionText> {
    cookie(headers, SESSION).and_then(SessionText::parse)
}

/// Returns the header that sets the session's cookie.
pub fn session_cookie(text: &SessionText) -> HeaderValue {
    set_cookie(SESSION, text.expose(), "/", LIFE.as_secs())
}

/// Returns the header that deletes the session's cookie.
pub fn no_session_cookie() -> HeaderValue {
    set_cookie(SESSION, "", "/", 0)
}

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

/// Returns a cookie that scripts cannot read and that forms of other sites do not send. All its
/// parts are plain ASCII that we wrote.
pub fn set_cookie(name: &str, value: &str, path: &str, seconds: u64) -> HeaderValue {
    let text =
        format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// Returns a cookie of the request. If two cookies have the same name, it returns neither, because
/// one of them is not ours.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    let pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then_some(value)
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
    fn a_cookie_is_found_among_others_and_two_of_one_name_count_as_absent() {
        let find = |lines: &[&'static str]| {
            let pairs = lines
                .iter()
                .map(|line| (header::COOKIE, HeaderValue::from_static(line)));
            cookie(&pairs.collect(), SESSION).map(str::to_owned)
        };
        for (lines, found) in [
            (&["th_session=a"][..], Some("a")),
            (&["x=1; th_session=a; y=2"], Some("a")),
            (&["x=1", "th_session=a=b"], Some("a=b")),
            (&["th_session=a; th_session=b"], None),
            (&["xth_session=a", "th_sessions=b"], None),
            (&[], None),
        ] {
            assert_eq!(find(lines).as_deref(), found, "{lines:?}");
        }
    }

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
