//! `/welcome/{token}`: the page behind the link in the welcome, which shows the account's first key, once.
//!
//! Opening the page changes nothing, since programs that look through mail open links, too; its button does. The key's text
//! comes from three things that are nowhere together: the token, which only the mail has, a salt, which only the table has,
//! and a text of the asker's own, which only his page has. So who sends the same page twice, because an answer was lost or a
//! button was pressed twice, sees the same key again, and nobody else sees it at all. The key's id follows from the token:
//! there is one.

use crate::pages::Page;
use crate::rates::Guest;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::accounts::api_keys::{ApiKey, KeyText, LIVE, Reveal, RevealToken, Scope, TEST};
use domain::ids::{ActionId, KeyId};
use domain::inbox::events::StripeMode;
use http::{HeaderMap, StatusCode, header};
use rest::{IdempotencyKey, Path};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::{KeyCreated, key_digest, reveal_digest};
use utoipa::ToSchema;

/// What the link is good for.
#[derive(Serialize, ToSchema)]
pub struct Welcome {
    /// Always `ready`: a POST to the same address shows the key.
    status: &'static str,
    /// Until when.
    until: String,
    dashboard_url: String,
}

/// The first key.
#[derive(Serialize, ToSchema)]
pub struct FirstKey {
    id: String,
    account_id: String,
    name: String,
    /// The key itself. Keep it; nobody can show it again.
    secret: String,
    dashboard_url: String,
}

const HEADING: &str = "Your first API key";
const NAME: &str = "first key";
const ONCE_CHARS_MAX: usize = 200;

/// Says what the link is good for: a page, or JSON for who asks for that. Changes nothing.
#[utoipa::path(get, path = "/welcome/{token}", tag = "sign-up", security(()),
    params(("token" = String, Path, description = "What stands in the link that was mailed.")),
    responses((status = 200, body = Welcome), (status = 410),
        (status = 429), (status = 503)))]
pub async fn show(
    _: Guest,
    State(ctx): State<Arc<Ctx>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let answer = async {
        let (token, reveal) = good(&ctx, &token).await?;
        if ctx
            .store
            .api_key_load(&reveal.account, &key_id(&token))
            .await?
            .is_some()
        {
            return Err(used());
        }
        Ok(reveal)
    };
    match (answer.await, wants_json(&headers)) {
        (Ok(reveal), true) => {
            let dashboard_url = ctx.dashboard_url.clone();
            Json(Welcome {
                status: "ready",
                until: reveal.until.to_string(),
                dashboard_url,
            })
            .into_response()
        }
        (Ok(reveal), false) => {
            let once = hex::encode(ctx.outside.random_bytes::<16>());
            let text = format!(
                "Your account is ready. The button shows its first API key, once; nobody can show it again, so have a place \
                 for it. The link is good until {}.",
                reveal.until
            );
            Page::new(StatusCode::OK, HEADING)
                .says(&text)
                .asks(&[("once", &once)], "Show the key")
                .into_response()
        }
        (Err(error), json) => refused(error, json),
    }
}

/// Makes the account's first key and shows it. The same Idempotency-Key sees the same key again, another one does not.
#[utoipa::path(post, path = "/welcome/{token}", tag = "sign-up", security(()),
    params(("token" = String, Path, description = "What stands in the link that was mailed."),
        IdempotencyKey),
    responses((status = 201, body = FirstKey),
        (status = 410), (status = 429), (status = 503)))]
pub async fn reveal(
    _: Guest,
    State(ctx): State<Arc<Ctx>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = async {
        let (token, reveal) = good(&ctx, &token).await?;
        make(&ctx, &token, &reveal, &once(&headers, &body)?).await
    };
    match (answer.await, wants_json(&headers)) {
        (Ok(key), true) => (StatusCode::CREATED, Json(key)).into_response(),
        (Ok(key), false) => Page::new(StatusCode::CREATED, HEADING)
            .says("Keep it now; nobody can show it again.")
            .shows(&key.secret)
            .says(
                "Send it as Authorization: Bearer …. It may do everything for your account: with it you can make others \
                 that may do less, at /api/v1/api-keys.",
            )
            .leads(&key.dashboard_url, "Your dashboard")
            .leads("/api/v1/docs", "The API")
            .into_response(),
        (Err(error), json) => refused(error, json),
    }
}

