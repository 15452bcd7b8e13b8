//! The webhooks of GitHub and Stripe: verifies who signed a body, reads which event it is, and
//! later parses it.
//!
//! This crate is the only verifier of inbound signatures, and so the place that vouches for a
//! delivery, and for a body that the sender's API returned. Verification works on the raw bytes.
//! Parsing works on recorded bytes and is tolerant: unknown fields and words are accepted, but a
//! missing field that a handler needs is an error. The crate never uses the network.

pub mod github;
pub mod signing;
pub mod stripe;

mod github_payloads;
mod stripe_payloads;
mod stripe_types;

pub use signing::{BlankSecret, Rejected, SigningSecrets};

use domain::inbox::{Delivery, EventKey, Provenance, Verified};
use domain::retry::{Retry, Retryable};
use std::fmt;

/// A delivery with a valid signature.
#[derive(Debug)]
pub struct Signed {
    pub delivery: Verified<Delivery>,
    /// The index of the secret that signed it; 0 is the newest. A secret that no longer signs
    /// anything can be retired.
    pub secret_index: usize,
}

#[expect(
    clippy::disallowed_methods,
    reason = "each caller has verified the signature, or has the body from the sender's API"
)]
fn vouched(key: EventKey, name: String, body: Vec<u8>, from: Provenance) -> Verified<Delivery> {
    let digest = signing::digest(&body);
    let delivery = Delivery {
        key,
        name,
        body,
        digest,
    };
    Verified::vouch(delivery, from)
}

/// A recorded body lacks the fields that its event needs.
#[derive(Debug)]
pub struct BadPayload {
    name: String,
    source: Option<serde_json::Error>,
}

impl BadPayload {
    fn new(name: &str, source: Option<serde_json::Error>) -> Self {
        Self {
            name: name.to_owned(),
            source,
        }
    }
}

impl fmt::Display for BadPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the body does not have the fields of a {} event",
            self.name
        )
    }
}

impl std::error::Error for BadPayload {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| -> &(dyn std::error::Error + 'static) { source })
    }
}

impl Retryable for BadPayload {
    fn retry(&self) -> Retry {
        Retry::Never
    }
}
