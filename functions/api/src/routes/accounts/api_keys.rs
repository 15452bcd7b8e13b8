//! `/api/v1/api-keys`: API keys for the account's programs.
//!
//! Safe to run twice: a key's id follows from the idempotency key, so a repeat creates no second
//! key. The text of a key is shown once.

use crate::caller::{Caller, MayManageKeys, MayRead};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::api_keys::{ApiKey, KeyText, LIVE, Scope, TEST};
use domain::ids::KeyId;
use domain::time::Timestamp;
use http::StatusCode;
use rest::{Act, Body, IdempotencyKey, Path};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use store::{KEYS_MAX, KeyCreated, key_digest};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};

/// The account's API keys.
#[derive(Serialize, ToSchema)]
pub struct ApiKeys {
    keys: Vec<KeyShown>,
}

/// An API key, without its secret.
#[derive(Serialize, ToSchema)]
pub struct KeyShown {
    id: String,
    name: String,
    /// The scopes of the key.
    scopes: Vec<String>,
    /// The first characters of the key, to recognize it by.
    hint: String,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// The day on which the key was last used.
    last_used_on: Option<String>,
}

/// A new API key, with its secret.
#[derive(Serialize, ToSchema)]
pub struct KeyMade {
    #[serde(flatten)]
    key: KeyShown,
    /// The key itself. Store it now; it cannot be shown again.
    secret: String,
}

/// An API key to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyWanted {
    /// A name for the key.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "ci")]
    name: String,
    /// The scopes of the key. They cannot exceed those of the key or session that creates it.
    #[schema(schema_with = scope_words)]
    scopes: Vec<String>,
    /// Days until the key expires. If absent, the key never expires.
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: Option<u32>,
}

fn scope_words() -> ArrayBuilder {
    let words = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(Scope::ALL.map(Scope::as_str)));
    ArrayBuilder::new()
        .items(words)
        .min_items(Some(1))
        .examples([serde_json::json!(["read", "usage"])])
}

/// How long the old key stays valid alongside the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The hours for which both keys are valid.
    #[schema(minimum = 0, maximum = 720)]
    overlap_hours: u32,
}

const NAME_CHARS_MAX: usize = 100;
const DAYS_MAX: u32 = 3_650;
const OVERLAP_HOURS_MAX: u32 = 720;

/// Lists your API keys, newest first.
#[utoipa::path(get, path = "/api/v1/api-keys", tag = "keys",
    responses((status = 200, body = ApiKeys)))]
pub async fn list(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<ApiKeys>, ApiError> {
    let keys = ctx.store.api_key_list(&caller.account).await?;
    Ok(Json(ApiKeys {
        keys: keys.iter().map(shown).collect(),
    }))
}

/// Creates an API key.
///
/// Only this response contains the key's secret. A repeat with the same Idempotency-Key creates no
/// second key.
#[utoipa::path(post, path = "/api/v1/api-keys", tag = "keys", request_body = KeyWanted,
    params(IdempotencyKey),
    responses((status = 201, body = KeyMade), (status = 409), (status = 422)))]
pub async fn create(
    MayManageKeys(caller): MayManageKeys,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<KeyWanted>,
) -> Result<(StatusCode, Json<KeyMade>), ApiError> {
    let scopes = scopes(&caller, &wanted.scopes)?;
    if wanted.name.trim().is_empty() || wanted.name.chars().count() > NAME_CHARS_MAX {
        return Err(ApiError::bad_request(
            "bad_name",
            format!("`name` must have 1 to {NAME_CHARS_MAX} characters."),
        ));
    }
    if wanted
        .expires_in_days
        .is_some_and(|days| days == 0 || days > DAYS_MAX)
    {
        return Err(ApiError::bad_request(
            "bad_expiry",
            format!("`expires_in_days` must be 1 to {DAYS_MAX}."),
        ));
    }
    if ctx.store.api_key_list(&caller.account).await?.len() >= KEYS_MAX {
        let detail = format!(
            "An account can have at most {KEYS_MAX} keys; contact support if you need more."
        );
        return Err(ApiError::unprocessable("too_many_keys", detail));
    }
    let now = ctx.outside.now();
    let end = wanted
        .expires_in_days
        .map(|days| now.plus(Duration::from_secs(u64::from(days) * 86_400)));
    let act = once.act(&caller.account, "api-keys");
    make(&ctx, &caller, &act, (wanted.name.trim(), scopes, end), now).await
}

/// Revokes an API key.
///
/// The key stops working within a minute.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 204)))]
pub async fn revoke(
    MayManageKeys(caller): MayManageKeys,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (key, digest) = existing(&ctx, &caller, &id).await?;
    ctx.store.api_key_revoke(&digest, ctx.outside.now()).await?;
    tracing::info!(account.id = %caller.account, key.id = %key.id, by = %caller.by, audit = true, "revoked a key");
    Ok(StatusCode::NO_CONTENT)
}

