//! Recovery: how what a sender says it made is compared with what we recorded, and what becomes of
//! an event that is missing.
//!
//! [`Progress`] says how far the sender's log was read. It moves only when a whole [`Span`] was
//! read and everything missing in it was written down as a [`Miss`], so a pass that fails half-way
//! is simply done again. A miss ends when its event is recorded, however that happened, or is given
//! up after a fixed number of tries.

use crate::inbox::{EventKey, EventRow, EventSource, EventState};
use crate::text::words;
use crate::time::Timestamp;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// How far back a count reaches. GitHub keeps deliveries for three days; an hour is left to act.
pub const COUNTED_FOR: Duration = Duration::from_secs(71 * 3_600);
/// The time between two counts.
const COUNT_EVERY: Duration = HOUR;
/// The age below which an event that is not recorded yet, or not acted on yet, is no finding.
pub const SETTLES_AFTER: Duration = Duration::from_secs(15 * 60);
/// The age of the last complete reading above which nothing is known.
pub const KNOWN_FOR: Duration = Duration::from_secs(45 * 60);
/// The age of the last complete reading at which an operator is alerted. GitHub forgets a delivery
/// after 72 hours.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(6 * 3_600);
/// The time between two looks at the sender's webhook endpoint.
const ENDPOINT_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// From this age on, an event is fetched and not redelivered: a redelivery that fails could not be
/// repeated before GitHub forgets the event.
const TOO_OLD_TO_REDELIVER: Duration = Duration::from_secs(60 * 3_600);
const REDELIVERIES_MAX: u32 = 3;
const FETCHES_MAX: u32 = 3;
/// The wait after a fetch that failed.
const FETCH_AGAIN_AFTER: Duration = Duration::from_secs(5 * 60);
/// Stripe delivers again automatically. What is younger may be on its way.
const STRIPE_SETTLES_AFTER: Duration = Duration::from_secs(10 * 60);
/// How long a miss that was given up stays listed.
pub const GIVEN_UP_FOR: Duration = Duration::from_secs(30 * 86_400);

impl EventSource {
    /// The time between two readings of the sender's log. Stripe counts reads against an allocation
    /// of 10,000 a month.
    const fn read_every(self) -> Duration {
        match self {
            Self::Github => Duration::ZERO,
            Self::Stripe => SETTLES_AFTER,
        }
    }

    /// Whether an event of this age that is not recorded is missing, and not on its way. The next
    /// reading overlaps enough to see a younger one again.
    pub fn is_settled(self, made_at: Timestamp, now: Timestamp) -> bool {
        match self {
            // GitHub lists a delivery when it has ended, and does not repeat it.
            Self::Github => true,
            Self::Stripe => now.since(made_at) >= STRIPE_SETTLES_AFTER,
        }
    }

    /// How much a reading overlaps with the one before it: for entries that appear late in the log,
    /// and for events that were too young to be missing.
    const fn overlap(self) -> Duration {
        match self {
            Self::Github => SETTLES_AFTER,
            Self::Stripe => HOUR,
        }
    }
}

/// How far the log of one sender was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// When recovery began. What was made before is not looked at: it may have been delivered to
    /// another system, which acted on it.
    pub since: Timestamp,
    /// Everything made before this moment was compared with what is recorded.
    pub read_through: Timestamp,
    /// When the last reading that counts began.
    pub counted_at: Option<Timestamp>,
    /// A reading that is not finished.
    pub span: Option<Span>,
    /// The sender wants no request before then.
    pub wait_until: Option<Timestamp>,
    /// When the sender's webhook endpoint was last looked at.
    pub endpoint_at: Option<Timestamp>,
    /// The number of changes of this row.
    pub version: u64,
}

/// One reading of a sender's log, from its newest entry to its oldest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// When the reading began. It covers what was made before.
    pub top: Timestamp,
    pub low: Timestamp,
    /// Where the sender's log continues; `None` at its beginning.
    pub cursor: Option<String>,
    /// What was counted so far, if the reading counts.
    pub count: Option<Count>,
}

