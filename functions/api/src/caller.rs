//! Authenticates callers. This is the only place that creates a [`Caller`].
//!
//! A program sends a key; a person has a session. If a request has both, the key counts. Both are
//! looked up by the digest of a secret and cached for a minute, misses included. So a revoked key,
//! an ended session or a lost role stops working within a minute, and a flood of invalid keys costs
//! few reads. Nobody acts for a closed account. Every change by a session needs its CSRF token.

use crate::sessions::{person, vouched};
use crate::{ApiError, Ctx, rates};
use axum::extract::FromRequestParts;
use domain::accounts::api_keys::{ApiKey, KeyText, Scope};
use domain::ids::{AccountId, KeyId, SessionId, UserId};
use domain::switches::Switch;
use domain::time::Timestamp;
use flows::accounts::rates::Who;
use flows::accounts::sessions::is_open;
use http::header;
use http::request::Parts;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use store::{Store, key_digest};

/// A client that is authorized to act for an account.
#[derive(Debug, Clone)]
pub struct Caller {
    pub account: AccountId,
    pub by: By,
    scopes: BTreeSet<Scope>,
}

/// The key or session with which a caller acts. Its text form identifies the caller in logs and in
/// the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    Key(KeyId),
    Session(SessionId, UserId),
}

impl By {
    /// The name under which the rate limits count requests.
    pub fn counted_as(&self) -> &str {
        match self {
            Self::Key(key) => key.as_str(),
            Self::Session(session, _) => session.as_str(),
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key}"),
            Self::Session(session, user) => write!(f, "user {user} by {session}"),
        }
    }
}

/// Defines extractors for a caller with a scope. A handler names one of them, so the scope is
/// checked before the body is read.
macro_rules! scoped {
    ($($name:ident: $scope:ident),+ $(,)?) => {$(
        pub struct $name(pub Caller);

        impl FromRequestParts<Arc<Ctx>> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, ApiError> {
                let caller = Caller::from_request_parts(parts, ctx).await?;
                caller.may(Scope::$scope)?;
                Ok(Self(caller))
            }
        }
    )+};
}

scoped!(MayRead: Read, MayRecordUsage: Usage, MayRunJobs: Jobs, MayBill: Billing, MayManageKeys: Keys);

impl Caller {
    /// Returns an error unless the caller has the scope.
    pub fn may(&self, scope: Scope) -> Result<&Self, ApiError> {
        if self.scopes.contains(&scope) {
            return Ok(self);
        }
        let scope = scope.as_str();
        let detail = match self.by {
            By::Key(_) => format!("This key lacks the scope `{scope}`; use a key that has it."),
            By::Session(..) => {
                format!(
                    "Your role in this account lacks the scope `{scope}`; ask an admin of the account."
                )
            }
        };
        Err(ApiError::forbidden("missing_scope", detail))
    }

    /// Returns an error unless the account may start new work. Work in progress may always finish,
    /// and reads are always allowed.
    pub async fn may_begin(&self, ctx: &Ctx) -> Result<(), ApiError> {
        match ctx
            .switches
            .switch_now(ctx.outside.now(), |switches| {
                switches.account(&self.account)
            })
            .await
        {
            Switch::On => Ok(()),
            Switch::Off => {
                let detail =
                    "This account is paused, so it cannot start new work; contact support.";
                Err(ApiError::conflict("account_paused", detail))
            }
        }
    }
}

impl FromRequestParts<Arc<Ctx>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, ApiError> {
        let now = ctx.outside.now();
        // A request with a key never falls back to its session, even if the key is invalid.
        let caller = if parts.headers.contains_key(header::AUTHORIZATION) {
            by_key(ctx, parts, now).await?
        } else {
            by_session(ctx, parts).await?
        };
        let who = Who {
            account: caller.account.as_str(),
            by: caller.by.counted_as(),
        };
        rates::count(ctx, who, parts).await?;
        Ok(caller)
    }
}

async fn by_key(ctx: &Ctx, parts: &Parts, now: Timestamp) -> Result<Caller, ApiError> {
    let header = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let text = header
        .and_then(|text| text.strip_prefix("Bearer "))
        .map(str::trim)
        .ok_or_else(unauthorized)?;
    let text = KeyText::parse(text).ok_or_else(unauthorized)?;
    let digest = key_digest(&text);
    let key = match ctx.keys.get(&digest, now) {
        Some(known) => known,
        None => {
            let found = ctx.store.api_key_find(&digest).await?;
            let found = of_open_account(&ctx.store, found, now).await?;
            note_use(&ctx.store, found.as_ref(), &digest, now).await?;
            ctx.keys.put(&digest, found.clone(), now);
            found
        }
    };
    let key = key
        .filter(|key| key.is_good(now))
        .ok_or_else(unauthorized)?;
    Ok(Caller {
        account: key.account,
        by: By::Key(key.id),
        scopes: key.scopes,
    })
}

async fn by_session(ctx: &Ctx, parts: &Parts) -> Result<Caller, ApiError> {
    let person = person(ctx, &parts.headers)
        .await?
        .ok_or_else(unauthorized)?;
    vouched(&person, ctx.dashboard_url.as_deref(), parts)?;
    let session = person.session;
    let (Some(account), Some(role)) = (session.account, person.role) else {
        let detail = "You are signed in without an account. Choose one of yours with `PUT /api/v1/session/account`. If you signed up by \
            mail, send your account's key with `POST /api/v1/session/accounts`; `/setup` explains how to get one.";
        return Err(ApiError::forbidden("no_account", detail));
    };
    Ok(Caller {
        account,
        by: By::Session(session.id, session.user.id),
        scopes: role.scopes(),
    })
}

/// Returns the key, if it is valid and its account is open.
async fn of_open_account(
    store: &Store,
    key: Option<ApiKey>,
    now: Timestamp,
) -> Result<Option<ApiKey>, ApiError> {
    let Some(key) = key.filter(|key| key.is_good(now)) else {
        return Ok(None);
    };
    Ok(is_open(store, &key.account).await?.then_some(key))
}

/// Records the day of a key's last use, so that people can find unused keys.
async fn note_use(
    store: &Store,
    key: Option<&ApiKey>,
    digest: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let today = now.day();
    if key.is_some_and(|key| key.is_good(now) && key.last_used_on.as_ref() != Some(&today)) {
        store.api_key_used(digest, &today).await?;
    }
    Ok(())
}

fn unauthorized() -> ApiError {
    ApiError::unauthorized(
        "Send a key of your account as `Authorization: Bearer th_live_…`, or sign in at `/signin`.",
    )
}
