//! Purchases on GitHub's Marketplace, which GitHub bills.
//!
//! GitHub's events may arrive twice, in any order or never, and are not sent again. A purchase is
//! therefore what its latest event says. The latest is decided by the effective time and then by
//! the time of receipt; both are fixed with the event, so every order of events leads to the same
//! state.

use crate::ids::OwnerId;
use crate::inbox::EventKey;
use crate::text::words;
use crate::time::Timestamp;
use std::fmt;

/// A plan of our Marketplace listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPlan {
    pub id: u64,
    pub name: String,
    pub price: ListedPrice,
}

words! {
    /// Whether a plan of the listing costs something.
    ListedPrice {
        Free = "free",
        Paid = "paid",
    }
}

impl ListedPlan {
    /// Whether a catalogue entry means this plan, by name or by number.
    pub fn is(&self, meant: &str) -> bool {
        self.name == meant || meant.parse() == Ok(self.id)
    }
}

/// An owner's purchase, as last reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketplacePurchase {
    pub owner: OwnerId,
    /// The plan; for a cancelled purchase, the last one.
    pub listed: ListedPlan,
    pub state: PurchaseState,
    pub since: Timestamp,
    pub rank: EventRank,
}

words! {
    PurchaseState {
        Active = "active",
        Cancelled = "cancelled",
    }
}

/// The order of an owner's events, as a sortable text: the effective time, the time of receipt, and
/// the id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventRank(String);

impl EventRank {
    pub fn new(from: Timestamp, received_at: Timestamp, event: &EventKey) -> Self {
        Self(format!(
            "{}#{}#{}",
            from.sort_key(),
            received_at.sort_key(),
            event.id()
        ))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for EventRank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::EventSource;

    fn rank(from: i64, received: i64, id: &str) -> EventRank {
        let event = EventKey::parse(EventSource::Github, id).expect("an id");
        EventRank::new(
            Timestamp::from_seconds(from),
            Timestamp::from_millis(received),
            &event,
        )
    }

    #[test]
    fn the_moment_it_holds_from_comes_first_then_its_arrival() {
        let ranks = [
            rank(1, 9, "z"),
            rank(2, 1, "b"),
            rank(2, 2, "a"),
            rank(2, 2, "b"),
            rank(1_000_000_000, 1, "a"),
        ];
        assert!(ranks.is_sorted() && ranks.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(EventRank::parse(ranks[0].as_str()), ranks[0]);
    }

    #[test]
    fn a_plan_is_meant_by_name_or_number() {
        let listed = ListedPlan {
            id: 435,
            name: "Team".to_owned(),
            price: ListedPrice::Paid,
        };
        for (meant, is) in [
            ("Team", true),
            ("435", true),
            ("team", false),
            ("43", false),
            ("", false),
        ] {
            assert_eq!(listed.is(meant), is, "{meant}");
        }
    }
}