impl Span {
    /// The moment before which events are counted. Younger ones are still on their way.
    pub fn counts_until(&self) -> Timestamp {
        before(self.top, SETTLES_AFTER).max(self.low)
    }
}

impl Progress {
    /// The progress of a recovery that begins now.
    pub const fn beginning(now: Timestamp) -> Self {
        Self {
            since: now,
            read_through: now,
            counted_at: None,
            span: None,
            wait_until: None,
            endpoint_at: None,
            version: 0,
        }
    }

    /// The reading that is due, if any.
    pub fn due(&self, source: EventSource, now: Timestamp) -> Option<Span> {
        if let Some(span) = &self.span {
            return Some(span.clone());
        }
        if now.since(self.read_through) < source.read_every() {
            return None;
        }
        let counts = self
            .counted_at
            .is_none_or(|at| now.since(at) >= COUNT_EVERY);
        let low = if counts {
            before(now, COUNTED_FOR).min(before(self.read_through, source.overlap()))
        } else {
            before(self.read_through, source.overlap())
        };
        Some(Span {
            top: now,
            low: low.max(self.since),
            cursor: None,
            count: counts.then(Count::default),
        })
    }

    /// The progress after a part of a reading. Without a `cursor`, the reading is complete.
    pub fn advanced(&self, span: &Span, count: Option<Count>, cursor: Option<String>) -> Self {
        let mut next = self.clone();
        match cursor {
            Some(cursor) => {
                next.span = Some(Span {
                    cursor: Some(cursor),
                    count,
                    ..span.clone()
                });
            }
            None => {
                next.span = None;
                next.read_through = self.read_through.max(span.top);
                if span.count.is_some() {
                    next.counted_at = Some(span.top);
                }
            }
        }
        next
    }

    pub fn endpoint_is_due(&self, now: Timestamp) -> bool {
        self.endpoint_at
            .is_none_or(|at| now.since(at) >= ENDPOINT_EVERY)
    }

    /// Whether the last complete reading is recent enough to say anything.
    pub fn is_known(&self, now: Timestamp) -> bool {
        now.since(self.read_through) < KNOWN_FOR
    }
}

words! {
    /// Whether everything that a sender made has arrived.
    Completeness {
        Complete = "complete",
        /// Something is missing, or was recorded and is acted on too late.
        Incomplete = "incomplete",
        /// The sender's log was not read lately, or not yet.
        Unknown = "unknown",
    }
}

impl Completeness {
    /// `misses` is the number of events that are missing now.
    pub fn of(
        progress: Option<&Progress>,
        count: Option<&Count>,
        misses: usize,
        now: Timestamp,
    ) -> Self {
        match (progress, count) {
            (Some(progress), Some(count)) if progress.is_known(now) => {
                if misses == 0 && count.late == 0 {
                    Self::Complete
                } else {
                    Self::Incomplete
                }
            }
            _ => Self::Unknown,
        }
    }
}

/// What a sender made between two moments, and what became of it here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// Distinct events.
    pub made: u64,
    /// Processed, ignored, or of a type that Tallyhook does not act on.
    pub done: u64,
    /// Pending, for less than [`SETTLES_AFTER`].
    pub pending: u64,
    /// Pending for longer.
    pub late: u64,
    /// Failed, quarantined or unattributed: an operator has to decide.
    pub held: u64,
    /// Not recorded.
    pub missing: u64,
    /// Some of those that are late or held.
    pub examples: Vec<EventKey>,
}

/// The most examples that a count names.
const EXAMPLES_MAX: usize = 50;

