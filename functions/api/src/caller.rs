//! Who is asking: the only place where a [`Caller`] is made.
//!
//! A program comes with a key, a person with a session; who sends both comes with the key. Either is looked up by the digest
//! of a secret, and what was found is believed for a minute, also that nothing was found. So a revoked key, a session that
//! was ended and a role that was taken away open nothing after a minute at the latest, and a flood of wrong ones costs few
//! reads. For which account a session acts stands on its row and never changes; that its person is still a member there is
//! looked up with it. An account whose owner has moved to another one is closed, and nobody acts for it. Whatever a session
//! changes needs its CSRF token.

use crate::sessions;
use crate::sessions::Person;
use crate::{ApiError, Ctx, rates};
use axum::extract::FromRequestParts;
use domain::accounts::api_keys::{ApiKey, KeyText, Scope};
use domain::ids::{AccountId, KeyId, SessionId, UserId};
use domain::switches::Switch;
use domain::time::Timestamp;
use http::header;
use http::request::Parts;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use store::key_digest;

/// Somebody who may act for an account.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// By what right.
    pub by: By,
    scopes: BTreeSet<Scope>,
}

/// By what right somebody acts. As a text it names him in logs and ledgers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A key.
    Key(KeyId),
    /// A person's session.
    Session(SessionId, UserId),
}

impl By {
    /// What its requests are counted under.
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

/// Extractors for a caller with a scope. A handler names one of them, so the scope is checked before the body is read.
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
    /// Goes on only if the caller may do this.
    pub fn may(&self, scope: Scope) -> Result<&Self, ApiError> {
        if self.scopes.contains(&scope) {
            return Ok(self);
        }
        let scope = scope.as_str();
        let detail = match self.by {
            By::Key(_) => format!("this key lacks the scope {scope}; make one that has it"),
            By::Session(..) => {
                format!("your role in this account lacks the scope {scope}; ask one of its admins")
            }
        };
        Err(ApiError::forbidden("missing_scope", detail))
    }

    /// Goes on only if the account may begin new work; what is begun may always be ended, and everything read.
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
                    "this account is paused, so no new work begins; ask us, or try again later";
                Err(ApiError::conflict("account_paused", detail))
            }
        }
    }
}

impl FromRequestParts<Arc<Ctx>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, ApiError> {
        let now = ctx.outside.now();
        // Whoever sends a key means it, also where it is a bad one.
        let caller = if parts.headers.contains_key(header::AUTHORIZATION) {
            by_key(ctx, parts, now).await?
        } else {
            by_session(ctx, parts, now).await?
        };
        rates::count(
            ctx,
            (caller.account.as_str(), caller.by.counted_as()),
            parts,
            now,
        )
        .await?;
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
    let key = match ctx.known_keys.find(&digest, now) {
        Some(known) => known,
        None => {
            let found = ctx.store.api_key_find(&digest).await?;
            let found = of_open_account(ctx, found, now).await?;
            note_use(ctx, found.as_ref(), &digest, now).await?;
            ctx.known_keys.keep(&digest, found.clone(), now);
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

async fn by_session(ctx: &Ctx, parts: &Parts, now: Timestamp) -> Result<Caller, ApiError> {
    let person: Person = sessions::person(ctx, &parts.headers, now)
        .await?
        .ok_or_else(unauthorized)?;
    person.vouched(ctx, parts)?;
    let session = person.session;
    let (Some(account), Some(role)) = (session.account, person.role) else {
        let detail = "you are signed in, but act for no account: choose one of yours with PUT /api/v1/session/account. If \
            you have signed up by mail, show your account's key with POST /api/v1/session/accounts; /setup says how to get one";
        return Err(ApiError::forbidden("no_account", detail));
    };
    Ok(Caller {
        account,
        by: By::Session(session.id, session.user.id),
        scopes: role.scopes(),
    })
}

/// The key, if it is good and its account is one for which somebody may act.
async fn of_open_account(
    ctx: &Ctx,
    key: Option<ApiKey>,
    now: Timestamp,
) -> Result<Option<ApiKey>, ApiError> {
    let Some(key) = key.filter(|key| key.is_good(now)) else {
        return Ok(None);
    };
    Ok(sessions::is_open(ctx, &key.account).await?.then_some(key))
}

/// Keys that are not used any more can be told by the day of their last use.
async fn note_use(
    ctx: &Ctx,
    key: Option<&ApiKey>,
    digest: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let today = now.day();
    if key.is_some_and(|key| key.is_good(now) && key.last_used_on.as_ref() != Some(&today)) {
        ctx.store.api_key_used(digest, &today).await?;
    }
    Ok(())
}

fn unauthorized() -> ApiError {
    ApiError::unauthorized(
        "send a key of your account as Authorization: Bearer th_live_…, or sign in at /signin",
    )
}
