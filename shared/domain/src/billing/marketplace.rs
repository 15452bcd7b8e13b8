//! What an owner has bought of us on GitHub's Marketplace, where GitHub itself bills it.
//!
//! GitHub tells of it by events that come twice, in any order, or never: it does not send these again. So a purchase is
//! what the latest of them said. Which is the latest, the moment says from which it holds, then the moment at which it
//! reached us: both are fixed with the event, so every order of events leads to the same.

use crate::ids::OwnerId;
use crate::inbox::EventKey;
use crate::text::words;
use crate::time::Timestamp;
use std::fmt;

/// A plan of our listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPlan {
    /// GitHub's number for it.
    pub id: u64,
    /// Its name on the listing, which may change.
    pub name: String,
    /// Whether GitHub takes money for it.
    pub price: ListedPrice,
}

words! {
    /// Whether a plan of the listing costs something.
    ListedPrice {
        /// It does not.
        Free = "free",
        /// It does, and GitHub bills it.
        Paid = "paid",
    }
}

impl ListedPlan {
    /// Whether a plan of the catalogue means this one, by its name or its number.
    pub fn is(&self, meant: &str) -> bool {
        self.name == meant || meant.parse() == Ok(self.id)
    }
}

/// What an owner has bought, as last told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketplacePurchase {
    /// Who.
    pub owner: OwnerId,
    /// Which plan; of a purchase that was cancelled, the last one.
    pub listed: ListedPlan,
    /// Whether it stands.
    pub state: PurchaseState,
    /// Since when.
    pub since: Timestamp,
    /// Which event said so.
    pub rank: EventRank,
}

words! {
    /// Whether a purchase stands.
    PurchaseState {
        /// It does.
        Active = "active",
        /// It was cancelled.
        Cancelled = "cancelled",
    }
}

/// How late an event is among those of its owner, as a text that sorts by it: the moment from which it holds, then the one
/// at which it was recorded, then its id, so that no two are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventRank(String);

impl EventRank {
    /// Of an event that holds from then.
    pub fn new(from: Timestamp, received_at: Timestamp, event: &EventKey) -> Self {
        Self(format!(
            "{}#{}#{}",
            from.sort_key(),
            received_at.sort_key(),
            event.id()
        ))
    }

    /// As it stands on the row.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads it back.
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
