//! Who is asking: the only place where a [`Caller`] is made.
//!
//! A key is looked up by its digest, and what was found is believed for a minute, also that nothing was found. So a revoked
//! key opens nothing after a minute at the latest, and a flood of wrong keys costs few reads.

use crate::{ApiError, Ctx, rates};
use axum::extract::FromRequestParts;
use domain::access::{ApiKey, KeyText, Scope};
use domain::ids::{AccountId, KeyId};
use domain::time::Timestamp;
use domain::triggers::Switch;
use http::request::Parts;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::key_digest;

/// Somebody who may act for an account.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// By which key.
    pub key: KeyId,
    scopes: BTreeSet<Scope>,
}

impl Caller {
    /// Goes on only if the caller may do this.
    pub fn may(&self, scope: Scope) -> Result<&Self, ApiError> {
        if self.scopes.contains(&scope) {
            return Ok(self);
        }
        let detail = format!("this key lacks the scope {}; make one that has it", scope.as_str());
        Err(ApiError::forbidden("missing_scope", detail))
    }

    /// Goes on only if the account may begin new work; what is begun may always be ended, and everything read.
    pub async fn may_begin(&self, ctx: &Ctx) -> Result<(), ApiError> {
        match ctx.switches.switch_now(ctx.outside.now(), |switches| switches.account(&self.account)).await {
            Switch::On => Ok(()),
            Switch::Off => {
                let detail = "this account is paused, so no new work begins; ask us, or try again later";
                Err(ApiError::conflict("account_paused", detail))
            }
        }
    }
}

/// How long what was found of a key is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// More keys than this are not remembered at once.
const REMEMBERED_MAX: usize = 10_000;

/// What was found of keys in the last minute, by their digests.
#[derive(Default)]
pub struct KnownKeys(Mutex<HashMap<String, Found>>);

#[derive(Clone)]
struct Found {
    key: Option<ApiKey>,
    at: Timestamp,
}

impl KnownKeys {
    fn find(&self, digest: &str, now: Timestamp) -> Option<Option<ApiKey>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(digest).filter(|found| now.since(found.at) < BELIEVED)?;
        Some(found.key.clone())
    }

    fn keep(&self, digest: &str, key: Option<ApiKey>, at: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.retain(|_, found| at.since(found.at) < BELIEVED);
        }
        if known.len() < REMEMBERED_MAX {
            known.insert(digest.to_owned(), Found { key, at });
        }
    }
}

impl FromRequestParts<Arc<Ctx>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, ApiError> {
        let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let text = header.and_then(|text| text.strip_prefix("Bearer ")).map(str::trim).ok_or_else(stranger)?;
        let text = KeyText::parse(text).ok_or_else(stranger)?;
        let digest = key_digest(&text);
        let now = ctx.outside.now();
        let key = match ctx.known_keys.find(&digest, now) {
            Some(known) => known,
            None => {
                let found = ctx.store.api_key_find(&digest).await?;
                note_use(ctx, found.as_ref(), &digest, now).await?;
                ctx.known_keys.keep(&digest, found.clone(), now);
                found
            }
        };
        let key = key.filter(|key| key.is_good(now)).ok_or_else(stranger)?;
        let caller = Self { account: key.account, key: key.id, scopes: key.scopes };
        rates::count(ctx, &caller, parts, now).await?;
        Ok(caller)
    }
}

/// Keys that are not used any more can be told by the day of their last use.
async fn note_use(ctx: &Ctx, key: Option<&ApiKey>, digest: &str, now: Timestamp) -> Result<(), ApiError> {
    let today = now.day();
    if key.is_some_and(|key| key.is_good(now) && key.last_used_on.as_ref() != Some(&today)) {
        ctx.store.api_key_used(digest, &today).await?;
    }
    Ok(())
}

fn stranger() -> ApiError {
    ApiError::unauthorized("send a key of your account as Authorization: Bearer th_live_…")
}
