//! Who may act for an account: keys for programs, and what each may do.
//!
//! A key is 256 random bits behind a prefix that says what it is. Only its digest is kept, so nobody can read it back; it is
//! found by that digest and not by comparing.

use crate::ids::{AccountId, KeyId};
use crate::text::words;
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

words! {
    /// One thing that a caller may do for his account.
    Scope {
        /// See everything of the account.
        Read = "read",
        /// Record usage, hold and spend credits.
        Usage = "usage",
        /// Create, cancel and retry jobs; ask for assists.
        Jobs = "jobs",
        /// Buy, subscribe, change how it is paid.
        Billing = "billing",
        /// Make and revoke keys.
        Keys = "keys",
    }
}

words! {
    /// What a person is to an account.
    Role {
        /// Sees.
        Viewer = "viewer",
        /// Works.
        Member = "member",
        /// Decides.
        Admin = "admin",
    }
}

impl Role {
    /// What it may do.
    pub fn scopes(self) -> BTreeSet<Scope> {
        let scopes: &[Scope] = match self {
            Self::Viewer => &[Scope::Read],
            Self::Member => &[Scope::Read, Scope::Usage, Scope::Jobs],
            Self::Admin => &Scope::ALL,
        };
        scopes.iter().copied().collect()
    }
}

/// A key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What it is known by.
    pub id: KeyId,
    /// Whose it is.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// How it begins, so that its owner knows it again.
    pub hint: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when, if not for ever.
    pub expires_at: Option<Timestamp>,
    /// Since when it is revoked, if it is.
    pub revoked_at: Option<Timestamp>,
    /// The day it was last used on.
    pub last_used_on: Option<String>,
}

impl ApiKey {
    /// Whether it opens anything at this moment.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether it may do everything, and so proves that the account is its bearer's.
    pub fn is_whole(&self) -> bool {
        Scope::ALL.iter().all(|scope| self.scopes.contains(scope))
    }
}

/// The text of a key: shown once, kept by its owner alone.
pub struct KeyText(String);

/// How keys begin that are for money.
pub const LIVE: &str = "th_live_";
/// How keys begin that are for tests.
pub const TEST: &str = "th_test_";
const SECRET_BYTES: usize = 32;
const HINT_CHARS: usize = 13;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl KeyText {
    /// A key of these random bytes.
    pub fn mint(prefix: &str, random: [u8; SECRET_BYTES]) -> Self {
        Self(format!("{prefix}{}", secret_text(random)))
    }

    /// Reads what somebody sends; none if it cannot be a key, so that nothing needs to be looked up.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text
            .strip_prefix(LIVE)
            .or_else(|| text.strip_prefix(TEST))?;
        is_secret_text(rest).then(|| Self(text.to_owned()))
    }

    /// The text itself, for its digest and for showing it once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// How it begins.
    pub fn hint(&self) -> String {
        format!("{}…", &self.0[..HINT_CHARS])
    }
}

/// 256 random bits in Crockford's base 32.
pub(crate) fn secret_text(random: [u8; SECRET_BYTES]) -> String {
    let mut text = String::with_capacity(SECRET_BYTES * 8 / 5 + 1);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in random {
        bits = bits << 8 | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(letter(bits >> held & 31));
        }
    }
    text.push(letter(bits << (5 - held) & 31));
    text
}

/// Whether a text has the form of 256 bits.
pub(crate) fn is_secret_text(text: &str) -> bool {
    text.len() == SECRET_BYTES * 8 / 5 + 1 && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

fn letter(digit: u32) -> char {
    usize::try_from(digit)
        .ok()
        .and_then(|place| ALPHABET.get(place))
        .map_or('0', |letter| char::from(*letter))
}

/// What stands in a link that shows an account its first key: mailed to its owner, and kept by nobody else.
pub struct RevealToken(String);

impl RevealToken {
    /// A token of these random bytes.
    pub fn mint(random: [u8; SECRET_BYTES]) -> Self {
        Self(secret_text(random))
    }

    /// Reads what stands in a link; none if it cannot be a token.
    pub fn parse(text: &str) -> Option<Self> {
        is_secret_text(text).then(|| Self(text.to_owned()))
    }

    /// The text itself, for its digest and the link.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RevealToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RevealToken")
    }
}

/// What is kept of a link that shows a first key. The key's text comes from the token, this salt and what the asker's own
/// page holds: neither who reads the tables nor who reads the mail later has all three.
#[derive(Clone, PartialEq, Eq)]
pub struct Reveal {
    /// Whose key.
    pub account: AccountId,
    /// What the token is mixed with.
    pub salt: [u8; SECRET_BYTES],
    /// Until when the link is good.
    pub until: Timestamp,
}

/// How long such a link is good.
pub const REVEALED_FOR: Duration = Duration::from_secs(7 * 86_400);

impl fmt::Debug for Reveal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reveal")
            .field("account", &self.account)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_nothing_else_does() {
        for (fill, end) in [(0_u8, "0"), (255, "g")] {
            let key = KeyText::mint(LIVE, [fill; 32]);
            assert_eq!(key.expose().len(), LIVE.len() + 52);
            assert!(key.expose().ends_with(end), "{}", key.expose());
            assert!(KeyText::parse(key.expose()).is_some());
            assert!(KeyText::parse(&key.expose().to_uppercase()).is_none());
            assert!(KeyText::parse(&key.expose()[1..]).is_none());
            assert!(KeyText::parse(&format!("{}0", key.expose())).is_none());
        }
        let other = KeyText::mint(
            TEST,
            std::array::from_fn(|place| u8::try_from(place).unwrap_or(0)),
        );
        assert!(
            other.hint().starts_with(TEST) && other.hint().len() < 20,
            "{}",
            other.hint()
        );
        assert_eq!(format!("{other:?}"), "KeyText", "a key is never printed");
        for bad in ["", "th_live_", "sk_test_1", "th_live_!"] {
            assert!(KeyText::parse(bad).is_none(), "{bad}");
        }
        let token = RevealToken::mint([7; 32]);
        assert_eq!(
            RevealToken::parse(token.expose())
                .as_ref()
                .map(RevealToken::expose),
            Some(token.expose())
        );
        assert_eq!(
            format!("{token:?}"),
            "RevealToken",
            "a token is never printed"
        );
        for bad in ["", "x", &token.expose()[1..], other.expose()] {
            assert!(RevealToken::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_role_may_do_what_the_lesser_one_may() {
        for pair in Role::ALL.windows(2) {
            assert!(
                pair[0].scopes().is_subset(&pair[1].scopes())
                    && pair[0].scopes() != pair[1].scopes()
            );
        }
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
    }
}
