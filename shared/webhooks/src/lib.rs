//! The inbound contracts of GitHub and Stripe: who signed a body, which event it is, and, later, what it says.
//!
//! The only verifier of inbound signatures, and so the place where a delivery is vouched for. Verifying works on the raw
//! bytes; reading works on recorded ones and is tolerant: unknown fields and words are no errors, a missing one that we
//! need is. It never touches the network.

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
    /// The delivery, vouched for.
    pub delivery: Verified<Delivery>,
    /// Which of the secrets it was signed with, the newest being 0: when the others fall silent they can be retired.
    pub secret_index: usize,
}

/// A recorded body that does not say what its event has to say.
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
        write!(f, "the body is not what a {} event looks like", self.name)
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
