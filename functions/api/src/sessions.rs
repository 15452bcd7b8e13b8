//! People: the session behind a cookie, what vouches for its requests, and how one begins and ends.
//!
//! The cookie is 256 random bits, of which only the digest is kept. A page elsewhere can make a browser send the cookie and
//! cannot read what comes back; so whatever changes something needs the CSRF token, too, which follows from the cookie and
//! is told by `GET /api/v1/session` alone. The name has no `__Host-`, because
//! browsers do not agree on whether `http://127.0.0.1`, where the local stack is, may set that.

use crate::{ApiError, Ctx, rates};
use axum::extract::FromRequestParts;
use domain::accounts::api_keys::Role;
use domain::accounts::members::User;
use domain::accounts::sessions::{LIFE, Session, SessionText, VisibleInstallation};
use domain::ids::{AccountId, SessionId};
use domain::time::Timestamp;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::session_digest;
use subtle::ConstantTimeEq;

const COOKIE: &str = "th_session";
/// The header in which programs of our pages send the CSRF token.
pub const CSRF: &str = "x-csrf-token";

/// Somebody who is signed in, as this request shows him.
pub struct Person {
    /// His session.
    pub session: Session,
    /// What he is to its account at the moment, if he still belongs to it.
    pub role: Option<Role>,
    text: SessionText,
}

/// What is remembered of a session.
#[derive(Clone)]
pub struct Found {
    session: Session,
    role: Option<Role>,
}

/// The person whose session a request carries, if that is good.
pub async fn person(
    ctx: &Ctx,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<Person>, ApiError> {
    let Some(text) = cookie(headers, COOKIE).and_then(SessionText::parse) else {
        return Ok(None);
    };
    let digest = session_digest(&text);
    let found = match ctx.known_sessions.find(&digest, now) {
        Some(known) => known,
        None => {
            let found = look_up(ctx, &digest).await?;
            ctx.known_sessions.keep(&digest, found.clone(), now);
            found
        }
    };
    let good = found.filter(|found| found.session.is_good(now));
    Ok(good.map(|Found { session, role }| Person {
        session,
        role,
        text,
    }))
}

async fn look_up(ctx: &Ctx, digest: &str) -> Result<Option<Found>, ApiError> {
    let Some(session) = ctx.store.session_find(digest).await? else {
        return Ok(None);
    };
    let member = match &session.account {
        Some(account) if is_open(ctx, account).await? => {
            ctx.store.member_find(account, session.user.id).await?
        }
        Some(_) | None => None,
    };
    Ok(Some(Found {
        session,
        role: member.map(|member| member.role),
    }))
}

/// Whether anybody may act for an account.
pub async fn is_open(ctx: &Ctx, account: &AccountId) -> Result<bool, ApiError> {
    Ok(ctx
        .store
        .account_find(account)
        .await?
        .is_some_and(|account| account.is_open()))
}

impl Person {
    /// The proof that a request comes from our own page.
    pub fn csrf_token(&self) -> String {
        csrf_token(&self.text)
    }

    /// Goes on only if the request changes nothing or comes from our own page.
    pub fn vouched(&self, ctx: &Ctx, parts: &Parts) -> Result<(), ApiError> {
        if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(());
        }
        let token = parts
            .headers
            .get(CSRF)
            .and_then(|value| value.to_str().ok());
        self.vouched_by(ctx, &parts.headers, token)
    }

    /// The same for a form, which has the token in a field.
    pub fn vouched_by(
        &self,
        ctx: &Ctx,
        headers: &HeaderMap,
        token: Option<&str>,
    ) -> Result<(), ApiError> {
        let right: bool = self
            .csrf_token()
            .as_bytes()
            .ct_eq(token.unwrap_or_default().as_bytes())
            .into();
        if !right {
            let detail = "send the csrf_token of GET /api/v1/session as X-CSRF-Token; each session has its own";
            return Err(ApiError::forbidden("bad_csrf_token", detail));
        }
        let ours = origin(&ctx.dashboard_url);
        match headers.get(header::ORIGIN) {
            Some(said) if ours.is_none_or(|ours| said.as_bytes() != ours.as_bytes()) => {
                Err(ApiError::forbidden(
                    "foreign_origin",
                    "this comes from another site; use the dashboard",
                ))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What the session is known by.
    pub fn digest(&self) -> String {
        session_digest(&self.text)
    }
}

/// The proof that requests of a session come from our own page.
pub fn csrf_token(text: &SessionText) -> String {
    hex::encode(Sha256::digest(format!("tallyhook csrf {}", text.expose())))
}

/// Routes that are about the session itself: for people alone, also for those without an account.
impl FromRequestParts<Arc<Ctx>> for Person {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, ApiError> {
        let now = ctx.outside.now();
        let unauthorized =
            || ApiError::unauthorized("this is for people: sign in at /signin and send no key");
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return Err(unauthorized());
        }
        let person = person(ctx, &parts.headers, now)
            .await?
            .ok_or_else(unauthorized)?;
        person.vouched(ctx, parts)?;
        let Session {
            id, user, account, ..
        } = &person.session;
        let whose = account
            .as_ref()
            .map_or_else(|| format!("user_{}", user.id), AccountId::to_string);
        rates::count(ctx, (&whose, id.as_str()), parts, now).await?;
        Ok(person)
    }
}

/// A new session and the text that only its browser gets.
pub fn begin(
    ctx: &Ctx,
    user: User,
    account: Option<AccountId>,
    shown: Vec<VisibleInstallation>,
    now: Timestamp,
) -> (Session, SessionText) {
    let id = SessionId::mint(now, ctx.outside.random_bytes());
    let session = Session {
        id,
        user,
        account,
        shown,
        expires_at: now.plus(LIFE),
    };
    (session, SessionText::mint(ctx.outside.random_bytes()))
}

/// Ends a session, here at once and elsewhere within a minute.
pub async fn end(ctx: &Ctx, digest: &str) -> Result<(), ApiError> {
    ctx.store.session_end(digest).await?;
    ctx.known_sessions.forget(digest);
    Ok(())
}

/// The header that hands a session to its browser.
pub fn hand_over(text: &SessionText) -> HeaderValue {
    set_cookie(COOKIE, text.expose(), "/", LIFE.as_secs())
}

/// The header that takes it away again.
pub fn take_away() -> HeaderValue {
    set_cookie(COOKIE, "", "/", 0)
}

/// A cookie that no script can read and no page elsewhere can send along with a form. All its parts are ours and plain.
pub fn set_cookie(name: &str, value: &str, path: &str, seconds: u64) -> HeaderValue {
    let text =
        format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// A cookie of a request. Of two of one name none counts: one of them is not ours.
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

/// Scheme, host and port of a URL.
fn origin(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_two_are_none() {
        let find = |lines: &[&'static str]| {
            let pairs = lines
                .iter()
                .map(|line| (header::COOKIE, HeaderValue::from_static(line)));
            cookie(&pairs.collect(), COOKIE).map(str::to_owned)
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
