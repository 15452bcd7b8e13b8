//! The webhooks of GitHub and Stripe: who signed a body, which event it is, and later what it says.
//!
//! The only verifier of inbound signatures, and so the place where a delivery is vouched for. Verifying works on the raw
//! bytes. Parsing works on recorded ones and is tolerant: unknown fields and words are accepted, a missing field that a handler
//! needs is an error. This crate never uses the network.

pub mod github;
pub mod signing;
pub mod stripe;

mod github_payloads;
mod stripe_payloads;

pub use signing::{BlankSecret, Rejected, SigningSecrets};

use domain::inbox::{Delivery, Verified};
use domain::retry::{Retry, Retryable};
use std::fmt;

/// A delivery whose signature holds.
#[derive(Debug)]
pub struct Signed {
    pub delivery: Verified<Delivery>,
    /// Which secret signed it, the newest being 0. A secret that signs nothing any more can be retired.
    pub secret_index: usize,
}

/// A recorded body without the fields that its event needs.
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
