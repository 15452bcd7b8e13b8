//! Operators in browsers: a session begins with an operator's token and lasts twelve hours at most. It
//! ends at once when its token is removed from the list.
//!
//! The cookie is sent to `/admin` only, never by other sites (`SameSite=Strict`), and scripts cannot
//! read it. Every form carries the CSRF token of its session.

use crate::operator::{Authorized, is_listed};
use crate::{ApiError, Ctx, pages as own};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use domain::accounts::operators::Operator;
use domain::accounts::sessions::SessionText;
use flows::accounts::sessions::csrf_token;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use pages::{Frame, NavItem, Page, Tone};
use rest::browsers::see_other;
use std::sync::Arc;
use std::time::Duration;
use store::session_digest;

/// How long a session lasts.
pub const LIFE: Duration = Duration::from_secs(12 * 3_600);
const COOKIE: &str = "th_operator";

const NAV: &[NavItem] = &[
    NavItem {
        path: "/admin",
        label: "Overview",
    },
    NavItem {
        path: "/admin/billing",
        label: "Accounts",
    },
    NavItem {
        path: "/admin/jobs",
        label: "Jobs",
    },
    NavItem {
        path: "/admin/events",
        label: "Events",
    },
    NavItem {
        path: "/admin/queues",
        label: "Queues",
    },
    NavItem {
        path: "/admin/switches",
        label: "Switches",
    },
    NavItem {
        path: "/admin/signups",
        label: "Sign-ups",
    },
    NavItem {
        path: "/admin/catalogue",
        label: "Catalogue",
    },
];

/// An operator with a valid session.
pub struct SignedIn {
    pub operator: Operator,
    text: SessionText,
}

impl FromRequestParts<Arc<Ctx>> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, Response> {
        let found = find(ctx, &parts.headers).await;
        let found = found.map_err(|error| own::problem(&error).into_response())?;
        let signed_in = found.ok_or_else(|| see_other("/admin/signin"))?;
        let name = &signed_in.operator.name;
        tracing::info!(operator.name = name, http.method = %parts.method, http.path = parts.uri.path(), "operator");
        Ok(signed_in)
    }
}

async fn find(ctx: &Ctx, headers: &HeaderMap) -> Result<Option<SignedIn>, ApiError> {
    let Some(text) = rest::browsers::cookie(headers, COOKIE).and_then(SessionText::parse) else {
        return Ok(None);
    };
    let digest = session_digest(&text);
    let Some(session) = ctx.store.operator_session_find(&digest).await? else {
        return Ok(None);
    };
    if ctx.outside.now() >= session.expires_at || !is_listed(ctx, &session.token_digest).await? {
        return Ok(None);
    }
    let operator = Operator { name: session.name };
    Ok(Some(SignedIn { operator, text }))
}

impl SignedIn {
    /// The proof for the handlers of the API, which do the work of the pages.
    pub fn authorized(&self) -> Authorized {
        Authorized(self.operator.clone())
    }

    pub fn csrf_token(&self) -> String {
        csrf_token(&self.text)
    }

    pub fn digest(&self) -> String {
        session_digest(&self.text)
    }

    /// Returns an error unless a form comes from one of our pages.
    pub fn check(&self, headers: &HeaderMap, token: &str) -> Result<(), ApiError> {
        rest::csrf::check_csrf(&self.csrf_token(), Some(token), headers, None)
    }

    /// Starts a page.
    pub fn page(&self, heading: &str, current: &'static str) -> Page {
        self.page_with(heading, current, Vec::new())
    }

    /// Starts a page with warnings.
    pub fn page_with(
        &self,
        heading: &str,
        current: &'static str,
        warnings: Vec<(Tone, String)>,
    ) -> Page {
        let frame = Frame {
            home: "/admin",
            balance: None,
            who: Some(self.operator.name.clone()),
            sign_out: Some(("/admin/signout", self.csrf_token())),
            nav: NAV,
            current,
            warnings,
        };
        Page::framed(heading, frame)
    }
}

/// The header that sets the session's cookie, or deletes it if the text is empty.
pub fn cookie(text: &str, life: Duration) -> HeaderValue {
    let seconds = life.as_secs();
    let line = format!(
        "{COOKIE}={text}; Path=/admin; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict"
    );
    HeaderValue::from_str(&line).unwrap_or(HeaderValue::from_static(""))
}
