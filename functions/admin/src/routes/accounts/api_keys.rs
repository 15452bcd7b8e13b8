//! `/api/v1/admin/accounts/{id}/api-keys`: creates an account's first key. Its owner creates the
//! others.

use crate::operator::Authorized;
use crate::routes::accounts::account::existing;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::api_keys::{ApiKey, KeyText, LIVE, Scope, TEST};
use domain::ids::KeyId;
use http::StatusCode;
use rest::{Body, IdempotencyKey, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{KeyCreated, key_digest};
use utoipa::ToSchema;

/// An API key to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// A name for the key.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"\S",
        example = "the first"
    )]
    name: String,
    /// `live` or `test`; decides the key's prefix.
    #[serde(default = "live")]
    #[schema(pattern = "^(live|test)$")]
    mode: String,
}

/// A new API key.
#[derive(Serialize, ToSchema)]
pub struct FirstKey {
    id: String,
    /// The key itself. Store it now; it cannot be shown again.
    secret: String,
}

fn live() -> String {
    "live".to_owned()
}

const NAME_CHARS_MAX: usize = 100;

/// Creates a key with all scopes.
///
/// Only this response contains the key's text. A repeat with the same Idempotency-Key creates no
/// second key.
#[utoipa::path(post, path = "/api/v1/admin/accounts/{id}/api-keys", tag = "accounts",
    params(("id" = String, Path, description = "The account's id."), IdempotencyKey),
    request_body = NewKey, responses((status = 201, body = FirstKey), (status = 409)))]
pub async fn create(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    once: IdempotencyKey,
    Body(wanted): Body<NewKey>,
) -> Result<(StatusCode, Json<FirstKey>), ApiError> {
    let account = existing(&ctx, &id).await?;
    if wanted.name.trim().is_empty() || wanted.name.chars().count() > NAME_CHARS_MAX {
        return Err(ApiError::bad_request(
            "bad_name",
            format!("`name` must have 1 to {NAME_CHARS_MAX} characters."),
        ));
    }
    let prefix = match wanted.mode.as_str() {
        "live" => LIVE,
        "test" => TEST,
        _ => {
            let detail = "`mode` must be `live` or `test`.";
            return Err(ApiError::bad_request("bad_mode", detail));
        }
    };
    let act = once.act(&account, "admin/api-keys").id();
    let text = KeyText::mint(prefix, ctx.outside.random_bytes());
    let key = ApiKey {
        id: KeyId::of_act(&act),
        account: account.clone(),
        name: wanted.name.trim().to_owned(),
        scopes: Scope::ALL.into(),
        hint: text.hint(),
        created_at: ctx.outside.now(),
        expires_at: None,
        revoked_at: None,
        last_used_on: None,
    };
    if let KeyCreated::Existing(known) = ctx.store.api_key_create(&key, &key_digest(&text)).await? {
        let detail = format!(
            "This `Idempotency-Key` has made the key {}; its text was shown then and cannot be shown again.",
            known.id
        );
        return Err(ApiError::conflict("key_shown_before", detail));
    }
    tracing::info!(operator.name = operator.name, account.id = %account, key.id = %key.id, audit = true, "made a key");
    let made = FirstKey {
        id: key.id.to_string(),
        secret: text.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}
