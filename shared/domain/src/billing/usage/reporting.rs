//! How to report usage to Stripe: with which timestamp, and whether to look up first what Stripe
//! has counted.

use crate::billing::subscriptions::{Status, Subscription};
use crate::time::Timestamp;
use std::time::Duration;

/// What to do with a usage record that is not reported yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportAction {
    /// Send it; Stripe still knows the identifier if it was sent before.
    Send,
    /// Stripe may have forgotten the identifier: look up what it has counted before sending.
    LookUp,
    /// Stripe rejects timestamps this old; an operator has to bill it in another way.
    TooOld,
}

/// Stripe keeps identifiers for 24 hours; an hour is kept as a margin.
const IDENTIFIER_KNOWN: Duration = Duration::from_secs(23 * 3_600);
/// Stripe accepts timestamps of the past 35 days; a day is kept as a margin.
const TIMESTAMP_TAKEN: Duration = Duration::from_secs(34 * 86_400);

/// Stripe keeps a period's invoice open for an hour after the period, for late usage.
const INVOICE_OPEN: Duration = Duration::from_secs(3_600);

/// Whether usage is old enough to belong to a closed period. Only then do the account's
/// subscriptions matter.
pub fn may_be_late(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) > INVOICE_OPEN
}

/// Returns the timestamp under which to report usage that became billable `at`, if the invoice of
/// its period is closed. Stripe would no longer bill the usage there, so it is carried into the
/// current period. Returns `None` if its own timestamp is still good.
///
/// Call this before the first attempt and never after it, because Stripe may have counted the usage
/// by then. Usage during a trial is free and is not carried into a period in which it would cost
/// money.
pub fn carried_to(
    at: Timestamp,
    subscriptions: &[Subscription],
    now: Timestamp,
) -> Option<Timestamp> {
    let billing = |one: &&Subscription| !one.status.is_final() && one.status != Status::Incomplete;
    let tried = |one: &Subscription| one.trial_end.is_some_and(|end| at < end);
    let closed = |one: &Subscription| {
        // Stripe reports a new period some time after it began.
        let began = one.period.map(|period| {
            if now < period.end {
                period.start
            } else {
                period.end
            }
        });
        began.is_some_and(|began| at < began && now.since(began) > INVOICE_OPEN)
    };
    subscriptions
        .iter()
        .filter(billing)
        .any(|one| closed(one) && !tried(one))
        .then_some(now)
}

/// How to report a record with the timestamp `at` that was first sent at `first_attempt`.
pub fn report_action(
    at: Timestamp,
    first_attempt: Option<Timestamp>,
    now: Timestamp,
) -> ReportAction {
    if now.since(at) > TIMESTAMP_TAKEN {
        return ReportAction::TooOld;
    }
    match first_attempt {
        Some(first) if now.since(first) > IDENTIFIER_KNOWN => ReportAction::LookUp,
        Some(_) | None => ReportAction::Send,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::plans::Span;
    use crate::ids::SubscriptionId;

    const DAY_SECONDS: i64 = 86_400;

    #[test]
    fn identifiers_are_not_trusted_past_their_window() {
        let day = |n: i64| Timestamp::from_seconds(n * DAY_SECONDS);
        for (at, first, now, expected) in [
            (0, None, 0, ReportAction::Send),
            (0, Some(0), 0, ReportAction::Send),
            (0, None, 3, ReportAction::Send),
            (0, Some(0), 1, ReportAction::LookUp),
            (0, Some(2), 2, ReportAction::Send),
            (0, Some(2), 4, ReportAction::LookUp),
            (0, None, 35, ReportAction::TooOld),
            (0, Some(0), 35, ReportAction::TooOld),
        ] {
            assert_eq!(
                report_action(day(at), first.map(day), day(now)),
                expected,
                "at {at} first {first:?} now {now}"
            );
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one story or table of cases")]
    fn usage_of_a_closed_period_is_carried_into_the_present_one() {
        let hour = |n: i64| Timestamp::from_seconds(n * 3_600);
        let subscribed = |status: &str, trial_end: Option<i64>| Subscription {
            id: SubscriptionId::parse("sub_1").expect("an id"),
            status: Status::parse(status),
            items: vec![],
            period: Some(Span {
                start: hour(100),
                end: hour(800),
            }),
            ends_at: None,
            trial_end: trial_end.map(hour),
            created_at: hour(0),
            as_of: hour(100),
        };
        let (carried, own) = (true, false);
        for (words, status, trial_end, at, now, expected) in [
            ("used in the present period", "active", None, 100, 300, own),
            (
                "used just before it, an hour into it",
                "active",
                None,
                99,
                101,
                own,
            ),
            (
                "the same, an hour and more into it",
                "active",
                None,
                99,
                102,
                carried,
            ),
            ("a payment is late", "past_due", None, 99, 102, carried),
            ("a word of next year", "new_word", None, 99, 102, carried),
            ("the subscription is over", "canceled", None, 99, 102, own),
            ("it never began", "incomplete", None, 99, 102, own),
            ("used while it was tried", "active", Some(100), 99, 102, own),
            (
                "used after it was tried",
                "active",
                Some(50),
                99,
                102,
                carried,
            ),
            (
                "the present one has ended, Stripe has not said so",
                "active",
                None,
                799,
                801,
                own,
            ),
            (
                "the same, an hour and more later",
                "active",
                None,
                799,
                802,
                carried,
            ),
            (
                "used in the next one already",
                "active",
                None,
                801,
                900,
                own,
            ),
        ] {
            let seen = carried_to(hour(at), &[subscribed(status, trial_end)], hour(now));
            assert_eq!(seen, (expected == carried).then_some(hour(now)), "{words}");
        }
        assert_eq!(
            carried_to(hour(1), &[], hour(900)),
            None,
            "nobody subscribed"
        );
        let nameless = Subscription {
            period: None,
            ..subscribed("active", None)
        };
        assert_eq!(
            carried_to(hour(1), std::slice::from_ref(&nameless), hour(900)),
            None,
            "no period is known"
        );
        let two = [nameless, subscribed("active", None)];
        assert_eq!(
            carried_to(hour(1), &two, hour(900)),
            Some(hour(900)),
            "one of two has closed"
        );
        assert!(may_be_late(hour(99), hour(101)) && !may_be_late(hour(99), hour(100)));
    }
}
