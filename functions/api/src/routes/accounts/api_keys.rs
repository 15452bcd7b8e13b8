//! `/api/v1/api-keys`: API keys for the account's programs.
//!
//! Safe to run twice: a key's id follows from the idempotency key, so a repeat creates no second
//! key. The text of a key is shown once.

use crate::caller::{Caller, MayManageKeys, MayRead};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::api_keys::{ApiKey, KeyText, Scope};
use domain::ids::KeyId;
use flows::accounts::programs::{self, KeyMaker, KeyWish};
use http::StatusCode;
use rest::{Body, IdempotencyKey, Path};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
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
    let by = caller.by.to_string();
    let maker = maker(&ctx, &caller, &by).await?;
    let act = once.act(&caller.account, "api-keys").id();
    let wish = KeyWish {
        name: &wanted.name,
        scopes,
        expires_in_days: wanted.expires_in_days,
    };
    Ok(made(programs::create(&maker, &act, wish).await?))
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
    let by = caller.by.to_string();
    let who = (&caller.account, by.as_str());
    programs::revoke(&ctx.store, who, &id, ctx.outside.now()).await?;
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
    let by = caller.by.to_string();
    let maker = maker(&ctx, &caller, &by).await?;
    let act = |key: &KeyId| {
        let route = format!("api-keys/{key}/rotate");
        once.act(&caller.account, &route).id()
    };
    Ok(made(
        programs::rotate(&maker, (&id, rotation.overlap_hours), act).await?,
    ))
}

async fn maker<'a>(
    ctx: &'a Ctx,
    caller: &'a Caller,
    by: &'a str,
) -> Result<KeyMaker<'a>, ApiError> {
    Ok(KeyMaker {
        store: &ctx.store,
        account: &caller.account,
        by,
        mode: ctx.stripe_mode().await?,
        random: ctx.outside.random_bytes(),
        now: ctx.outside.now(),
    })
}

fn made((key, text): (ApiKey, KeyText)) -> (StatusCode, Json<KeyMade>) {
    let made = KeyMade {
        key: shown(&key),
        secret: text.expose().to_owned(),
    };
    (StatusCode::CREATED, Json(made))
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