impl Count {
    /// Counts an event of a type that Tallyhook acts on.
    pub fn add(&mut self, key: &EventKey, row: Option<&EventRow>, now: Timestamp) {
        self.made += 1;
        let named = match row.map(|row| (row.state, row.received_at)) {
            None => {
                self.missing += 1;
                false
            }
            Some((EventState::Processed | EventState::Ignored, _)) => {
                self.done += 1;
                false
            }
            Some((EventState::Pending, at)) if now.since(at) < SETTLES_AFTER => {
                self.pending += 1;
                false
            }
            Some((EventState::Pending, _)) => {
                self.late += 1;
                true
            }
            Some((EventState::Failed | EventState::Quarantined | EventState::Unattributed, _)) => {
                self.held += 1;
                true
            }
        };
        if named && self.examples.len() < EXAMPLES_MAX {
            self.examples.push(key.clone());
        }
    }

    /// Counts an event of another type, which is not missed.
    pub const fn add_unheeded(&mut self) {
        self.made += 1;
        self.done += 1;
    }
}

/// How the sender's last attempt to deliver an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// With a 2xx, so we promised that the event is recorded.
    Accepted,
    /// The body was too large for the receiver, and will be again.
    TooLarge,
    /// Otherwise.
    Failed,
}

/// An event that a sender made and that is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    pub key: EventKey,
    /// Such as `issues.opened`.
    pub name: String,
    pub made_at: Timestamp,
    /// GitHub's number of the newest delivery. It exceeds 2^53.
    pub delivery: Option<u64>,
    /// Whether a redelivery cannot help.
    pub only_fetch: bool,
    pub redeliveries: u32,
    pub fetches: u32,
    pub next_at: Timestamp,
    /// Why it was given up.
    pub given_up: Option<String>,
}

/// What to do about a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Wait,
    /// Ask the sender to deliver it again. This is preferred, because it is verified and recorded
    /// like any other delivery.
    Redeliver,
    /// Fetch it from the sender's API and record it.
    Fetch,
    GiveUp,
}

impl Miss {
    pub fn new(key: EventKey, name: String, made_at: Timestamp, now: Timestamp) -> Self {
        Self {
            only_fetch: key.source() == EventSource::Stripe,
            key,
            name,
            made_at,
            delivery: None,
            redeliveries: 0,
            fetches: 0,
            next_at: now,
            given_up: None,
        }
    }

    /// Adds what GitHub says about the newest delivery.
    #[must_use]
    pub fn delivered(mut self, delivery: u64, how: Delivered) -> Self {
        self.delivery = Some(delivery);
        self.only_fetch = matches!(how, Delivered::Accepted | Delivered::TooLarge);
        self
    }

    pub fn act(&self, now: Timestamp) -> Act {
        if self.given_up.is_some() || now < self.next_at {
            return Act::Wait;
        }
        let redeliver = !self.only_fetch
            && self.redeliveries < REDELIVERIES_MAX
            && now.since(self.made_at) < TOO_OLD_TO_REDELIVER;
        match redeliver {
            true => Act::Redeliver,
            false if self.fetches < FETCHES_MAX => Act::Fetch,
            false => Act::GiveUp,
        }
    }

    /// The miss once a redelivery is about to be asked for: at once, after 15 minutes, after two
    /// hours.
    #[must_use]
    pub fn redelivering(&self, now: Timestamp) -> Self {
        let wait = match self.redeliveries {
            0 => MINUTE * 15,
            1 => HOUR * 2,
            _ => MINUTE * 15,
        };
        Self {
            redeliveries: self.redeliveries + 1,
            next_at: now.plus(wait),
            ..self.clone()
        }
    }

    /// The miss once it is about to be fetched.
    #[must_use]
    pub fn fetching(&self, now: Timestamp) -> Self {
        Self {
            fetches: self.fetches + 1,
            next_at: now.plus(FETCH_AGAIN_AFTER),
            ..self.clone()
        }
    }

    /// The miss after the sender did not answer: it used no try.
    #[must_use]
    pub fn untried(&self, now: Timestamp) -> Self {
        Self {
            next_at: now.plus(FETCH_AGAIN_AFTER),
            ..self.clone()
        }
    }

    /// The miss once the sender has refused to deliver it again.
    #[must_use]
    pub fn to_fetch(&self, now: Timestamp) -> Self {
        Self {
            only_fetch: true,
            next_at: now,
            ..self.clone()
        }
    }
}

