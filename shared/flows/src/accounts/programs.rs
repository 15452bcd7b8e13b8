//! The keys of an account's programs: creating, rotating and revoking them.
//!
//! Safe to run twice: a key's id follows from the act, so a repeat creates no second key. The text of
//! a key exists only in the response that creates it.

use domain::accounts::api_keys::{ApiKey, KeyText, LIVE, Scope, TEST};
use domain::ids::{AccountId, ActionId, KeyId};
use domain::inbox::events::StripeMode;
use domain::refusal::{FlowError, Refusal};
use domain::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;
use store::{KEYS_MAX, KeyCreated, Store, key_digest};

const NAME_CHARS_MAX: usize = 100;
const DAYS_MAX: u32 = 3_650;
const OVERLAP_HOURS_MAX: u32 = 720;

/// Who creates keys, and what the new ones are made of.
pub struct KeyMaker<'a> {
    pub store: &'a Store,
    pub account: &'a AccountId,
    /// The key or session, for logs.
    pub by: &'a str,
    /// Stripe's mode, if Stripe is configured. It is part of a key's text.
    pub mode: Option<StripeMode>,
    pub random: [u8; 32],
    pub now: Timestamp,
}

/// A key as its owner wants it.
pub struct KeyWish<'a> {
    pub name: &'a str,
    pub scopes: BTreeSet<Scope>,
    pub expires_in_days: Option<u32>,
}

/// Creates a key. Returns it with its text.
pub async fn create(
    maker: &KeyMaker<'_>,
    act: &ActionId,
    wish: KeyWish<'_>,
) -> Result<(ApiKey, KeyText), FlowError> {
    let name = wish.name.trim();
    if name.is_empty() || wish.name.chars().count() > NAME_CHARS_MAX {
        let detail = format!("`name` must have 1 to {NAME_CHARS_MAX} characters.");
        return Err(Refusal::invalid("bad_name", detail).into());
    }
    let days = wish.expires_in_days;
    if days.is_some_and(|days| days == 0 || days > DAYS_MAX) {
        let detail = format!("`expires_in_days` must be 1 to {DAYS_MAX}.");
        return Err(Refusal::invalid("bad_expiry", detail).into());
    }
    if maker.store.api_key_list(maker.account).await?.len() >= KEYS_MAX {
        let detail = format!(
            "An account can have at most {KEYS_MAX} keys; contact support if you need more."
        );
        return Err(Refusal::unprocessable("too_many_keys", detail).into());
    }
    let end = days.map(|days| {
        let life = Duration::from_secs(u64::from(days) * 86_400);
        maker.now.plus(life)
    });
    make(maker, act, (name, wish.scopes, end)).await
}

/// Creates a key like another one, which expires after an overlap in which both are valid. `act` is
/// the identity of the rotation of that key.
pub async fn rotate(
    maker: &KeyMaker<'_>,
    (id, overlap_hours): (&str, u32),
    act: impl FnOnce(&KeyId) -> ActionId,
) -> Result<(ApiKey, KeyText), FlowError> {
    if overlap_hours > OVERLAP_HOURS_MAX {
        let detail = format!("`overlap_hours` must be 0 to {OVERLAP_HOURS_MAX}.");
        return Err(Refusal::invalid("bad_overlap", detail).into());
    }
    let (old, digest) = existing(maker.store, maker.account, id).await?;
    if !old.is_good(maker.now) {
        let detail = "This key has ended; create a new one.";
        return Err(Refusal::conflict("key_ended", detail).into());
    }
    let like = (old.name.as_str(), old.scopes, old.expires_at);
    let made = make(maker, &act(&old.id), like).await?;
    let overlap = Duration::from_secs(u64::from(overlap_hours) * 3_600);
    let end = maker.now.plus(overlap);
    maker.store.api_key_expire(&digest, end).await?;
    Ok(made)
}

/// Revokes a key. It stops working within a minute.
pub async fn revoke(
    store: &Store,
    (account, by): (&AccountId, &str),
    id: &str,
    now: Timestamp,
) -> Result<(), FlowError> {
    let (key, digest) = existing(store, account, id).await?;
    store.api_key_revoke(&digest, now).await?;
    tracing::info!(account.id = %account, key.id = %key.id, by, audit = true, "revoked a key");
    Ok(())
}

async fn make(
    maker: &KeyMaker<'_>,
    act: &ActionId,
    (name, scopes, expires_at): (&str, BTreeSet<Scope>, Option<Timestamp>),
) -> Result<(ApiKey, KeyText), FlowError> {
    let live = maker.mode == Some(StripeMode::Live);
    let text = KeyText::mint(if live { LIVE } else { TEST }, maker.random);
    let key = ApiKey {
        id: KeyId::of_act(act),
        account: maker.account.clone(),
        name: name.to_owned(),
        scopes,
        hint: text.hint(),
        created_at: maker.now,
        expires_at,
        revoked_at: None,
        last_used_on: None,
    };
    match maker.store.api_key_create(&key, &key_digest(&text)).await? {
        KeyCreated::New => {}
        KeyCreated::Existing(known) => {
            let detail = format!(
                "This `Idempotency-Key` has made the key {}; its text was shown then and cannot be shown again.",
                known.id
            );
            return Err(Refusal::conflict("key_shown_before", detail).into());
        }
    }
    tracing::info!(account.id = %maker.account, key.id = %key.id, by = maker.by, audit = true, "made a key");
    Ok((key, text))
}

async fn existing(
    store: &Store,
    account: &AccountId,
    id: &str,
) -> Result<(ApiKey, String), FlowError> {
    let absent = || Refusal::not_found("There is no such key.");
    let id = KeyId::parse(id).map_err(|_| absent())?;
    let found = store.api_key_load(account, &id).await?;
    found.ok_or_else(|| absent().into())
}
