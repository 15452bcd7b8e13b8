//! The keys of what recovery knows.

use super::Key;
use domain::inbox::{EventKey, EventSource};

/// The partition of everything that recovery knows about a sender.
fn recovery_pk(source: EventSource) -> String {
    format!("RECOVERY#{source}")
}

/// How far recovery has read what a sender made.
pub(crate) fn recovery_progress(source: EventSource) -> Key {
    Key::new(recovery_pk(source), "PROGRESS")
}

/// The last count of what a sender made, and what became of it.
pub(crate) fn recovery_count(source: EventSource) -> Key {
    Key::new(recovery_pk(source), "COUNT")
}

/// The prefix of each event that a sender made and that is not recorded.
pub(crate) const MISS: &str = "MISS#";

pub(crate) fn miss(key: &EventKey) -> Key {
    Key::new(recovery_pk(key.source()), format!("{MISS}{}", key.id()))
}

pub(crate) fn miss_of(source: EventSource, sk: &str) -> Option<EventKey> {
    EventKey::parse(source, sk.strip_prefix(MISS)?).ok()
}
