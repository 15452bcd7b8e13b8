//! The event log: recorded webhooks and their outcomes.
//!
//! An event is recorded once, under the id that its sender gave it, and stays pending until the
//! function that acted on it finishes it. Only a body whose origin was verified can be recorded;
//! see [`Verified`].

pub mod events;
pub mod recovery;

use crate::ids::{AccountId, BadId};
use crate::retry::Done;
use crate::text::words;
use crate::time::Timestamp;
use crate::work::Lifecycle;
use std::fmt;
use std::time::Duration;

words! {
    EventSource {
        Github = "github",
        Stripe = "stripe",
    }
}

/// Identifies an event by its source and the sender's id. The id of a quarantined event ends with
/// `#` and the digest of its body.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    source: EventSource,
    id: String,
}

const EVENT_ID_BYTES_MAX: usize = 200;

impl EventKey {
    /// Parses an event id from a message or a route.
    pub fn parse(source: EventSource, id: &str) -> Result<Self, BadEventId> {
        let plain = id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.#".contains(&byte));
        if plain && !id.is_empty() && id.len() <= EVENT_ID_BYTES_MAX {
            Ok(Self {
                source,
                id: id.to_owned(),
            })
        } else {
            Err(BadEventId)
        }
    }

    pub const fn source(&self) -> EventSource {
        self.source
    }

    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.source, self.id)
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A text that is not an event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadEventId;

impl fmt::Display for BadEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an event id has 1 to {EVENT_ID_BYTES_MAX} letters, digits or any of `_-.#`"
        )
    }
}

impl std::error::Error for BadEventId {}

impl From<BadId> for BadEventId {
    fn from(_: BadId) -> Self {
        Self
    }
}

/// SHA-256 of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A webhook as it arrived: the exact bytes, and what the envelope says about them.
pub struct Delivery {
    pub key: EventKey,
    /// The vendor's name for it: `issues` (GitHub's header) or `invoice.paid` (Stripe's type).
    pub name: String,
    pub body: Vec<u8>,
    pub digest: Digest,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Delivery({}, {}, {} bytes)",
            self.key,
            self.name,
            self.body.len()
        )
    }
}

words! {
    Provenance {
        Signature = "signature",
        /// We fetched it from the sender's API.
        ProviderApi = "provider-api",
        Operator = "operator",
    }
}

impl Provenance {
    /// Whether two bodies under one id are the same event although their bytes differ.
    ///
    /// A sender's API never returns the bytes that its webhook signed, and it renders an event again
    /// for each read. Its word for the id is enough. Two signed bodies that differ are two events,
    /// and at least one of them is forged or mixed up.
    pub const fn is_twin_of(self, other: Self) -> bool {
        matches!(self, Self::ProviderApi) || matches!(other, Self::ProviderApi)
    }
}

/// A value whose origin was verified. Clippy restricts `vouch` to the places that verify.
#[derive(Debug)]
pub struct Verified<T> {
    inner: T,
    provenance: Provenance,
}

impl<T> Verified<T> {
    /// States how the origin of `inner` was verified.
    pub const fn vouch(inner: T, provenance: Provenance) -> Self {
        Self { inner, provenance }
    }

    pub const fn get(&self) -> &T {
        &self.inner
    }

    pub const fn provenance(&self) -> Provenance {
        self.provenance
    }
}

words! {
    /// The state of an event.
    EventState {
        Pending = "pending",
        Processed = "processed",
        /// Tallyhook does not act on it; the row contains the reason.
        Ignored = "ignored",
        Failed = "failed",
        /// Another event has the same id and a different body. It is kept aside and acted on only
        /// by an operator.
        Quarantined = "quarantined",
        /// It must be acted on, but its account is unknown; an operator has to name the account.
        Unattributed = "unattributed",
    }
}

/// An event's row in the log, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    pub key: EventKey,
    pub name: String,
    pub state: EventState,
    pub provenance: String,
    pub received_at: Timestamp,
    /// The position in listings: the due time while the event is pending, the time of receipt
    /// afterwards.
    pub listed_at: Timestamp,
    pub processed_at: Option<Timestamp>,
    pub outcome: Option<String>,
    pub tries: Lifecycle,
    /// The account that an operator attributed it to.
    pub account: Option<AccountId>,
    pub digest: String,
    pub body_bytes: u64,
}

/// How an event ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    Processed(String),
    Ignored(String),
    Failed(String),
    Unattributed(String),
}

impl Finish {
    /// Derives the end from a handler's result. Returns `None` while the event has to wait.
    pub fn of(done: &Done) -> Option<Self> {
        match done {
            Done::Applied(what) => Some(Self::Processed(what.clone())),
            Done::Duplicate => Some(Self::Processed("done before".to_owned())),
            Done::Ignored(why) => Some(Self::Ignored((*why).to_owned())),
            Done::Unattributed(why) => Some(Self::Unattributed((*why).to_owned())),
            Done::Waiting(_) => None,
        }
    }

    pub const fn state(&self) -> EventState {
        match self {
            Self::Processed(_) => EventState::Processed,
            Self::Ignored(_) => EventState::Ignored,
            Self::Failed(_) => EventState::Failed,
            Self::Unattributed(_) => EventState::Unattributed,
        }
    }

    /// The text that the row keeps.
    pub fn outcome(&self) -> &str {
        match self {
            Self::Processed(why)
            | Self::Ignored(why)
            | Self::Failed(why)
            | Self::Unattributed(why) => why,
        }
    }
}

/// The largest body that a receiver accepts. Lambda limits the envelope to 6 MB, and quoting makes
/// a JSON body grow inside it; 5 MiB still fits.
pub const BODY_BYTES_MAX: usize = 5 * 1024 * 1024;
/// The time after which the sweeper sends a pending event again.
pub const RESEND_AFTER: Duration = Duration::from_secs(60);
/// The age at which a pending event raises an alarm. A body stored apart from its row is kept for
/// [`KEPT_FOR`] only.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(60 * 86_400);
/// How long a finished event is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(90 * 86_400);

#[cfg(test)]
mod tests {
    use super::Provenance::{Operator, ProviderApi, Signature};

    #[test]
    fn only_what_the_senders_api_returned_is_a_twin() {
        for (one, other, twins) in [
            (Signature, Signature, false),
            (Signature, ProviderApi, true),
            (ProviderApi, Signature, true),
            (ProviderApi, ProviderApi, true),
            (Operator, Signature, false),
            (Operator, Operator, false),
            (Operator, ProviderApi, true),
        ] {
            assert_eq!(one.is_twin_of(other), twins, "{one:?} and {other:?}");
        }
    }
}
