//! Sessions: people who are signed in.
//!
//! A session is for one person and one account and never changes: who chooses another account gets another session. So what
//! is remembered of one for a while can be too old in one way only: it may have ended since.

use crate::accounts::api_keys::{Role, is_secret_text, secret_text};
use crate::accounts::members::User;
use crate::ids::{AccountId, InstallationId, OwnerId, SessionId};
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// How long somebody stays signed in.
pub const LIFE: Duration = Duration::from_secs(14 * 86_400);

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What it is called in logs. It opens nothing.
    pub id: SessionId,
    /// Who.
    pub user: User,
    /// The account for which he acts, if he has one.
    pub account: Option<AccountId>,
    /// The installations without an account that GitHub showed him.
    pub shown: Vec<VisibleInstallation>,
    /// Until when.
    pub expires_at: Timestamp,
}

/// An installation as GitHub showed it to somebody who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibleInstallation {
    /// Which.
    pub installation: InstallationId,
    /// Whose.
    pub owner: OwnerId,
    /// What the owner is called.
    pub login: String,
    /// What the person would be to the owner's account.
    pub role: Role,
}

impl Session {
    /// Whether it opens anything at this moment.
    pub fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// The text of a session: 256 random bits that only its browser has.
pub struct SessionText(String);

impl SessionText {
    /// A session of these random bytes.
    pub fn mint(random: [u8; 32]) -> Self {
        Self(secret_text(random))
    }

    /// Reads what somebody sends; none if it cannot be a session, so that nothing needs to be looked up.
    pub fn parse(text: &str) -> Option<Self> {
        is_secret_text(text).then(|| Self(text.to_owned()))
    }

    /// The text itself, for its digest and its cookie.
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
