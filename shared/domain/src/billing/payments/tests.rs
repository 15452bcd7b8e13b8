//! Tests that a payment's facts have the same result in every order. (Through the store:
//! `tests/it/ledger/sequences.rs`.)

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_210_980_000);

fn credits(micros: u64) -> Credits {
    Credits::from_micros(micros).expect("an amount")
}

fn account(n: u8) -> AccountId {
    AccountId::mint(NOW, [n; 10])
}

fn bought(micros: u64, paid_minor: i64) -> PaymentFact {
    let (currency, what, priced_by) = ("usd".to_owned(), "credits".to_owned(), "v1".to_owned());
    let (account, credits, expires_at) = (account(1), credits(micros), None);
    PaymentFact::Bought(CreditPurchase {
        account,
        credits,
        paid_minor,
        currency,
        what,
        priced_by,
        expires_at,
    })
}

fn refund(id: &str, minor: i64, outcome: RefundOutcome) -> PaymentFact {
    PaymentFact::Refund(
        RefundId::parse(id).expect("an id"),
        Refund { minor, outcome },
    )
}

fn dispute(
    minor: i64,
    phase: DisputePhase,
    withdrawn: Observed,
    reinstated: Observed,
) -> PaymentFact {
    PaymentFact::Disputed(
        DisputeId::parse("dp_1").expect("an id"),
        Dispute {
            minor,
            phase,
            withdrawn,
            reinstated,
        },
    )
}

/// Applies facts one after another. Returns the change of the account's credits after each.
fn told<'a>(facts: impl IntoIterator<Item = &'a PaymentFact>) -> (Payment, Vec<i64>) {
    let mut payment = Payment::unknown(PaymentId::parse("pi_1").expect("an id"));
    let (mut free, mut path) = (0, Vec::new());
    for fact in facts {
        if let Some(learned) = payment
            .learn(fact.clone(), "evt_1", NOW)
            .expect("no contradiction")
        {
            free += learned
                .postings
                .iter()
                .map(|posting| posting.entry().free)
                .sum::<i64>();
            payment = learned.payment;
        }
        path.push(free);
    }
    (payment, path)
}

/// Every order of a few facts.
fn orders(facts: &[PaymentFact]) -> Vec<Vec<PaymentFact>> {
    let Some((first, rest)) = facts.split_first() else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for order in orders(rest) {
        for place in 0..=order.len() {
            let mut longer = order.clone();
            longer.insert(place, first.clone());
            all.push(longer);
        }
    }
    all
}

#[test]
fn every_order_ends_the_same_and_never_below_nothing() {
    use {DisputePhase::*, Observed::*, RefundOutcome::*};
    let stories = [
        (
            vec![
                refund("re_1", 100, Made),
                PaymentFact::Refunded(100),
                refund("re_2", 400, Made),
                PaymentFact::Refunded(500),
            ],
            500,
        ),
        (
            vec![
                refund("re_1", 600, Made),
                PaymentFact::Refunded(600),
                refund("re_1", 600, Failed),
            ],
            1_000,
        ),
        (
            vec![
                dispute(1_000, Open, No, No),
                dispute(1_000, Open, Yes, No),
                dispute(1_000, Won, No, Yes),
            ],
            1_000,
        ),
        (
            vec![
                refund("re_1", 300, Made),
                dispute(1_000, Open, Yes, No),
                dispute(1_000, Lost, No, No),
            ],
            0,
        ),
        (
            vec![
                dispute(500, Inquiry, No, No),
                dispute(500, InquiryClosed, No, No),
                PaymentFact::Refunded(250),
            ],
            750,
        ),
    ];
    for (mut facts, left) in stories {
        facts.push(bought(1_000, 1_000));
        for order in orders(&facts) {
            let (_, path) = told(&order);
            assert_eq!(path.last(), Some(&left), "{order:?}");
            assert!(path.iter().all(|free| *free >= 0), "{order:?}");
            assert_eq!(
                told(order.iter().chain(&order)).1.last(),
                Some(&left),
                "twice: {order:?}"
            );
        }
    }
}

#[test]
fn the_same_share_of_the_credits_goes_as_of_the_money() {
    for (paid, refunded, left) in [
        (3, 1, 667_i64),
        (3, 2, 334),
        (3, 3, 0),
        (3, 9, 0),
        (1_000, 1, 999),
        (1_000, 0, 1_000),
    ] {
        let (payment, path) = told(&[bought(1_000, paid), PaymentFact::Refunded(refunded)]);
        assert_eq!(
            (path.last(), payment.taken),
            (Some(&left), credits(1_000 - left.unsigned_abs())),
            "{refunded} of {paid}"
        );
    }
    assert_eq!(
        told(&[bought(1_000, 0), PaymentFact::Refunded(5)]).1.last(),
        Some(&1_000),
        "a gift has no money to go back"
    );
}

