//! Every case of reporting a record, as tables.

use super::*;
use crate::billing::plans::Span;
use crate::ids::SubscriptionId;

fn hour(n: i64) -> Timestamp {
    Timestamp::from_seconds(n * 3_600)
}

#[test]
fn a_record_is_sent_looked_up_carried_or_left() {
    use Billed::{Closed, Nowhere, Open};
    let day = |n: i64| hour(n * 24);
    for (moment, sent, billed, now, expected) in [
        (0, None, Open, 0, ReportAction::Send),
        (0, None, Open, 3, ReportAction::Send),
        (0, None, Open, 35, ReportAction::TooOld),
        (0, None, Closed, 35, ReportAction::Carry),
        (0, None, Nowhere, 0, ReportAction::Unbilled),
        (0, Some(0), Open, 0, ReportAction::Send),
        (0, Some(0), Open, 1, ReportAction::LookUp),
        (0, Some(2), Open, 2, ReportAction::Send),
        (0, Some(2), Open, 4, ReportAction::LookUp),
        (0, Some(0), Open, 35, ReportAction::LookUp),
        (0, Some(0), Closed, 0, ReportAction::LookUp),
        (0, Some(0), Nowhere, 0, ReportAction::LookUp),
    ] {
        let attempts = sent.map(|sent| Attempts {
            first: day(sent),
            last: day(sent),
        });
        assert_eq!(
            report_action(day(moment), attempts, billed, day(now)),
            expected,
            "{moment} {sent:?} {billed:?} {now}"
        );
    }
}

#[test]
fn what_stripe_has_not_counted_waits_for_its_summaries() {
    for (at, last, billed, now, expected) in [
        (0, 10, Billed::Open, 10, AbsentAction::Wait(SUMMARY_LAG)),
        (0, 10, Billed::Nowhere, 10, AbsentAction::Wait(SUMMARY_LAG)),
        (0, 10, Billed::Open, 11, AbsentAction::Restart),
        (0, 10, Billed::Closed, 11, AbsentAction::Restart),
        (0, 10, Billed::Nowhere, 11, AbsentAction::Unbilled),
        (0, 10, Billed::Open, 850, AbsentAction::TooOld),
        (0, 10, Billed::Closed, 850, AbsentAction::Restart),
    ] {
        assert_eq!(
            absent_action(hour(at), hour(last), billed, hour(now)),
            expected,
            "{at} {last} {billed:?} {now}"
        );
    }
}

#[test]
fn counted_records_are_distinguished_or_all_are_held() {
    let these = |places: &[usize]| Counted::These(places.iter().copied().collect());
    for (counted, reported, sent, expected) in [
        (0, 0, vec![1], these(&[])),
        (1, 0, vec![1], Counted::All),
        (5, 4, vec![1, 1], these(&[0])),
        (4, 4, vec![1, 1], these(&[])),
        (6, 4, vec![1, 1], Counted::All),
        // Stripe has counted more than was sent, or less than was reported.
        (7, 4, vec![1, 1], Counted::Unclear),
        (3, 4, vec![1, 1], Counted::Unclear),
        (4, 1, vec![3, 3, 3], these(&[0])),
        (5, 1, vec![3, 3, 3], Counted::Unclear),
        (5, 0, vec![2, 5, 9], these(&[1])),
        (7, 0, vec![2, 5, 9], these(&[0, 1])),
        (4, 0, vec![2, 5, 9], Counted::Unclear),
        // One and two, or three.
        (3, 0, vec![1, 2, 3], Counted::Unclear),
        // Which of the equal ones makes no difference.
        (3, 0, vec![3, 5, 3], these(&[0])),
        (1, 0, vec![], Counted::Unclear),
        (2, 0, vec![1; 40], these(&[0, 1])),
    ] {
        assert_eq!(
            tell_apart(counted, reported, &sent),
            expected,
            "{counted} of {reported} and {sent:?}"
        );
    }
    let many: Vec<u64> = (1..40).collect();
    assert_eq!(tell_apart(5, 0, &many), Counted::Unclear);
}

