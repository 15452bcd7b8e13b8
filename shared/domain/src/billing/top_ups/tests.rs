//! Tests that a crossing begins once, is counted in its month's cap, and ends.

use super::*;
use crate::units::Currency;

const NOW: Timestamp = Timestamp::from_millis(1_795_210_980_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn credits(whole: u64) -> Credits {
    Credits::whole(whole).expect("an amount")
}

fn terms(cap: i64) -> TopUpTerms {
    TopUpTerms {
        threshold: credits(500),
        pack: PlanId::parse("10k").expect("an id"),
        sold: PackTerms {
            name: "10,000 credits".to_owned(),
            credits: credits(10_000),
            expires_days: None,
            priced_by: "v1".to_owned(),
        },
        price: Money {
            minor: 1_000,
            currency: Currency::parse("usd").expect("a currency"),
        },
        monthly_cap_minor: cap,
    }
}

fn on(cap: i64) -> TopUp {
    TopUp::set(None, Switch::On, terms(cap), NOW).expect("nothing is in progress")
}

#[test]
fn a_crossing_begins_once() {
    let top_up = on(5_000);
    assert_eq!(top_up.begin(credits(500), NOW), None, "not below");
    let begun = top_up.begin(credits(499), NOW).expect("below");
    assert_eq!((begun.crossings, begun.version), (1, 2));
    assert_eq!(begun.begin(credits(0), NOW), None, "one at a time");
    let next = begun.paid().begin(credits(0), NOW).expect("the next");
    assert_eq!((next.crossings, next.spent_minor), (2, 2_000));
    let off = on(5_000).stop(NOW);
    assert_eq!(off.begin(credits(0), NOW), None, "it is off");
}

#[test]
fn the_cap_counts_what_was_begun_and_not_what_ended_unpaid() {
    let first = on(1_999).begin(credits(0), NOW).expect("below the cap");
    assert_eq!(first.paid().begin(credits(0), NOW), None, "2,000 is more");
    assert!(first.unpaid().begin(credits(0), NOW).is_some());
    let later = NOW.plus(HOUR * 24 * 31);
    assert_eq!(first.paid().spent_in_month(later), 0);
    let next = first.paid().begin(credits(0), later).expect("a new month");
    assert_eq!(next.spent_minor, 1_000);
    assert_eq!(on(999).begin(credits(0), NOW), None, "never affordable");
}

#[test]
fn declines_wait_longer_and_end() {
    let mut top_up = on(5_000).begin(credits(0), NOW).expect("below");
    for (declines, hours) in [(1, 1), (2, 6), (3, 24)] {
        top_up = top_up.declined(NOW).expect("another attempt");
        let charge = top_up.charge.as_ref().expect("in progress");
        assert_eq!(
            (charge.declines, charge.next_at),
            (declines, NOW.plus(HOUR * hours))
        );
    }
    assert_eq!(top_up.declined(NOW), None, "the fourth is the last");
    let off = top_up.given_up(OffReason::Declined);
    assert_eq!((off.switch, off.spent_minor), (Switch::Off, 0));
}

#[test]
fn settings_wait_for_a_crossing_in_progress() {
    let begun = on(5_000).begin(credits(0), NOW).expect("below");
    assert_eq!(
        TopUp::set(Some(&begun), Switch::On, terms(9_000), NOW),
        None
    );
    let stopped = begun.stop(NOW.plus(HOUR));
    let charge = stopped.charge.as_ref().expect("it still has to be ended");
    assert_eq!(charge.next_at, NOW.plus(HOUR));
    let set = TopUp::set(Some(&stopped.unpaid()), Switch::On, terms(9_000), NOW).expect("idle");
    assert_eq!(
        (set.crossings, set.terms.monthly_cap_minor),
        (1, 9_000),
        "numbers are never used again"
    );
}

#[test]
fn a_payment_says_that_it_is_a_top_up() {
    let made = metadata(3, &terms(1).sold);
    assert!(is_top_up(&made));
    assert_eq!(PackTerms::read(&made), Ok(Some(terms(1).sold)));
    assert!(!is_top_up(&terms(1).sold.metadata()));
}

#[test]
fn what_happened_before_the_customer_agreed_does_not_switch_it_off() {
    let begun = on(5_000).begin(credits(0), NOW).expect("below");
    let later = NOW.plus(HOUR);
    let why = OffReason::Disputed;
    let off = begun.stop_because(why, NOW, later).expect("it was on");
    assert_eq!((off.switch, off.off_because), (Switch::Off, Some(why)));
    assert_eq!(
        off.charge.as_ref().map(|charge| charge.next_at),
        Some(later)
    );
    assert_eq!(off.unpaid().off_because, Some(why));
    assert_eq!(off.stop_because(why, later, later), None, "it is off");
    let again = TopUp::set(Some(&off.unpaid()), Switch::On, terms(5_000), later);
    let again = again.expect("idle");
    assert_eq!(again.off_because, None);
    assert_eq!(again.stop_because(why, NOW, later), None, "it is old");
    assert!(again.stop_because(why, later, later).is_some());
}

#[test]
fn a_change_of_terms_does_not_outrun_what_happened_before_it() {
    let later = NOW.plus(HOUR);
    let changed = TopUp::set(Some(&on(5_000)), Switch::On, terms(9_000), later).expect("idle");
    let off = changed.stop_because(OffReason::Disputed, NOW, later);
    assert!(off.is_some(), "it was on when the payment was disputed");
}
