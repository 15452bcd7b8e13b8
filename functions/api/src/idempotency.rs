//! What is asked twice is done once: the identity of an act, from its idempotency key.

use crate::ApiError;
use crate::caller::Caller;
use axum::extract::FromRequestParts;
use domain::ids::ActionId;
use http::request::Parts;
use sha2::{Digest, Sha256};

const KEY_CHARS_MAX: usize = 200;

/// The caller's name for one act: the same name on the same account and route is the same act, however often it is sent.
pub struct IdempotencyKey(String);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let key = parts
            .headers
            .get("idempotency-key")
            .and_then(|value| value.to_str().ok())
            .map(str::trim);
        let key = key
            .filter(|key| {
                (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            })
            .ok_or_else(|| {
                let detail = format!(
                    "send a header Idempotency-Key of 1 to {KEY_CHARS_MAX} plain characters, a new one for each act"
                );
                ApiError::bad_request("bad_idempotency_key", detail)
            })?;
        Ok(Self(key.to_owned()))
    }
}

impl IdempotencyKey {
    /// The act that this names for a caller on a route.
    pub fn act(&self, caller: &Caller, route: &str) -> Act {
        Act(Sha256::digest(format!("{} {route} {}", caller.account, self.0)).into())
    }
}

/// One act, by the digest of all that tells it from others.
pub struct Act([u8; 32]);

impl Act {
    /// The id of what it creates.
    pub fn id(&self) -> ActionId {
        let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.0;
        ActionId::of_digest(first)
    }

    /// Its name at others, who take keys too.
    pub fn key(&self) -> String {
        format!("tallyhook-{}", hex::encode(&self.0[..20]))
    }
}
