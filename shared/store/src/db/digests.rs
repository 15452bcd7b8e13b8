//! Digests that identify secrets and addresses without making them readable.

use sha2::{Digest, Sha256};

/// Returns the SHA-256 of a text in hexadecimal digits.
pub(crate) fn of(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
