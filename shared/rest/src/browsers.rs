//! Browsers: the session cookie, and redirects after forms.
//!
//! The cookie's name has no `__Host-` prefix, because browsers disagree on whether
//! `http://127.0.0.1`, where the local stack runs, may set one.

use axum::response::{IntoResponse, Response};
use domain::accounts::sessions::{LIFE, SessionText, browser_of};
use http::{HeaderMap, HeaderValue, StatusCode, header};

const SESSION: &str = "th_session";

/// Returns the session of a request, if the cookie is well-formed.
pub fn session(headers: &HeaderMap) -> Option<SessionText> {
    cookie(headers, SESSION).and_then(SessionText::parse)
}

/// Names the browser that sent a request.
pub fn browser(headers: &HeaderMap) -> String {
    let said = headers.get(header::USER_AGENT);
    browser_of(
        said.and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
    )
}

/// Returns the header that sets the session's cookie.
pub fn session_cookie(text: &SessionText) -> HeaderValue {
    set_cookie(SESSION, text.expose(), "/", LIFE.as_secs())
}

/// Returns the header that deletes the session's cookie.
pub fn no_session_cookie() -> HeaderValue {
    set_cookie(SESSION, "", "/", 0)
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

/// Leads a browser to another page, which it reads with GET. Targets are plain ASCII: a setting,
/// GitHub's page with encoded parameters, or a checked path.
pub fn see_other(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
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
}