/// Rotates an API key.
///
/// Creates a key with the same name, scopes and expiry, and expires the old key after an overlap in
/// which both are valid.
#[utoipa::path(post, path = "/api/v1/api-keys/{id}/rotate", tag = "keys", params(("id" = String, Path),
    IdempotencyKey), request_body = Rotation,
    responses((status = 201, body = KeyMade), (status = 409)))]
pub async fn rotate(
    MayManageKeys(caller): MayManageKeys,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    once: IdempotencyKey,
    Body(rotation): Body<Rotation>,
) -> Result<(StatusCode, Json<KeyMade>), ApiError> {
    if rotation.overlap_hours > OVERLAP_HOURS_MAX {
        return Err(ApiError::bad_request(
            "bad_overlap",
            format!("`overlap_hours` must be 0 to {OVERLAP_HOURS_MAX}."),
        ));
    }
    let (old, digest) = existing(&ctx, &caller, &id).await?;
    let now = ctx.outside.now();
    if !old.is_good(now) {
        return Err(ApiError::conflict(
            "key_ended",
            "This key has ended; create a new one.",
        ));
    }
    let act = once.act(&caller.account, &format!("api-keys/{}/rotate", old.id));
    let made = make(
        &ctx,
        &caller,
        &act,
        (&old.name, old.scopes, old.expires_at),
        now,
    )
    .await?;
    let end = now.plus(Duration::from_secs(
        u64::from(rotation.overlap_hours) * 3_600,
    ));
    ctx.store.api_key_expire(&digest, end).await?;
    Ok(made)
}

type Wish<'a> = (&'a str, BTreeSet<Scope>, Option<Timestamp>);

/// Creates the key of an act. The id follows from the act, so an act creates one key. The text is
/// random, and only this response contains it.
async fn make(
    ctx: &Ctx,
    caller: &Caller,
    act: &Act,
    (name, scopes, expires_at): Wish<'_>,
    now: Timestamp,
) -> Result<(StatusCode, Json<KeyMade>), ApiError> {
    let live = ctx.stripe_mode().await? == Some(domain::inbox::events::StripeMode::Live);
    let text = KeyText::mint(if live { LIVE } else { TEST }, ctx.outside.random_bytes());
    let key = ApiKey {
        id: KeyId::of_act(&act.id()),
        account: caller.account.clone(),
        name: name.to_owned(),
        scopes,
        hint: text.hint(),
        created_at: now,
        expires_at,
        revoked_at: None,
        last_used_on: None,
    };
    match ctx.store.api_key_create(&key, &key_digest(&text)).await? {
        KeyCreated::New => {}
        KeyCreated::Existing(known) => {
            let detail = format!(
                "This `Idempotency-Key` has made the key {}; its text was shown then and cannot be shown again.",
                known.id
            );
            return Err(ApiError::conflict("key_shown_before", detail));
        }
    }
    tracing::info!(account.id = %caller.account, key.id = %key.id, by = %caller.by, audit = true, "made a key");
    Ok((
        StatusCode::CREATED,
        Json(KeyMade {
            key: shown(&key),
            secret: text.expose().to_owned(),
        }),
    ))
}

fn scopes(caller: &Caller, words: &[String]) -> Result<BTreeSet<Scope>, ApiError> {
    let known = Scope::ALL.map(Scope::as_str).join(", ");
    let bad = || {
        ApiError::bad_request(
            "bad_scopes",
            format!("`scopes` must be one or more of {known}."),
        )
    };
    let scopes: BTreeSet<Scope> = words
        .iter()
        .map(|word| Scope::parse(word).ok_or_else(bad))
        .collect::<Result<_, _>>()?;
    if scopes.is_empty() {
        return Err(bad());
    }
    for scope in &scopes {
        caller.may(*scope)?;
    }
    Ok(scopes)
}

async fn existing(ctx: &Ctx, caller: &Caller, id: &str) -> Result<(ApiKey, String), ApiError> {
    let absent = || ApiError::not_found("There is no such key.");
    let id = KeyId::parse(id).map_err(|_| absent())?;
    ctx.store
        .api_key_load(&caller.account, &id)
        .await?
        .ok_or_else(absent)
}

fn shown(key: &ApiKey) -> KeyShown {
    KeyShown {
        id: key.id.to_string(),
        name: key.name.clone(),
        scopes: key
            .scopes
            .iter()
            .map(|scope| scope.as_str().to_owned())
            .collect(),
        hint: key.hint.clone(),
        created_at: key.created_at.to_string(),
        expires_at: key.expires_at.map(|at| at.to_string()),
        revoked_at: key.revoked_at.map(|at| at.to_string()),
        last_used_on: key.last_used_on.clone(),
    }
}