/// The link of this token, if it is good.
async fn good(ctx: &Ctx, token: &str) -> Result<(RevealToken, Reveal), ApiError> {
    let absent = || {
        ApiError::not_found(
            "there is no such link; take it from the mail whole, and from the newest one",
        )
    };
    let token = RevealToken::parse(token).ok_or_else(absent)?;
    let reveal = ctx
        .store
        .reveal_find(&reveal_digest(&token))
        .await?
        .ok_or_else(absent)?;
    if reveal.until <= ctx.outside.now() {
        let detail = "the link is over; ask whoever runs this for another key";
        return Err(ApiError::gone("link_over", detail));
    }
    Ok((token, reveal))
}

fn used() -> ApiError {
    let detail = "this link has shown its key, and nobody can show it again. If you do not have it, or if it was not you who saw \
        it, tell whoever runs this, who can make another one and have that one revoked";
    ApiError::gone("key_shown_before", detail)
}

/// What tells this asker from everybody else: the page's own text, or a program's Idempotency-Key.
fn once(headers: &HeaderMap, body: &[u8]) -> Result<String, ApiError> {
    let named = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    // The form has this one field, of letters and digits.
    let pressed = || {
        std::str::from_utf8(body)
            .ok()?
            .strip_prefix("once=")
            .map(str::to_owned)
    };
    let text = named.or_else(pressed);
    text.map(|text| text.trim().to_owned()).filter(|text| (1..=ONCE_CHARS_MAX).contains(&text.len())).ok_or_else(|| {
        let detail =
            "send a header Idempotency-Key of 1 to 200 plain characters: a long random text, which sees the key again";
        ApiError::bad_request("bad_idempotency_key", detail)
    })
}

async fn make(
    ctx: &Ctx,
    token: &RevealToken,
    reveal: &Reveal,
    once: &str,
) -> Result<FirstKey, ApiError> {
    let live = ctx.stripe_mode().await? == Some(StripeMode::Live);
    let mixed = Sha256::new()
        .chain_update("first key")
        .chain_update(token.expose())
        .chain_update(reveal.salt);
    let text = KeyText::mint(
        if live { LIVE } else { TEST },
        mixed.chain_update(once).finalize().into(),
    );
    let key = ApiKey {
        id: key_id(token),
        account: reveal.account.clone(),
        name: NAME.to_owned(),
        scopes: Scope::ALL.into_iter().collect(),
        hint: text.hint(),
        created_at: ctx.outside.now(),
        expires_at: None,
        revoked_at: None,
        last_used_on: None,
    };
    let digest = key_digest(&text);
    match ctx.store.api_key_create(&key, &digest).await? {
        KeyCreated::New => {
            tracing::info!(account.id = %key.account, key.id = %key.id, audit = true, "made the first key");
        }
        // The same page once more: an answer that was lost, or a button that was pressed twice.
        KeyCreated::Existing(known)
            if ctx
                .store
                .api_key_find(&digest)
                .await?
                .is_some_and(|same| same.id == known.id) => {}
        KeyCreated::Existing(_) => return Err(used()),
    }
    Ok(FirstKey {
        id: key.id.to_string(),
        account_id: key.account.to_string(),
        name: key.name,
        secret: text.expose().to_owned(),
        dashboard_url: ctx.dashboard_url.clone(),
    })
}

/// The id of the key that a token shows: there is one.
fn key_id(token: &RevealToken) -> KeyId {
    let digest: [u8; 32] = Sha256::new()
        .chain_update("key of")
        .chain_update(token.expose())
        .finalize()
        .into();
    let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
    KeyId::of_act(&ActionId::of_digest(first))
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("json"))
}

fn refused(error: ApiError, json: bool) -> Response {
    if json {
        return error.into_response();
    }
    Page::new(error.status(), "This link does not work")
        .says(&format!("{}.", capital(error.detail())))
        .into_response()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
