//! The terms on which a pack of credits was sold. The checkout session carries them as metadata, so
//! a payment that arrives days later grants what was sold, whatever the catalogue says by then.
//!
//! Only a secret key of our own account can write a session's metadata. A payer can choose the
//! `client_reference_id` of a payment link, but none of its metadata.

use crate::billing::plans::CreditPack;
use crate::text::truncate;
use crate::units::Credits;
use std::collections::BTreeMap;
use std::fmt;

/// What one pack of a session gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackTerms {
    pub name: String,
    pub credits: Credits,
    /// How many days until the rest expires, if ever.
    pub expires_days: Option<u32>,
    /// The catalogue version that set these terms.
    pub priced_by: String,
}

/// The key under which every session of ours says what it sells.
pub const WHAT: &str = "tallyhook_what";
const NAME: &str = "tallyhook_pack_name";
const CREDITS: &str = "tallyhook_pack_credits";
const EXPIRES: &str = "tallyhook_pack_expires_days";
const CATALOGUE: &str = "tallyhook_catalogue";
const NEVER: &str = "never";
/// Stripe allows 500 characters.
const NAME_BYTES_MAX: usize = 400;

impl PackTerms {
    /// The terms of a pack in the catalogue of this version.
    pub fn of(pack: &CreditPack, version: &str) -> Self {
        Self {
            name: truncate(&pack.name, NAME_BYTES_MAX).to_owned(),
            credits: pack.credits,
            expires_days: pack.expires_days,
            priced_by: version.to_owned(),
        }
    }

    /// The terms as metadata.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let expires = self
            .expires_days
            .map_or_else(|| NEVER.to_owned(), |days| days.to_string());
        [
            (NAME, self.name.clone()),
            (CREDITS, self.credits.to_string()),
            (EXPIRES, expires),
            (CATALOGUE, self.priced_by.clone()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Reads the terms from a session's metadata. `None` if the session carries none, because it
    /// was made by hand or by an older version.
    pub fn read(metadata: &BTreeMap<String, String>) -> Result<Option<Self>, BadPackTerms> {
        let Some(credits) = metadata.get(CREDITS) else {
            return Ok(None);
        };
        let text = |key: &str| metadata.get(key).ok_or(BadPackTerms);
        let expires = text(EXPIRES)?;
        let expires_days = if expires == NEVER {
            None
        } else {
            Some(expires.parse().map_err(|_| BadPackTerms)?)
        };
        let credits = Credits::parse(credits).map_err(|_| BadPackTerms)?;
        if credits.is_zero() {
            return Err(BadPackTerms);
        }
        Ok(Some(Self {
            name: text(NAME)?.clone(),
            credits,
            expires_days,
            priced_by: text(CATALOGUE)?.clone(),
        }))
    }
}

/// Whether the metadata says that the session sells a pack of ours.
pub fn sells_a_pack(metadata: &BTreeMap<String, String>) -> bool {
    metadata
        .get(WHAT)
        .is_some_and(|what| what.starts_with("pack "))
}

/// A session's terms cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPackTerms;

impl fmt::Display for BadPackTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the terms in the session's metadata are incomplete or unreadable")
    }
}

impl std::error::Error for BadPackTerms {}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(expires_days: Option<u32>) -> PackTerms {
        PackTerms {
            name: "10,000 credits".to_owned(),
            credits: Credits::whole(10_000).expect("an amount"),
            expires_days,
            priced_by: "2026-11".to_owned(),
        }
    }

    #[test]
    fn terms_are_read_as_they_were_written() {
        for sold in [terms(None), terms(Some(365))] {
            let metadata = sold.metadata();
            assert!(
                metadata
                    .iter()
                    .all(|(key, value)| key.len() <= 40 && value.len() <= 500),
                "Stripe's limits of metadata"
            );
            assert_eq!(PackTerms::read(&metadata), Ok(Some(sold)));
        }
        assert_eq!(PackTerms::read(&BTreeMap::new()), Ok(None));
    }

    #[test]
    fn terms_that_lack_something_are_refused() {
        let whole = terms(Some(30)).metadata();
        for key in [NAME, EXPIRES, CATALOGUE] {
            let mut less = whole.clone();
            less.remove(key);
            assert_eq!(PackTerms::read(&less), Err(BadPackTerms), "{key}");
        }
        for (key, value) in [
            (CREDITS, "many"),
            (CREDITS, "0"),
            (CREDITS, "-5"),
            (EXPIRES, "soon"),
        ] {
            let mut other = whole.clone();
            other.insert(key.to_owned(), value.to_owned());
            assert_eq!(PackTerms::read(&other), Err(BadPackTerms), "{key}={value}");
        }
    }

    #[test]
    fn a_session_says_whether_it_sells_a_pack() {
        let session = |what: &str| BTreeMap::from([(WHAT.to_owned(), what.to_owned())]);
        assert!(sells_a_pack(&session("pack 10k 1 false")));
        assert!(!sells_a_pack(&session("plan teams false")));
        assert!(!sells_a_pack(&BTreeMap::new()));
    }
}
