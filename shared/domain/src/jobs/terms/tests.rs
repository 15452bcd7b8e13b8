//! What is counted and spent never exceeds what was reserved.

use super::*;
use crate::billing::plans::Rate;

const MICROS: u64 = crate::billing::spending::MICROS;

fn account() -> AccountId {
    AccountId::mint(Timestamp::from_millis(1), [7; 10])
}

fn terms(funding: Funding, spending: Spending) -> Terms {
    Terms {
        places: crate::billing::quotas::QuotaPlaces::default(),
        funding,
        billable: Billable::PrOpened,
        budget: None,
        period: "2026-11".to_owned(),
        priced_by: "v".to_owned(),
        spending: Some(spending),
    }
}

/// A job's model has counted more than the customer agreed to: they are billed what was reserved.
#[test]
fn no_more_tokens_are_billed_than_were_reserved() {
    let line = SpendLine {
        meter: Meter::tokens(),
        counts: MeteredUnit::Tokens,
        most: 1_000,
        rate: Rate::PerUnit("0.0018".to_owned()),
    };
    let funding = Funding::Metered {
        customer: CustomerId::parse("cus_1").expect("an id"),
        counts: vec![(Meter::tokens(), MeteredUnit::Tokens)],
    };
    let terms = terms(
        funding,
        Spending {
            period: "2026-11".to_owned(),
            unit: SpendUnit::Money,
            lines: vec![line],
            reserved: 1_800_000,
        },
    );
    for (input, output, expected) in [(400, 100, 500), (900, 100, 1_000), (4_000, 1_000, 1_000)] {
        let used = Delivered {
            pulls: 1,
            tokens: Tokens::of(input, output),
        };
        let of = UsageSource::Report(crate::ids::ActionId::of_digest([3; 16]));
        let usage = terms.usage(&account(), &of, used, Timestamp::default());
        assert_eq!(usage.len(), 1);
        assert_eq!(usage[0].value, expected, "{input} and {output}");
        assert_eq!(usage[0].rate, Some(Rate::PerUnit("0.0018".to_owned())));
        let spent = terms
            .ends(&account(), Credits::ZERO, used)
            .expect("it is spent");
        let reserved = 1_800_i64 * 1_000;
        let exact = i64::try_from(expected).expect("few") * 1_800;
        assert_eq!(spent.flat, exact - reserved, "{input} and {output}");
    }
}

/// The sum of a period never exceeds its limit, because no job adds more than was reserved for it.
#[test]
fn no_more_credits_are_spent_than_were_reserved() {
    let held = Credits::whole(600).expect("an amount");
    let funding = Funding::Prepaid {
        held,
        markup: BasisPoints(0),
        fee: Credits::whole(15).expect("an amount"),
    };
    let terms = terms(
        funding,
        Spending {
            period: "2026-11".to_owned(),
            unit: SpendUnit::Credits,
            lines: vec![],
            reserved: held.micros(),
        },
    );
    for (cost, flat) in [(0, -600), (585, -15), (600, 0), (601, 0), (615, 0)] {
        let cost = Credits::whole(cost).expect("an amount");
        let spent = terms
            .ends(&account(), cost, Delivered::default())
            .expect("it is spent");
        let micros = i64::try_from(MICROS).expect("small");
        assert_eq!(spent.flat, flat * micros, "{cost}");
    }
}