#[test]
fn another_buyer_or_amount_is_a_contradiction() {
    let (payment, _) = told(&[bought(1_000, 500)]);
    let PaymentFact::Bought(purchase) = bought(1_000, 500) else {
        panic!("bought")
    };
    for other in [
        CreditPurchase {
            account: account(2),
            ..purchase.clone()
        },
        CreditPurchase {
            paid_minor: 501,
            ..purchase.clone()
        },
    ] {
        assert_eq!(
            payment
                .learn(PaymentFact::Bought(other), "evt_2", NOW)
                .err(),
            Some(Contradiction)
        );
    }
    let renamed = CreditPurchase {
        what: "other words".to_owned(),
        priced_by: "v2".to_owned(),
        ..purchase
    };
    assert!(
        payment
            .learn(PaymentFact::Bought(renamed), "evt_2", NOW)
            .expect("no contradiction")
            .is_none(),
        "the first stands"
    );
}

#[test]
fn stripe_s_words_for_a_dispute_have_their_phases() {
    for (word, phase) in [
        ("warning_needs_response", DisputePhase::Inquiry),
        ("warning_under_review", DisputePhase::Inquiry),
        ("warning_closed", DisputePhase::InquiryClosed),
        ("needs_response", DisputePhase::Open),
        ("under_review", DisputePhase::Open),
        ("won", DisputePhase::Won),
        ("lost", DisputePhase::Lost),
        ("a word of tomorrow", DisputePhase::Open),
    ] {
        assert_eq!(DisputePhase::of_status(word), phase, "{word}");
    }
    for phase in DisputePhase::ALL {
        assert_eq!(DisputePhase::parse(phase.as_str()), Some(phase));
    }
}

/// What is left expires once. Money that is returned after the expiry is set against the expired
/// credits first.
#[test]
fn what_has_gone_with_its_time_is_not_taken_again() {
    for (spent, before, gone, after, left) in [
        (0, 0, 1_000, 1_000, 0),
        (600, 0, 400, 1_000, -600),
        (600, 0, 400, 400, -600 + 600),
        (600, 0, 400, 500, -100),
        // A part had been taken back before the expiry, and stays taken.
        (300, 400, 300, 400, 0),
        (300, 400, 300, 700, 0),
        (300, 400, 300, 1_000, -300),
    ] {
        let mut facts = vec![bought(1_000, 1_000)];
        facts.extend((before > 0).then_some(PaymentFact::Refunded(before)));
        let (payment, path) = told(&facts);
        let free = path.last().expect("a grant") - spent;
        let learned = payment
            .expire(credits(gone), NOW)
            .expect("it had not gone before");
        let free = free
            + learned
                .postings
                .iter()
                .map(|posting| posting.entry().free)
                .sum::<i64>();
        assert!(learned.payment.expire(credits(gone), NOW).is_none(), "once");
        let told = learned
            .payment
            .learn(PaymentFact::Refunded(after), "evt_2", NOW)
            .expect("no contradiction");
        let moved = told.map_or(0, |told| {
            told.postings
                .iter()
                .map(|posting| posting.entry().free)
                .sum()
        });
        assert_eq!(
            free + moved,
            left,
            "{spent} spent, {before} back, {gone} gone, {after} back"
        );
    }
}

/// A refund that fails after the expiry gives back what it took, and no more.
#[test]
fn a_refund_that_fails_gives_back_what_it_took() {
    use RefundOutcome::{Failed, Made};
    let (payment, _) = told(&[bought(1_000, 1_000), refund("re_1", 300, Made)]);
    let payment = payment
        .expire(credits(500), NOW)
        .expect("it had not gone before")
        .payment;
    let told = payment
        .learn(refund("re_2", 600, Made), "evt_2", NOW)
        .expect("true")
        .expect("news");
    assert_eq!(
        told.payment.taken,
        credits(400),
        "of 600 more, 500 had gone with their time"
    );
    let told = told
        .payment
        .learn(refund("re_2", 600, Failed), "evt_3", NOW)
        .expect("true")
        .expect("news");
    assert_eq!(told.payment.taken, credits(300));
    let told = told
        .payment
        .learn(refund("re_1", 300, Failed), "evt_4", NOW)
        .expect("true")
        .expect("news");
    assert_eq!(told.payment.taken, Credits::ZERO);
}

/// A refund that read the payment before must not overwrite what expired.
#[test]
fn an_expiry_is_a_new_version() {
    let (payment, _) = told(&[bought(1_000_000, 100)]);
    let update = payment.expire(credits(400_000), NOW).expect("an expiry");
    assert_eq!(update.payment.version, payment.version + 1);
    assert!(update.payment.expire(credits(400_000), NOW).is_none());
}
