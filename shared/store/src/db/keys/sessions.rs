//! The keys of sessions and sign-ins.

use super::{Key, user_pk};
use domain::ids::{SessionId, UserId};

/// The prefix of the sort key of a session in its user's list.
pub(crate) const LISTED_SESSION: &str = "SESSION#";

pub(crate) fn session(digest: &str) -> Key {
    Key::new(format!("SESSION#{digest}"), "SESSION")
}

/// A session in its user's list, with the digest that leads to it.
pub(crate) fn session_listed(user: UserId, id: &SessionId) -> Key {
    Key::new(user_pk(user), format!("{LISTED_SESSION}{id}"))
}

/// The partition of a user's list of sessions.
pub(crate) fn sessions_pk(user: UserId) -> String {
    user_pk(user)
}

/// An operator's session in a browser.
pub(crate) fn operator_session(digest: &str) -> Key {
    Key::new(format!("OPERATOR#{digest}"), "OPERATOR")
}

/// A sign-in state that was already used.
pub(crate) fn state_used(digest: &str) -> Key {
    Key::new(format!("STATE#{digest}"), "STATE")
}
