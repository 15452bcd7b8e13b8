//! Pages for signed-in people with an account: who may see them, and what surrounds them.
//!
//! A visitor without a session signs in first, and a person without an account learns how to get
//! one. Each page is counted like a request of the session to the API.

use crate::visitors::{find, vouched};
use crate::{ApiError, Ctx};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use domain::accounts::Account;
use domain::accounts::api_keys::Scope;
use domain::billing::entitlements::{Coverage, Entitlements, entitlements};
use domain::billing::plans::Pays;
use domain::billing::subscriptions::Contracts;
use domain::ids::AccountId;
use domain::ledger::Balance;
use domain::retry::Failure;
use domain::units::Credits;
use flows::accounts::rates::{Rated, Who};
use flows::accounts::sessions::Person;
use http::request::Parts;
use http::{HeaderMap, Method};
use pages::{Frame, NavItem, Tone, grouped};
use rest::browsers::see_other;
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
        path: "/settings/members",
        label: "Settings",
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
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        let found = find(ctx, &parts.headers).await;
        let Some(person) = found.map_err(IntoResponse::into_response)? else {
            // A form is not sent again after the sign-in, and many of its paths have no page.
            let path = if reads { parts.uri.path() } else { "/billing" };
            // What follows the path is only kept where a person comes back from Stripe.
            let query = parts.uri.query().filter(|_| path == "/billing/success");
            let back = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
            return Err(see_other(&format!("/signin?return_to={}", encoded(&back))));
        };
        let (Some(account), Some(_)) = (person.session.account.clone(), person.role) else {
            return Err(see_other("/setup"));
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
            // As in the API, reads stay open while the store cannot count, and nothing else does.
            Err(error) if !reads => Err(ApiError::from(error).into_response()),
            Err(error) => {
                tracing::warn!(account.id = %account, %error, "could not count a request");
                Ok(Self { account, person })
            }
        }
    }
}

/// What pages show of an account: its contracts, its plan and its balance.
pub struct Standing<'a> {
    pub account: Account,
    pub contracts: Contracts,
    pub entitlements: Entitlements<'a>,
    pub balance: Balance,
    /// The balance below which the account is warned.
    low: Credits,
}

impl Member {
    /// Reads what the pages of the account show.
    pub async fn standing<'a>(&self, ctx: &'a Ctx) -> Result<Standing<'a>, ApiError> {
        let found = ctx.store.account_find_whole(&self.account).await?;
        let (account, contracts) =
            found.ok_or_else(|| ApiError::not_found("The account does not exist any more."))?;
        let now = ctx.outside.now();
        let entitlements = entitlements(&ctx.catalogue, &account, &contracts, now);
        let entitlements = entitlements.ok_or_else(|| {
            ApiError::failure(&Failure::never("the catalogue lacks its default plan"))
        })?;
        let usual = ctx.catalogue.low_balance;
        Ok(Standing {
            balance: ctx.store.balance_find(&self.account).await?,
            low: ctx.store.low_balance_find(&self.account, usual).await?,
            account,
            contracts,
            entitlements,
        })
    }

    /// Returns the frame of a page, with the present balance if there is one and what the reader
    /// should know on every page.
    pub fn frame(&self, standing: &Standing<'_>, current: &'static str) -> Frame {
        let balance = &standing.balance;
        let available = grouped(&balance.available.to_string());
        Frame {
            home: "/billing",
            balance: standing
                .has_credits()
                .then(|| format!("{available} credits")),
            who: Some(self.person.session.user.login.clone()),
            sign_out: Some(("/signout", self.person.csrf_token())),
            nav: NAV,
            current,
            warnings: standing.warnings(),
        }
    }

    /// Whether the person may buy and change what the account pays for.
    pub fn may_bill(&self) -> bool {
        self.may(Scope::Billing)
    }

    /// Whether the person's role has the scope.
    pub fn may(&self, scope: Scope) -> bool {
        let role = self.person.role;
        role.is_some_and(|role| role.scopes().contains(&scope))
    }

    /// Returns an error unless the form comes from our own page and the person may bill.
    pub fn bills(&self, ctx: &Ctx, headers: &HeaderMap, token: &str) -> Result<(), ApiError> {
        self.acts(ctx, headers, token, Scope::Billing)
    }

    /// Returns an error unless the form comes from our own page and the person's role has the scope.
    pub fn acts(
        &self,
        ctx: &Ctx,
        headers: &HeaderMap,
        token: &str,
        scope: Scope,
    ) -> Result<(), ApiError> {
        self.sends(ctx, headers, token)?;
        if self.may(scope) {
            return Ok(());
        }
        let detail = "Your role in this account does not allow this; ask an admin of the account.";
        Err(ApiError::forbidden("missing_scope", detail))
    }

    /// Returns an error unless the form comes from our own page.
    pub fn sends(&self, ctx: &Ctx, headers: &HeaderMap, token: &str) -> Result<(), ApiError> {
        vouched(ctx, &self.person, headers, Some(token))
    }

    pub const fn person(&self) -> &Person {
        &self.person
    }

    /// The CSRF token of the person's forms.
    pub fn csrf(&self) -> String {
        self.person.csrf_token()
    }

    /// Identifies the person in logs.
    pub fn by(&self) -> String {
        let session = &self.person.session;
        format!("user {} by {}", session.user.id, session.id)
    }
}

impl Standing<'_> {
    fn has_credits(&self) -> bool {
        let balance = &self.balance;
        !(balance.available.is_zero() && balance.held.is_zero() && balance.debt.is_zero())
    }

    fn warnings(&self) -> Vec<(Tone, String)> {
        let mut warnings = Vec::new();
        match self.entitlements.coverage {
            Coverage::Full => {}
            Coverage::Grace { until } => {
                let day = until.day();
                warnings.push((Tone::Bad, format!("A payment failed. Your plan continues until {day} (UTC). Pay the open invoice under Billing, Invoices.")));
            }
            Coverage::Lapsed => {
                let plan = &self.entitlements.plan.name;
                warnings.push((Tone::Bad, format!("Your subscription has lapsed, so the account is on {plan}. Choose a plan under Billing, Plan.")));
            }
        }
        let balance = &self.balance;
        let pays_credits = self.entitlements.plan.pays == Pays::Credits;
        if !balance.debt.is_zero() {
            let debt = grouped(&balance.debt.to_string());
            warnings.push((Tone::Bad, format!("You owe {debt} credits, so no work that needs credits can start. Top up under Billing, Top up.")));
        } else if balance.available < self.low && (pays_credits || self.has_credits()) {
            let available = grouped(&balance.available.to_string());
            warnings.push((
                Tone::Warn,
                format!("Your balance is low: {available} credits are available. Top up under Billing, Top up."),
            ));
        }
        warnings
    }
}

/// Encodes what is not safe within a query's value. Paths of ours are ASCII.
fn encoded(path: &str) -> String {
    path.replace('%', "%25")
        .replace('&', "%26")
        .replace('+', "%2B")
        .replace('#', "%23")
}
