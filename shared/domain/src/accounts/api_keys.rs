//! API keys, and what each may do.
//!
//! A key is 256 random bits after a prefix that names its kind. Only the digest is kept, and keys
//! are found by it, so nobody can recover a key.

use crate::ids::{AccountId, KeyId};
use crate::inbox::events::StripeMode;
use crate::text::words;
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

words! {
    /// A permission of an API key.
    Scope {
        Read = "read",
        Usage = "usage",
        /// Create, cancel and retry jobs; request assists.
        Jobs = "jobs",
        Billing = "billing",
        Keys = "keys",
    }
}

words! {
    Role {
        Viewer = "viewer",
        Member = "member",
        Admin = "admin",
    }
}

impl Role {
    /// The scopes that the role includes.
    pub fn scopes(self) -> BTreeSet<Scope> {
        let scopes: &[Scope] = match self {
            Self::Viewer => &[Scope::Read],
            Self::Member => &[Scope::Read, Scope::Usage, Scope::Jobs],
            Self::Admin => &Scope::ALL,
        };
        scopes.iter().copied().collect()
    }
}

/// The record of an API key, without the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: KeyId,
    pub account: AccountId,
    pub name: String,
    pub scopes: BTreeSet<Scope>,
    /// The beginning of the key, for recognition.
    pub hint: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub last_used_on: Option<String>,
}

impl ApiKey {
    /// Whether the key is valid at `now`.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether the key has every scope, and so proves ownership of the account.
    pub fn is_whole(&self) -> bool {
        Scope::ALL.iter().all(|scope| self.scopes.contains(scope))
    }
}

/// The secret of an API key. It is shown once.
pub struct KeyText(String);

/// The prefix of keys for live mode.
pub const LIVE: &str = "th_live_";
/// The prefix of keys for test mode.
pub const TEST: &str = "th_test_";
const SECRET_BYTES: usize = 32;
const HINT_CHARS: usize = 13;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl KeyText {
    pub fn mint(prefix: &str, random: [u8; SECRET_BYTES]) -> Self {
        Self(format!("{prefix}{}", secret_text(random)))
    }

    /// Parses a key. Returns `None` without a look-up if the text cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text
            .strip_prefix(LIVE)
            .or_else(|| text.strip_prefix(TEST))?;
        is_secret_text(rest).then(|| Self(text.to_owned()))
    }

    /// Returns the secret, for its digest and for showing it once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The beginning of the key.
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

/// Whether the text has the form of 256 bits.
pub(crate) fn is_secret_text(text: &str) -> bool {
    text.len() == SECRET_BYTES * 8 / 5 + 1 && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

fn letter(digit: u32) -> char {
    usize::try_from(digit)
        .ok()
        .and_then(|place| ALPHABET.get(place))
        .map_or('0', |letter| char::from(*letter))
}

/// The token in the link that shows an account its first key. It is mailed to the owner and not
/// stored.
pub struct RevealToken(String);

impl RevealToken {
    pub fn mint(random: [u8; SECRET_BYTES]) -> Self {
        Self(secret_text(random))
    }

    /// Parses a token. Returns `None` if the text cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        is_secret_text(text).then(|| Self(text.to_owned()))
    }

    /// Returns the token, for its digest and the link.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RevealToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RevealToken")
    }
}

/// What is stored for a link that shows a first key. The key derives from the token, this salt and
/// a value of the visitor's own page, so neither a reader of the tables nor a later reader of the
/// mail has all three.
#[derive(Clone, PartialEq, Eq)]
pub struct Reveal {
    pub account: AccountId,
    pub salt: [u8; SECRET_BYTES],
    /// When the link expires.
    pub until: Timestamp,
    /// The mode of the key, which is Stripe's mode when the account was created.
    pub mode: StripeMode,
}

/// How long the link is valid.
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
    fn a_key_is_good_until_it_is_revoked_or_expires() {
        let at = Timestamp::from_millis;
        let key = ApiKey {
            id: KeyId::mint(at(1), [1; 10]),
            account: AccountId::mint(at(1), [1; 10]),
            name: "mine".to_owned(),
            scopes: BTreeSet::new(),
            hint: String::new(),
            created_at: at(1),
            expires_at: None,
            revoked_at: None,
            last_used_on: None,
        };
        let expires = ApiKey {
            expires_at: Some(at(10)),
            ..key.clone()
        };
        let revoked = ApiKey {
            revoked_at: Some(at(5)),
            ..key.clone()
        };
        assert!(key.is_good(at(1_000)) && expires.is_good(at(9)));
        assert!(!expires.is_good(at(10)) && !revoked.is_good(at(5)));
    }

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
