//! Tests how the start, the end and the report of work change a period's sum, and the notices they
//! cause.

use super::*;
use crate::notices::NoticeKind;
use crate::units::Currency;

const NOW: Timestamp = Timestamp::from_millis(1_795_210_980_000);

fn account() -> AccountId {
    AccountId::mint(NOW, [1; 10])
}

fn line(counts: MeteredUnit, most: u64, rate: &str) -> SpendLine {
    let meter = if counts == MeteredUnit::Pulls {
        Meter::pull_requests()
    } else {
        Meter::tokens()
    };
    SpendLine {
        meter,
        counts,
        most,
        rate: Rate::parse(rate).expect("a rate"),
    }
}

fn money(lines: Vec<SpendLine>) -> Spending {
    Spending {
        period: "2026-11".to_owned(),
        unit: SpendUnit::Money,
        lines,
        reserved: 7,
    }
}

#[test]
fn what_was_counted_is_taken_off_but_for_what_it_came_to() {
    let spending = money(vec![
        line(MeteredUnit::Pulls, 1, "1500"),
        line(MeteredUnit::Tokens, 10_000, "0.0018"),
    ]);
    let begins = spending.begins(&account());
    assert_eq!(
        (begins.stage, begins.flat),
        (SpendStage::Begins, 1_500_000_000 + 18_000_000)
    );
    let counted = |line: &SpendLine| {
        if line.counts == MeteredUnit::Pulls {
            1
        } else {
            1_000
        }
    };
    let billed = spending.ends(&account(), 0, counted);
    assert_eq!(
        (billed.stage, billed.flat),
        (SpendStage::Ends { reserved: 7 }, -16_200_000)
    );
    assert_eq!(
        spending.ends(&account(), 0, |_| 0).flat,
        -begins.flat,
        "nothing is left of what came to nothing"
    );
    let done = spending.done(&account(), 0, |line| {
        u64::from(line.counts == MeteredUnit::Pulls)
    });
    assert_eq!((done.stage, done.flat), (SpendStage::Done, 1_500_000_000));
}

#[test]
fn tiers_are_climbed_and_not_priced_beforehand() {
    let spending = money(vec![line(MeteredUnit::Pulls, 1, "60:0,inf:800")]);
    let tier_deltas = |outlay: SpendChange| {
        (
            outlay.flat,
            outlay
                .tier_deltas
                .iter()
                .map(|tier_delta| tier_delta.units)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(tier_deltas(spending.begins(&account())), (0, vec![1]));
    assert_eq!(
        tier_deltas(spending.ends(&account(), 0, |_| 1)),
        (0, vec![]),
        "it stays where it is"
    );
    assert_eq!(
        tier_deltas(spending.ends(&account(), 0, |_| 0)),
        (0, vec![-1])
    );
}

#[test]
fn credits_are_counted_as_they_are_held() {
    let spending = Spending {
        period: "p".to_owned(),
        unit: SpendUnit::Credits,
        lines: Vec::new(),
        reserved: 600,
    };
    assert_eq!(spending.begins(&account()).flat, 600);
    assert_eq!(spending.ends(&account(), 20, |_| 0).flat, -580);
    assert_eq!(spending.done(&account(), 15, |_| 0).flat, 15);
}

#[test]
fn four_fifths_and_the_whole_are_reported() {
    let currency = Currency::parse("usd").expect("a currency");
    let limit = SpendLimit {
        money: Some(Money {
            minor: 5_000,
            currency,
        }),
        credits: None,
    };
    let kind = |spent, reserved| {
        let spent = Spent {
            spent: spent * MICROS,
            reserved: reserved * MICROS,
        };
        limit
            .warning((SpendUnit::Money, "2026-11"), spent, NOW)
            .map(|notice| (notice.topic.kind(), notice.words))
    };
    assert_eq!(
        kind(3_999, 1_001),
        None,
        "what is only reserved may come back"
    );
    let (near, words) = kind(4_000, 1_000).expect("a warning");
    assert_eq!(near, NoticeKind::SpendLimitNear);
    assert_eq!(
        words,
        "40.00 USD of your spend limit of 50.00 USD for this billing period are spent, and 10.00 USD \
         are reserved for work under way."
    );
    assert_eq!(
        kind(5_000, 0).expect("a warning").0,
        NoticeKind::SpendLimitReached
    );
    assert!(
        limit
            .warning((SpendUnit::Credits, "2026-11"), Spent::of(u64::MAX, 0), NOW)
            .is_none(),
        "no limit there"
    );
    let none = SpendLimit {
        credits: Some(Credits::ZERO),
        ..SpendLimit::default()
    };
    assert!(
        none.warning((SpendUnit::Credits, "p"), Spent::default(), NOW)
            .is_none(),
        "nothing was spent, as the customer wished"
    );
    let told = none
        .reached((SpendUnit::Credits, "p"), Spent::default(), NOW)
        .expect("a notice");
    assert_eq!(
        told.topic.kind(),
        NoticeKind::SpendLimitReached,
        "something was refused"
    );
}

#[test]
fn parts_of_a_minor_unit_show_as_a_whole_one() {
    assert_eq!(
        (minor(0), minor(1), minor(MICROS), minor(MICROS + 1)),
        (0, 1, 1, 2)
    );
    assert_eq!(
        Spent::of(5, 9),
        Spent {
            spent: 0,
            reserved: 5
        }
    );
    for unit in [SpendUnit::Money, SpendUnit::Credits] {
        assert_eq!(SpendUnit::parse(unit.as_str()), Some(unit));
    }
}
