//! `/api/v1/admin/accounts/{id}/api-keys`: creates an account's first key. Its owner creates the
//! others.

use crate::operator::Authorized;
use crate::routes::accounts::account::existing;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use domain::accounts::api_keys::{ApiKey, KeyText, LIVE, Scope, TEST};
use domain::ids::KeyId;
use http::StatusCode;
use rest::IdempotencyKey;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{KeyCreated, key_digest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    name: String,
    /// `live` or `test`; decides the key's prefix.
    #[serde(default = "live")]
    mode: String,
}

fn live() -> String {
    "live".to_owned()
}

const NAME_CHARS_MAX: usize = 100;

/// Creates a key with all scopes, once for each idempotency key. Only this response contains the
/// key's text.
pub async fn create(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    once: IdempotencyKey,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Json(wanted) =
        body.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    let account = existing(&ctx, &id).await?;
    if wanted.name.trim().is_empty() || wanted.name.chars().count() > NAME_CHARS_MAX {
        return Err(ApiError::bad_request(
            "bad_name",
            format!("name has 1 to {NAME_CHARS_MAX} characters"),
        ));
    }
    let prefix = match wanted.mode.as_str() {
        "live" => LIVE,
        "test" => TEST,
        _ => return Err(ApiError::bad_request("bad_mode", "mode is live or test")),
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
            "this Idempotency-Key has made the key {}; its text was shown then",
            known.id
        );
        return Err(ApiError::conflict("key_shown_before", detail));
    }
    tracing::info!(operator.name = operator.name, account.id = %account, key.id = %key.id, audit = true, "made a key");
    Ok((
        StatusCode::CREATED,
        Json(json!({ "id": key.id.as_str(), "secret": text.expose() })),
    ))
}