fn before(at: Timestamp, length: Duration) -> Timestamp {
    let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(at.millis().saturating_sub(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

    fn github(how: Delivered) -> Miss {
        let key = EventKey::parse(EventSource::Github, "g-1").expect("an id");
        Miss::new(key, "issues.opened".to_owned(), NOW, NOW)
            .delivered(3_804_004_623_172_239_366, how)
    }

    fn after(hours: u32) -> Timestamp {
        NOW.plus(HOUR * hours)
    }

    #[test]
    fn a_miss_is_delivered_again_three_times_and_then_fetched_three_times() {
        let mut miss = github(Delivered::Failed);
        for (at, next) in [
            (NOW, MINUTE * 15),
            (after(1), HOUR * 2),
            (after(4), MINUTE * 15),
        ] {
            assert_eq!(miss.act(at), Act::Redeliver);
            miss = miss.redelivering(at);
            assert_eq!(miss.next_at, at.plus(next));
            assert_eq!(miss.act(at), Act::Wait);
        }
        for hours in [5, 6, 7] {
            assert_eq!(miss.act(after(hours)), Act::Fetch);
            miss = miss.fetching(after(hours));
        }
        assert_eq!(miss.act(after(8)), Act::GiveUp);
        miss.given_up = Some("why".to_owned());
        assert_eq!(miss.act(after(8)), Act::Wait);
    }

    #[test]
    fn a_redelivery_that_cannot_help_is_not_asked_for() {
        assert_eq!(github(Delivered::Accepted).act(NOW), Act::Fetch);
        assert_eq!(github(Delivered::TooLarge).act(NOW), Act::Fetch);
        assert_eq!(github(Delivered::Failed).act(after(60)), Act::Fetch);
        assert_eq!(github(Delivered::Failed).to_fetch(NOW).act(NOW), Act::Fetch);
    }

    #[test]
    fn stripe_has_ten_minutes_to_deliver_automatically() {
        let key = EventKey::parse(EventSource::Stripe, "evt_1").expect("an id");
        let source = key.source();
        assert!(!source.is_settled(NOW, NOW.plus(MINUTE * 9)));
        assert!(source.is_settled(NOW, NOW.plus(MINUTE * 10)));
        assert!(EventSource::Github.is_settled(NOW, NOW));
        let miss = Miss::new(key, "invoice.paid".to_owned(), NOW, NOW);
        assert_eq!(miss.act(NOW), Act::Fetch);
    }

    #[test]
    fn only_a_complete_reading_moves_what_is_known() {
        let began = Progress::beginning(NOW);
        let first = began.due(EventSource::Github, after(1)).expect("a reading");
        // Nothing before recovery began is read.
        assert_eq!((first.top, first.low), (after(1), NOW));
        let half = began.advanced(&first, first.count.clone(), Some("c".to_owned()));
        assert_eq!((half.read_through, half.counted_at), (NOW, None));
        let rest = half.due(EventSource::Github, after(2)).expect("the rest");
        assert_eq!((rest.top, rest.cursor.as_deref()), (after(1), Some("c")));
        let whole = half.advanced(&rest, rest.count.clone(), None);
        assert_eq!(whole.read_through, after(1));
        assert_eq!((whole.counted_at, &whole.span), (Some(after(1)), &None));
        let next = whole.due(EventSource::Github, after(1)).expect("a reading");
        assert_eq!(
            (next.low, next.count),
            (before(after(1), SETTLES_AFTER), None)
        );
        assert_eq!(whole.due(EventSource::Stripe, after(1)), None);
        assert!(whole.is_known(after(1)) && !whole.is_known(after(2)));
    }

    #[test]
    fn a_reading_after_a_long_pause_begins_where_the_last_one_ended() {
        let mut progress = Progress::beginning(NOW);
        progress.read_through = after(2);
        let late = progress.due(EventSource::Stripe, after(24 * 20));
        assert_eq!(late.expect("a reading").low, after(1));
    }
}
