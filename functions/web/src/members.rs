//! Pages for signed-in people with an account: who may see them, and what surrounds them.
//!
//! A visitor without a session signs in first, and a person without an account learns how to get
//! one. Each page is counted like a request of the session to the API.

use crate::visitors::find;
use crate::{ApiError, Ctx};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use domain::ids::AccountId;
use flows::accounts::rates::{Rated, Who};
use flows::accounts::sessions::Person;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use pages::{Frame, NavItem, grouped};
use std::sync::Arc;

const NAV: &[NavItem] = &[
    NavItem {
        path: "/billing",
        label: "Billing",
    },
    NavItem {
        path: "/jobs",
        label: "Jobs",
    },
    NavItem {
        path: "/setup",
        label: "Accounts",
    },
];

/// A signed-in person who may read their account.
pub struct Member {
    pub account: AccountId,
    person: Person,
}

impl FromRequestParts<Arc<Ctx>> for Member {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, Response> {
        let found = find(ctx, &parts.headers).await;
        let Some(person) = found.map_err(IntoResponse::into_response)? else {
            // The path is not encoded again: it is one of our routes, and its query stays behind.
            return Err(to(&format!("/signin?return_to={}", parts.uri.path())));
        };
        let (Some(account), Some(_)) = (person.session.account.clone(), person.role) else {
            return Err(to("/setup"));
        };
        let who = Who {
            account: account.as_str(),
            by: person.session.id.as_str(),
        };
        match ctx.rates.count(&ctx.store, who, ctx.outside.now()).await {
            Ok(Rated::Exceeded(allowance)) => {
                let seconds = allowance.reset_seconds;
                let detail = format!("Too many requests; reload the page in {seconds} seconds.");
                Err(ApiError::too_many(detail, seconds).into_response())
            }
            Ok(Rated::Within(_)) => Ok(Self { account, person }),
            // As in the API, reads stay open while the store cannot count.
            Err(error) => {
                tracing::warn!(account.id = %account, %error, "could not count a request");
                Ok(Self { account, person })
            }
        }
    }
}

impl Member {
    /// Returns the frame of a page, with the present balance if there is one.
    pub async fn frame(&self, ctx: &Ctx, current: &'static str) -> Result<Frame, ApiError> {
        let balance = ctx.store.balance_find(&self.account).await?;
        let available = grouped(&balance.available.to_string());
        let has_credits = !(balance.available.is_zero() && balance.held.is_zero());
        Ok(Frame {
            home: "/billing",
            balance: has_credits.then(|| format!("{available} credits")),
            who: Some(self.person.session.user.login.clone()),
            sign_out: Some(("/signout", self.person.csrf_token())),
            nav: NAV,
            current,
            warnings: Vec::new(),
        })
    }
}

fn to(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}
