//! `/welcome/{token}`: the page behind the link in the welcome mail, which shows the account's
//! first key once.
//!
//! Opening the page changes nothing, because mail scanners open links, too; its button creates the
//! key. The key's text follows from three parts that are never stored together: the token, which
//! only the mail has, a salt, which only the table has, and a text from the page or from the
//! calling program. Safe to run twice: a repeat after a lost response shows the same key, and
//! nobody else sees it. The key's id follows from the token, so there is one key.

use crate::visitors::Guest;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::accounts::api_keys::{ApiKey, KeyText, LIVE, Reveal, RevealToken, Scope, TEST};
use domain::ids::{ActionId, KeyId};
use domain::inbox::events::StripeMode;
use http::{HeaderMap, StatusCode, header};
use maud::html;
use pages::{Forms, Page, copyable, once as once_field};
use rest::welcome::{FirstKey, Welcome};
use rest::{IdempotencyKey, Path};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::{KeyCreated, key_digest, reveal_digest};

const HEADING: &str = "Your first API key";
const NAME: &str = "first key";

/// Shows whether the link is valid, as a page or as JSON for a client that accepts it. Changes
/// nothing.
pub async fn show(
    _: Guest,
    State(ctx): State<Arc<Ctx>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let answer = async {
        let (token, reveal) = valid(&ctx, &token).await?;
        let made = ctx
            .store
            .api_key_load(&reveal.account, &key_id(&token))
            .await?;
        if made.is_some() {
            return Err(used());
        }
        Ok(reveal)
    };
    match (answer.await, wants_json(&headers)) {
        (Ok(reveal), true) => Json(Welcome {
            status: "ready",
            until: reveal.until.to_string(),
            dashboard_url: ctx.dashboard().to_owned(),
        })
        .into_response(),
        (Ok(reveal), false) => {
            let once = hex::encode(ctx.outside.random_bytes::<16>());
            let text = format!(
                "Your account is ready. The button shows its first API key once. It cannot be shown again, so have a place to \
                 store it. The link is valid until {}.",
                reveal.until
            );
            let form = html! { form method="post" { (once_field(&once)) button.primary { "Show the key" } } };
            Page::new(StatusCode::OK, HEADING)
                .secret()
                .forms(Forms::Ours)
                .paragraph(&text)
                .with(&form)
                .into_response()
        }
        (Err(error), json) => refused(error, json),
    }
}

/// Creates the account's first key and shows it.
pub async fn reveal(
    _: Guest,
    State(ctx): State<Arc<Ctx>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = async {
        let (token, reveal) = valid(&ctx, &token).await?;
        make(&ctx, &token, &reveal, &once(&headers, &body)?).await
    };
    match (answer.await, wants_json(&headers)) {
        (Ok(key), true) => (StatusCode::CREATED, Json(key)).into_response(),
        (Ok(key), false) => Page::new(StatusCode::CREATED, HEADING)
            .secret()
            .paragraph("Store it now; it cannot be shown again.")
            .with(&copyable(&key.secret))
            .paragraph("Next, sign in with GitHub and enter the key there. Then the account is yours on these pages, too.")
            .link("/setup", "Continue with GitHub")
            .paragraph(
                "Programs send it as Authorization: Bearer …. It has every scope of your account: with it you can make other \
                 keys that have fewer, at /api/v1/api-keys.",
            )
            .link("/api/v1/docs", "The API")
            .into_response(),
        (Err(error), json) => refused(error, json),
    }
}

/// Returns the link with this token, if the link has not expired.
async fn valid(ctx: &Ctx, token: &str) -> Result<(RevealToken, Reveal), ApiError> {
    let absent =
        || ApiError::not_found("There is no such link. Copy the whole link from the newest mail.");
    let token = RevealToken::parse(token).ok_or_else(absent)?;
    let reveal = ctx
        .store
        .reveal_find(&reveal_digest(&token))
        .await?
        .ok_or_else(absent)?;
    if reveal.until <= ctx.outside.now() {
        let detail = "This link has expired; contact support for another key.";
        return Err(ApiError::gone("link_over", detail));
    }
    Ok((token, reveal))
}

fn used() -> ApiError {
    let detail = "This link has shown its key, which cannot be shown again. If you do not have the key, or if somebody else \
        saw it, contact support to revoke it and get another one.";
    ApiError::gone("key_shown_before", detail)
}

/// Returns the text that identifies this visitor: the text in the page's form, or a program's
/// idempotency key.
fn once(headers: &HeaderMap, body: &[u8]) -> Result<IdempotencyKey, ApiError> {
    let header = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok());
    // The form has only this field, and its value is hexadecimal.
    let field = || std::str::from_utf8(body).ok()?.strip_prefix("once=");
    let text = header.or_else(field).unwrap_or_default();
    IdempotencyKey::parse(text).ok_or_else(|| {
        let detail = "Send an `Idempotency-Key` header of 1 to 200 printable ASCII characters: a long random text, with which \
            the key can be seen again.";
        ApiError::bad_request("bad_idempotency_key", detail)
    })
}

async fn make(
    ctx: &Ctx,
    token: &RevealToken,
    reveal: &Reveal,
    once: &IdempotencyKey,
) -> Result<FirstKey, ApiError> {
    let mixed = Sha256::new()
        .chain_update("first key")
        .chain_update(token.expose())
        .chain_update(reveal.salt)
        .chain_update(once.as_str());
    let prefix = match reveal.mode {
        StripeMode::Live => LIVE,
        StripeMode::Test => TEST,
    };
    let text = KeyText::mint(prefix, mixed.finalize().into());
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
        // A repeat of the same request: the response was lost, or the button was pressed twice.
        KeyCreated::Existing(known) => {
            let same = ctx.store.api_key_find(&digest).await?;
            if same.is_none_or(|same| same.id != known.id) {
                return Err(used());
            }
        }
    }
    Ok(FirstKey {
        id: key.id.to_string(),
        account_id: key.account.to_string(),
        name: key.name,
        secret: text.expose().to_owned(),
        dashboard_url: ctx.dashboard().to_owned(),
    })
}

/// Returns the id of the only key that a token can show.
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
        .secret()
        .paragraph(error.detail())
        .into_response()
}
