//! The keys of the ledger: entries and seals are digested with the newest, and checked with the one that they name.

use crate::db::digests;
use crate::db::table::Table;
use domain::ledger::Entry;
use domain::retry::{Failure, Retry, Retryable};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Fetches the keys that digest entries.
pub type KeySource =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<KeyRing, Failure>> + Send>> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct LedgerSide {
    pub(crate) table: Table,
    pub(crate) keys: KeySource,
}

/// The keys that digest entries, newest first. Each entry names its key, so old keys must never be
/// discarded.
#[derive(Clone)]
pub struct KeyRing(Arc<Vec<LedgerKey>>);

pub(crate) struct LedgerKey {
    /// Identifies the key without revealing it.
    pub(crate) name: String,
    key: SecretSlice<u8>,
}

/// The setting contains no usable key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLedgerKey;

impl std::fmt::Display for BadLedgerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "LEDGER_KEY needs at least {KEY_CHARS_MIN} characters, several keys separated by commas and the newest first"
        )
    }
}

impl std::error::Error for BadLedgerKey {}

impl Retryable for BadLedgerKey {
    fn retry(&self) -> Retry {
        Retry::Alarm(std::time::Duration::from_secs(300))
    }
}

const KEY_CHARS_MIN: usize = 32;
const NAME_CHARS: usize = 8;
const DIGEST_BYTES: usize = 12;

impl KeyRing {
    /// Reads the setting: keys separated by commas, newest first.
    pub fn read(setting: Option<&SecretString>) -> Result<Self, BadLedgerKey> {
        let texts: Vec<_> = setting
            .ok_or(BadLedgerKey)?
            .expose_secret()
            .split(',')
            .map(str::trim)
            .collect();
        if texts.iter().any(|text| text.len() < KEY_CHARS_MIN) {
            return Err(BadLedgerKey);
        }
        let key = |text: &str| {
            let name = digests::of(text)[..NAME_CHARS].to_owned();
            LedgerKey {
                name,
                key: SecretSlice::from(text.as_bytes().to_vec()),
            }
        };
        Ok(Self(Arc::new(texts.into_iter().map(key).collect())))
    }

    pub(crate) fn newest(&self) -> &LedgerKey {
        &self.0[0]
    }

    fn named(&self, name: &str) -> Option<&LedgerKey> {
        self.0.iter().find(|key| key.name == name)
    }

    /// Returns the digest of an entry with the named key, or `None` if there is no such key.
    pub(crate) fn digest(&self, key: &str, entry: &Entry) -> Option<u128> {
        self.named(key).map(|key| key.digest(entry))
    }

    /// Returns a keyed digest of other data, in hexadecimal, with the newest key. The name of the
    /// key comes first.
    pub(crate) fn seal(&self, parts: &[&str]) -> (String, String) {
        let key = self.newest();
        (key.name.clone(), key.mac(parts))
    }

    /// Returns the same digest with the named key.
    pub(crate) fn seal_by(&self, name: &str, parts: &[&str]) -> Option<String> {
        self.named(name).map(|key| key.mac(parts))
    }
}

impl LedgerKey {
    fn hmac(&self, parts: &[&str]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret())
            .expect("a key of any length will do");
        for part in parts {
            // Each part is preceded by its length, so that no two lists of parts produce the same
            // input.
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn mac(&self, parts: &[&str]) -> String {
        self.hmac(parts)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Uses 96 bits, so that the sum of a billion digests still fits in the 38 digits of a DynamoDB
    /// number.
    pub(crate) fn digest(&self, entry: &Entry) -> u128 {
        let numbers = [
            entry.amount.micros().to_string(),
            entry.free.to_string(),
            entry.held.to_string(),
            entry.at.millis().to_string(),
        ];
        let [amount, free, held, at] = &numbers;
        let (account, cause, kind) = (
            entry.account.as_str(),
            entry.cause.as_str(),
            entry.kind.as_str(),
        );
        let mut parts = vec![
            account,
            cause,
            kind,
            amount,
            free,
            held,
            at,
            &entry.note,
            &entry.source,
            &entry.priced_by,
        ];
        let terms = entry.terms.map(|terms| {
            let end = terms.expires_at.map(|end| end.millis().to_string());
            (terms.kind, terms.priority.to_string(), end)
        });
        if let Some((kind, priority, end)) = &terms {
            parts.extend([kind.as_str(), priority, end.as_deref().unwrap_or_default()]);
        }
        let bytes = self.hmac(&parts);
        bytes[..DIGEST_BYTES]
            .iter()
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }
}
