//! Sessions: people who are signed in.
//!
//! A session belongs to one person and one account and never changes; choosing another account
//! creates another session. A cached session can therefore be stale in one way only: it may have
//! ended.

use crate::accounts::api_keys::{Role, is_secret_text, secret_text};
use crate::accounts::members::{Membership, User};
use crate::ids::{AccountId, InstallationId, OwnerId, SessionId};
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// How long a session lasts.
pub const LIFE: Duration = Duration::from_secs(14 * 86_400);

/// A signed-in person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id used in logs. It grants nothing.
    pub id: SessionId,
    pub user: User,
    /// The account that the person acts for, if any.
    pub account: Option<AccountId>,
    /// The installations without an account that GitHub listed for the person.
    pub shown: Vec<VisibleInstallation>,
    /// The accounts that had no place for the person at sign-in.
    pub full: Vec<Membership>,
    /// The browser and the system, as far as its own words tell. See [`browser_of`].
    pub browser: String,
    pub began_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A session in its person's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionListed {
    pub id: SessionId,
    pub account: Option<AccountId>,
    pub browser: String,
    pub began_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Names the browser and the system of a `User-Agent`, in words that people recognize. Nothing else
/// of it is kept.
pub fn browser_of(user_agent: &str) -> String {
    // Most name others too, so the order counts.
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let named = |list: &[(&str, &'static str)]| {
        let found = list.iter().find(|(part, _)| user_agent.contains(part));
        found.map(|(_, name)| *name)
    };
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("a browser on {system}"),
        (None, None) => "an unknown browser".to_owned(),
    }
}

/// An installation that GitHub listed for a person at sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibleInstallation {
    pub installation: InstallationId,
    pub owner: OwnerId,
    pub login: String,
    /// The role that the person would have in the owner's account.
    pub role: Role,
}

impl Session {
    /// Whether the session is valid at `now`.
    pub fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// The secret of a session: 256 random bits that only the browser has.
pub struct SessionText(String);

impl SessionText {
    pub fn mint(random: [u8; 32]) -> Self {
        Self(secret_text(random))
    }

    /// Parses a session's secret. Returns `None` without a look-up if the text cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        is_secret_text(text).then(|| Self(text.to_owned()))
    }

    /// Returns the secret, for its digest and the cookie.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionText")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_in_words() {
        for (user_agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iOS",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)",
                "a browser on macOS",
            ),
            ("curl/8.5.0", "an unknown browser"),
            ("", "an unknown browser"),
        ] {
            assert_eq!(browser_of(user_agent), name, "{user_agent}");
        }
    }

    #[test]
    fn a_session_reads_back_and_is_never_printed() {
        let text = SessionText::mint([7; 32]);
        assert_eq!(
            SessionText::parse(text.expose()).map(|read| read.0),
            Some(text.0.clone())
        );
        assert_eq!(format!("{text:?}"), "SessionText");
        for bad in ["", "th_live_0", &text.0.to_uppercase(), &text.0[1..]] {
            assert!(SessionText::parse(bad).is_none(), "{bad}");
        }
    }
}
