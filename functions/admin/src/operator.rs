//! Authenticates the caller. This is the only place that constructs an [`Operator`].

use crate::{ApiError, Ctx};
use axum::extract::FromRequestParts;
use domain::accounts::operators::Operator;
use http::request::Parts;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Proof that the request carries an operator's token.
pub struct Authorized(pub Operator);

impl FromRequestParts<Arc<Ctx>> for Authorized {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, ApiError> {
        let header = parts
            .headers
            .get(http::header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = header
            .and_then(|text| text.strip_prefix("Bearer "))
            .ok_or_else(unauthorized)?;
        let operator = identify(ctx, token.trim())
            .await?
            .ok_or_else(unauthorized)?;
        tracing::info!(operator.name = operator.name, http.method = %parts.method, http.path = parts.uri.path(), "operator");
        Ok(Self(operator))
    }
}

/// Returns the operator that a token belongs to, if it is one of the tokens now. Refuses a token
/// that is too short to be kept from others.
pub async fn identify(ctx: &Ctx, token: &str) -> Result<Option<Operator>, ApiError> {
    let current = ctx.tokens.current().await?;
    let list = current.first().map_or("", |list| list.expose_secret());
    let Some(operator) = holder(list, token) else {
        return Ok(None);
    };
    let least = ctx.token_length_min;
    if token.chars().count() < least {
        tracing::error!(
            operator.name = operator.name,
            "an operator's token is too short"
        );
        return Err(ApiError::unauthorized(format!(
            "This token has fewer than {least} characters, so it could be guessed. Make another, for example with \
             `openssl rand -hex 32`, and put it into OPERATOR_TOKEN."
        )));
    }
    Ok(Some(operator))
}

/// The digest by which a session knows its token.
pub fn token_digest(token: &str) -> String {
    hex::encode(Sha256::digest(format!("tallyhook operator {token}")))
}

/// Whether a token with this digest is one of the tokens now.
pub async fn is_listed(ctx: &Ctx, digest: &str) -> Result<bool, ApiError> {
    let current = ctx.tokens.current().await?;
    let list = current.first().map_or("", |list| list.expose_secret());
    let long = |token: &str| token.chars().count() >= ctx.token_length_min;
    Ok(entries(list).any(|(_, token)| long(token) && token_digest(token) == digest))
}

/// The operators' names and tokens.
fn entries(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let entries = list.split(',').map(str::trim);
    let named = entries.map(|entry| entry.split_once(':').unwrap_or(("operator", entry)));
    named
        .map(|(name, token)| (name.trim(), token.trim()))
        .filter(|(_, token)| !token.is_empty())
}

fn unauthorized() -> ApiError {
    ApiError::unauthorized("Send an operator's token as `Authorization: Bearer <token>`.")
}

/// Returns the operator that the token belongs to. Compares digests in constant time and checks
/// every entry, so the duration reveals nothing about the tokens.
fn holder(list: &str, token: &str) -> Option<Operator> {
    let given = Sha256::digest(token.as_bytes());
    let mut found = None;
    for (name, known) in entries(list) {
        let same: bool = Sha256::digest(known.as_bytes()).ct_eq(&given).into();
        if same {
            found = Some(Operator {
                name: name.to_owned(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_holders_and_blank_ones_do_not() {
        let name = |list, token| holder(list, token).map(|operator| operator.name);
        assert_eq!(name("secret", "secret").as_deref(), Some("operator"));
        assert_eq!(name("ann:one, ben:two", "two").as_deref(), Some("ben"));
        for (list, token) in [
            ("", ""),
            ("ann:", ""),
            ("ann:one", "ann:one"),
            ("ann:one", "One"),
            ("ann:one", "on"),
            (" , ", ""),
        ] {
            assert_eq!(name(list, token), None, "{list} {token}");
        }
    }
}
