//! Periods: what a quota counts within. A counter's key names its period, so nothing is ever reset.

use crate::text::words;
use crate::time::Timestamp;

words! {
    Renewal {
        /// With each calendar month, UTC.
        Month = "month",
        /// With each period of the subscription, or with each calendar month without one.
        Subscription = "subscription",
        Never = "never",
    }
}

/// A half-open interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: Timestamp,
    pub end: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// The identity: `2026-11`, `from-2026-11-17` or `ever`.
    pub key: String,
    /// Absent if it always existed.
    pub start: Option<Timestamp>,
    /// When the next one starts, if known.
    pub end: Option<Timestamp>,
}

impl Period {
    /// The period that contains `now`, given the last known period of the subscription.
    pub fn at(renews: Renewal, subscribed: Option<Span>, now: Timestamp) -> Self {
        match (renews, subscribed) {
            (Renewal::Never, _) => Self {
                key: "ever".to_owned(),
                start: None,
                end: None,
            },
            (Renewal::Subscription, Some(span)) => Self::of_subscription(span, now),
            (Renewal::Month, _) | (Renewal::Subscription, None) => {
                let (start, end) = now.month();
                Self {
                    key: start.day()[..7].to_owned(),
                    start: Some(start),
                    end: Some(end),
                }
            }
        }
    }

    /// Stripe reports a new period some time after it began. Until then, the period is identified
    /// by the end of the previous one.
    fn of_subscription(span: Span, now: Timestamp) -> Self {
        let (start, end) = if now < span.end {
            (span.start, Some(span.end))
        } else {
            (span.end, None)
        };
        Self {
            key: format!("from-{}", start.day()),
            start: Some(start),
            end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a moment")
    }

    #[test]
    fn calendar_months_meet_without_a_gap() {
        for (now, key, start, end) in [
            (
                "2026-11-30T23:59:59.999Z",
                "2026-11",
                "2026-11-01",
                "2026-12-01",
            ),
            (
                "2026-12-01T00:00:00Z",
                "2026-12",
                "2026-12-01",
                "2027-01-01",
            ),
            (
                "2028-02-29T12:00:00Z",
                "2028-02",
                "2028-02-01",
                "2028-03-01",
            ),
        ] {
            let period = Period::at(Renewal::Month, None, at(now));
            assert_eq!(period.key, key);
            assert_eq!(period.start.map(Timestamp::day).as_deref(), Some(start));
            assert_eq!(period.end.map(Timestamp::day).as_deref(), Some(end));
            assert_eq!(
                Period::at(Renewal::Subscription, None, at(now)),
                period,
                "nobody subscribed"
            );
        }
    }

    #[test]
    fn a_subscription_s_period_continues_before_stripe_has_said_so() {
        let span = Span {
            start: at("2027-01-31T10:00:00Z"),
            end: at("2027-02-28T10:00:00Z"),
        };
        let of = |now| Period::at(Renewal::Subscription, Some(span), at(now));
        assert_eq!(of("2027-02-28T09:59:59Z").key, "from-2027-01-31");
        assert_eq!(of("2027-02-28T10:00:00Z").key, "from-2027-02-28");
        let next = Span {
            start: span.end,
            end: at("2027-03-31T10:00:00Z"),
        };
        let told = Period::at(
            Renewal::Subscription,
            Some(next),
            at("2027-03-01T00:00:00Z"),
        );
        assert_eq!(
            told.key,
            of("2027-03-01T00:00:00Z").key,
            "the same, told or not"
        );
    }

    #[test]
    fn what_never_renews_is_one_period() {
        assert_eq!(
            Period::at(Renewal::Never, None, at("2026-01-01T00:00:00Z")).key,
            "ever"
        );
    }
}
