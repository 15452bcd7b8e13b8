//! Idempotency keys: the identity of an act, so that a repeated request has no further effect.

use crate::ApiError;
use axum::extract::FromRequestParts;
use domain::ids::{AccountId, ActionId};
use domain::time::Timestamp;
use http::request::Parts;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

/// The header that carries the key.
pub const HEADER: &str = "idempotency-key";

/// How long a derived key lasts. The windows have fixed bounds, so two equal requests on both sides
/// of a bound are two acts.
pub const DERIVED_SECONDS: i64 = 60;

const KEY_CHARS_MAX: usize = 200;

/// The caller's key for one act. Repeated requests with the same key on the same account and route
/// are the same act.
#[derive(Debug)]
pub struct IdempotencyKey(String);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let key = parts.headers.get(HEADER).and_then(|key| key.to_str().ok());
        Self::parse(key.unwrap_or_default()).ok_or_else(|| {
            let detail = format!(
                "Send an `Idempotency-Key` header of 1 to {KEY_CHARS_MAX} printable ASCII characters, a new one for each act."
            );
            ApiError::bad_request("bad_idempotency_key", detail)
        })
    }
}

impl IdempotencyKey {
    /// Parses a key, without surrounding spaces.
    pub fn parse(text: &str) -> Option<Self> {
        let key = text.trim();
        let printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        ((1..=KEY_CHARS_MAX).contains(&key.len()) && printable).then(|| Self(key.to_owned()))
    }

    /// Derives the key of a request that has none: the same request has the same key for at most
    /// [`DERIVED_SECONDS`]. The account is no part of it, because [`Self::act`] adds it.
    pub fn derived(method: &str, path: &str, body: &[u8], now: Timestamp) -> Self {
        let window = now.seconds().div_euclid(DERIVED_SECONDS);
        let mut digest = Sha256::new();
        digest.update(format!("{method} {path} {window} "));
        digest.update(body);
        Self(format!("derived-{}", hex::encode(&digest.finalize()[..16])))
    }

    /// A key for this request alone, for a request that has none and says how something shall be:
    /// its repeat finds it so and changes nothing.
    pub fn of_request(random: u64) -> Self {
        Self(format!("request-{random:016x}"))
    }

    /// The key as the client sent it, without surrounding spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the act that this key identifies for an account on a route.
    pub fn act(&self, account: &AccountId, route: &str) -> Act {
        Act(Sha256::digest(format!("{account} {route} {}", self.0)).into())
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![parameter(
            Required::True,
            "Your name for this act, a new one for each. A request that is sent again with the same key on the same \
             route does not repeat the act.",
        )]
    }
}

/// The parameter of routes on which a request without a key gets one.
pub struct OptionalKey;

impl IntoParams for OptionalKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![parameter(
            Required::False,
            "Your name for this act, a new one for each. A request that is sent again with the same key on the same \
             route does not repeat the act. Without it, the request gets a key, and the answer has it. For a `POST`, \
             the same request has the same key for at most a minute.",
        )]
    }
}

fn parameter(required: Required, description: &str) -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(KEY_CHARS_MAX))
        .pattern(Some("^[!-~]([ -~]*[!-~])?$"));
    ParameterBuilder::new()
        .name(HEADER)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(description))
        .example(Some("order-4711".into()))
        .schema(Some(schema))
        .build()
}

/// One act, identified by the digest of its account, route and idempotency key.
#[derive(Debug)]
pub struct Act([u8; 32]);

impl Act {
    /// The id of the object that the act creates.
    pub fn id(&self) -> ActionId {
        let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.0;
        ActionId::of_digest(first)
    }

    /// The idempotency key of calls to a vendor for this act.
    pub fn key(&self) -> String {
        format!("tallyhook-{}", hex::encode(&self.0[..20]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_and_printable() {
        let long = "x".repeat(KEY_CHARS_MAX + 1);
        for bad in ["", " ", "a\tb", "é", &long] {
            assert!(IdempotencyKey::parse(bad).is_none(), "{bad:?}");
        }
        for (text, key) in [("a", "a"), (" a b ", "a b"), (&long[1..], &long[1..])] {
            let parsed = IdempotencyKey::parse(text);
            assert_eq!(parsed.as_ref().map(IdempotencyKey::as_str), Some(key));
        }
    }

    #[test]
    fn a_derived_key_differs_by_request_and_window() {
        let key = |method: &str, path: &str, body: &str, seconds: i64| {
            let now = Timestamp::from_millis(seconds * 1_000);
            IdempotencyKey::derived(method, path, body.as_bytes(), now).0
        };
        let first = key("POST", "/a", "{}", 60);
        assert_eq!(first, key("POST", "/a", "{}", 119));
        assert!(IdempotencyKey::parse(&first).is_some());
        for other in [
            key("PATCH", "/a", "{}", 60),
            key("POST", "/b", "{}", 60),
            key("POST", "/a", "{ }", 60),
            key("POST", "/a", "{}", 120),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn an_act_differs_by_account_route_and_key() {
        let account = |last: u8| AccountId::mint(Timestamp::from_millis(1), [last; 10]);
        let id = |last: u8, route: &str, key: &str| {
            let key = IdempotencyKey::parse(key).expect("a key");
            key.act(&account(last), route).id().to_string()
        };
        assert_eq!(id(1, "usage", "k"), id(1, "usage", "k"));
        for other in [
            id(2, "usage", "k"),
            id(1, "holds", "k"),
            id(1, "usage", "l"),
        ] {
            assert_ne!(id(1, "usage", "k"), other);
        }
    }
}
