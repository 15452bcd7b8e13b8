//! HMAC-SHA256 over raw bytes, checked against several secrets.

use domain::inbox::Digest;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The valid secrets, newest first.
pub struct SigningSecrets(Vec<SecretString>);

/// The list of secrets is empty or contains a blank secret, with which anybody could sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlankSecret;

impl fmt::Display for BlankSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("set at least one signing secret; a secret must not be blank")
    }
}

impl std::error::Error for BlankSecret {}

impl SigningSecrets {
    /// Reads a comma-separated list.
    pub fn parse(list: &str) -> Result<Self, BlankSecret> {
        let secrets: Vec<&str> = list.split(',').map(str::trim).collect();
        if secrets.iter().any(|secret| secret.is_empty()) {
            return Err(BlankSecret);
        }
        Ok(Self(secrets.into_iter().map(SecretString::from).collect()))
    }

    /// Returns the index of the secret that made one of these signatures over the concatenated
    /// parts. Every pair is checked in full, so that the time reveals nothing about the match.
    pub(crate) fn find(&self, signatures: &[[u8; 32]], parts: &[&[u8]]) -> Option<usize> {
        let mut found = None;
        for (index, secret) in self.0.iter().enumerate() {
            let secret = secret.expose_secret();
            if secret.trim().is_empty() {
                continue;
            }
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
                continue;
            };
            for part in parts {
                mac.update(part);
            }
            for signature in signatures {
                if mac.clone().verify_slice(signature).is_ok() {
                    found = found.or(Some(index));
                }
            }
        }
        found
    }
}

/// SHA-256 of a body.
pub fn digest(body: &[u8]) -> Digest {
    Digest(Sha256::digest(body).into())
}

/// The maximum number of signatures in one header. No sender uses more, and each one costs an HMAC.
pub(crate) const SIGNATURES_MAX: usize = 16;

/// Parses a hexadecimal signature.
pub(crate) fn signature(hex_text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(hex_text, &mut bytes)
        .ok()
        .map(|()| bytes)
}

/// Why a delivery is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// The signature is missing or invalid. All causes get the same answer.
    BadSignature,
    /// The signature is valid but too old or too new: a replay, or a wrong clock.
    OutOfTime {
        /// Positive when the signature is old.
        age_seconds: i64,
    },
    /// The body is signed, but it is not JSON or lacks the event's id or name.
    BadBody(&'static str),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSignature => f.write_str("the signature is missing or invalid"),
            Self::OutOfTime { age_seconds } => {
                write!(f, "the signature is {age_seconds} seconds old")
            }
            Self::BadBody(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Rejected {}