fn subscribed(status: &str) -> Subscription {
    Subscription {
        id: SubscriptionId::parse("sub_1").expect("an id"),
        status: Status::parse(status),
        items: vec![],
        period: Some(Span {
            start: hour(100),
            end: hour(800),
        }),
        ends_at: None,
        trial_end: None,
        created_at: hour(0),
        as_of: hour(100),
    }
}

fn billed(subscriptions: &[Subscription], until: Option<i64>, at: i64, now: i64) -> Billed {
    let contract = MeterContract {
        subscriptions,
        billed_until: until.map(hour),
        bills: &|_| true,
    };
    contract.billed(hour(at), hour(now))
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story or table of cases")]
fn a_closed_period_bills_no_more() {
    use Billed::{Closed, Open};
    let trial = |end| Subscription {
        trial_end: Some(hour(end)),
        ..subscribed("active")
    };
    for (words, one, at, now, expected) in [
        (
            "of the present period",
            subscribed("active"),
            100,
            300,
            Open,
        ),
        (
            "just before it, in time",
            subscribed("active"),
            99,
            100,
            Open,
        ),
        (
            "just before it, late",
            subscribed("active"),
            99,
            101,
            Closed,
        ),
        ("a payment is late", subscribed("past_due"), 99, 102, Closed),
        (
            "a word of next year",
            subscribed("new_word"),
            99,
            102,
            Closed,
        ),
        (
            "its first payment is due",
            subscribed("incomplete"),
            99,
            102,
            Open,
        ),
        ("used in the trial", trial(100), 99, 102, Open),
        ("used after the trial", trial(50), 99, 102, Closed),
        (
            "its period has just ended",
            subscribed("active"),
            799,
            800,
            Open,
        ),
        (
            "its period has ended",
            subscribed("active"),
            799,
            801,
            Closed,
        ),
        ("of the next period", subscribed("active"), 801, 900, Open),
    ] {
        assert_eq!(billed(&[one], None, at, now), expected, "{words}");
    }
    assert_eq!(billed(&[], None, 1, 900), Open, "nobody subscribed");
    let nameless = Subscription {
        period: None,
        ..subscribed("active")
    };
    let one = std::slice::from_ref(&nameless);
    assert_eq!(billed(one, None, 1, 900), Open, "no period is known");
    assert_eq!(billed(one, Some(2), 1, 900), Closed, "its invoice is known");
    let two = [nameless, subscribed("active")];
    assert_eq!(billed(&two, None, 1, 900), Closed, "one of two has closed");
    let new = Subscription {
        created_at: hour(100),
        ..subscribed("active")
    };
    assert_eq!(billed(&[new], None, 99, 100), Closed, "it begins later");
}

#[test]
fn what_nobody_bills_is_known() {
    use Billed::{Nowhere, Open};
    for (words, status, until, at, now, expected) in [
        (
            "it ended at hour 100, just now",
            "canceled",
            None,
            99,
            100,
            Open,
        ),
        ("used after the end", "canceled", None, 100, 100, Nowhere),
        (
            "its last invoice is closed",
            "canceled",
            None,
            99,
            102,
            Nowhere,
        ),
        (
            "its last invoice is final",
            "canceled",
            Some(100),
            99,
            100,
            Nowhere,
        ),
        (
            "it never began",
            "incomplete_expired",
            None,
            99,
            100,
            Nowhere,
        ),
        (
            "its trial ended without a card",
            "paused",
            None,
            99,
            100,
            Nowhere,
        ),
    ] {
        assert_eq!(
            billed(&[subscribed(status)], until, at, now),
            expected,
            "{words}"
        );
    }
    let other_meter = [subscribed("active")];
    let contract = MeterContract {
        subscriptions: &other_meter,
        billed_until: None,
        bills: &|_| false,
    };
    assert_eq!(contract.billed(hour(300), hour(300)), Nowhere);
    let again = [subscribed("canceled"), subscribed("active")];
    assert_eq!(billed(&again, None, 300, 300), Open, "there is another one");
}
