//! The event log: what a recorded webhook is and how it ends.
//!
//! An event is recorded once, under the id its sender gave it, and stays pending until the door that acted on it finishes
//! it. Only a body that somebody vouched for can be recorded: see [`Verified`].

pub mod events;

use crate::ids::{AccountId, BadId};
use crate::retry::Done;
use crate::text::words;
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

words! {
    /// Who sends webhooks.
    EventSource {
        /// GitHub.
        Github = "github",
        /// Stripe.
        Stripe = "stripe",
    }
}

/// Which event: its source and its sender's id. A quarantined one carries the digest of its body behind a `#`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    source: EventSource,
    id: String,
}

const EVENT_ID_BYTES_MAX: usize = 200;

impl EventKey {
    /// Reads an event's id as it stands in messages and routes.
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

    /// Who sent it.
    pub const fn source(&self) -> EventSource {
        self.source
    }

    /// Its id.
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

/// An event's id that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadEventId;

impl fmt::Display for BadEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an event's id has 1 to {EVENT_ID_BYTES_MAX} letters, digits or any of _-.#"
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

/// One webhook as it arrived: the exact bytes, and what its envelope says of them.
pub struct Delivery {
    /// Which event.
    pub key: EventKey,
    /// The vendor's name for it: `issues` (GitHub's header) or `invoice.paid` (Stripe's type).
    pub name: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// Its digest.
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
    /// Who vouches for a delivery.
    Provenance {
        /// The sender's signature over the raw bytes.
        Signature = "signature",
        /// The sender's API, asked by us.
        ProviderApi = "provider-api",
        /// A person with an operator's token.
        Operator = "operator",
    }
}

/// Something that somebody vouched for. `vouch` may be called only where the vouching happens; clippy sees to that.
#[derive(Debug)]
pub struct Verified<T> {
    inner: T,
    provenance: Provenance,
}

impl<T> Verified<T> {
    /// States who vouches.
    pub const fn vouch(inner: T, provenance: Provenance) -> Self {
        Self { inner, provenance }
    }

    /// What was vouched for.
    pub const fn get(&self) -> &T {
        &self.inner
    }

    /// By whom.
    pub const fn provenance(&self) -> Provenance {
        self.provenance
    }
}

words! {
    /// Where an event stands.
    EventState {
        /// Nobody has finished it yet.
        Pending = "pending",
        /// The door that acted finished it.
        Processed = "processed",
        /// It is none of our business, and why is on the row.
        Ignored = "ignored",
        /// It failed for good and waits for a person.
        Failed = "failed",
        /// Same id as another event, other body: kept aside, never acted on by itself.
        Quarantined = "quarantined",
        /// It should be acted on, and nobody knows for whom: it waits for a person to say so.
        Unattributed = "unattributed",
    }
}

/// What the log says of one event, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Which event.
    pub key: EventKey,
    /// The vendor's name for it.
    pub name: String,
    /// Where it stands.
    pub state: EventState,
    /// Who vouched for it.
    pub provenance: String,
    /// When it was recorded.
    pub received_at: Timestamp,
    /// The moment it is listed under: when it is due while it owes, when it was recorded afterwards.
    pub listed_at: Timestamp,
    /// When it was finished, ignored or failed.
    pub processed_at: Option<Timestamp>,
    /// What became of it, in words.
    pub outcome: Option<String>,
    /// How often acting on it failed.
    pub attempts: u32,
    /// Whose it is, where a person has said so.
    pub account: Option<AccountId>,
    /// SHA-256 of its body, in hex.
    pub digest: String,
    /// The length of its body.
    pub body_bytes: u64,
}

/// How an event ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// Acted on.
    Processed(String),
    /// Not ours to act on.
    Ignored(String),
    /// Given up.
    Failed(String),
    /// Kept until somebody says whose it is.
    Unattributed(String),
}

impl Finish {
    /// How an event ends of which this came; it does not, while it has to wait.
    pub fn of(done: &Done) -> Option<Self> {
        match done {
            Done::Applied(what) => Some(Self::Processed(what.clone())),
            Done::Duplicate => Some(Self::Processed("done before".to_owned())),
            Done::Ignored(why) => Some(Self::Ignored((*why).to_owned())),
            Done::Unattributed(why) => Some(Self::Unattributed((*why).to_owned())),
            Done::Waiting(_) => None,
        }
    }

    /// The state it leads to.
    pub const fn state(&self) -> EventState {
        match self {
            Self::Processed(_) => EventState::Processed,
            Self::Ignored(_) => EventState::Ignored,
            Self::Failed(_) => EventState::Failed,
            Self::Unattributed(_) => EventState::Unattributed,
        }
    }

    /// What stands on the row.
    pub fn outcome(&self) -> &str {
        match self {
            Self::Processed(why)
            | Self::Ignored(why)
            | Self::Failed(why)
            | Self::Unattributed(why) => why,
        }
    }
}

/// The largest body a receiver takes. Lambda's own limit of 6 MB includes the envelope, in which a JSON body grows by its
/// quotation marks; 5 MiB is what still comes through.
pub const BODY_BYTES_MAX: usize = 5 * 1024 * 1024;
/// How long an event may lie unqueued or unfinished before the sweeper sends it again.
pub const RESEND_AFTER: Duration = Duration::from_secs(60);
/// An event that still owes at this age wakes somebody: a body that stands apart is kept for [`KEPT_FOR`] and no longer.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(60 * 86_400);
/// How long a finished event is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(90 * 86_400);
