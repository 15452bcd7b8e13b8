//! Payments, refunds and disputes: every order in which Stripe can report them ends the same.

use super::*;

const GRANTED: u64 = 10_000;

const PAID: i64 = 1_000;

fn bought() -> PaymentFact {
    PaymentFact::Bought(CreditPurchase {
        account: account(1),
        credits: micros(GRANTED),
        paid_minor: PAID,
        currency: "usd".to_owned(),
        what: "10k credits".to_owned(),
        priced_by: "v1".to_owned(),
        expires_at: None,
    })
}

fn refund(n: u64, minor: i64, outcome: RefundOutcome) -> PaymentFact {
    PaymentFact::Refund(
        RefundId::parse(&format!("re_{n}")).expect("an id"),
        Refund { minor, outcome },
    )
}

fn disputed(
    n: u64,
    minor: i64,
    phase: DisputePhase,
    withdrawn: Observed,
    reinstated: Observed,
) -> PaymentFact {
    let id = DisputeId::parse(&format!("dp_{n}")).expect("an id");
    PaymentFact::Disputed(
        id,
        Dispute {
            minor,
            phase,
            withdrawn,
            reinstated,
        },
    )
}

/// A name, Stripe's events about one payment, and the credits that remain at the end.
type Story = (&'static str, Vec<PaymentFact>, u64);

fn refunds() -> Vec<Story> {
    use RefundOutcome::{Failed, Made};
    let parts = vec![
        bought(),
        refund(1, 100, Made),
        PaymentFact::Refunded(100),
        refund(2, 150, Made),
        PaymentFact::Refunded(250),
    ];
    let failed = vec![
        bought(),
        refund(1, 600, Made),
        PaymentFact::Refunded(600),
        refund(2, 400, Made),
        PaymentFact::Refunded(PAID),
        refund(2, 400, Failed),
    ];
    vec![
        ("only paid", vec![bought(), bought()], GRANTED),
        ("refunded by parts", parts, 7_500),
        (
            "refunded whole",
            vec![bought(), refund(1, PAID, Made), PaymentFact::Refunded(PAID)],
            0,
        ),
        (
            "an old API version reports sums only",
            vec![
                bought(),
                PaymentFact::Refunded(300),
                PaymentFact::Refunded(700),
            ],
            3_000,
        ),
        ("one refund failed", failed, 4_000),
    ]
}

fn disputes() -> Vec<Story> {
    use DisputePhase::{Inquiry, InquiryClosed, Lost, Open, Won};
    use Observed::{No, Yes};
    let one = |phase, withdrawn, reinstated| disputed(1, PAID, phase, withdrawn, reinstated);
    let after_a_refund = vec![
        bought(),
        refund(1, 400, RefundOutcome::Made),
        PaymentFact::Refunded(400),
        disputed(1, PAID, Open, Yes, No),
    ];
    let two = vec![
        bought(),
        disputed(1, 300, Open, Yes, No),
        disputed(2, 200, Open, Yes, No),
        disputed(1, 300, Won, Yes, Yes),
        disputed(2, 200, Lost, Yes, No),
    ];
    vec![
        (
            "won",
            vec![
                bought(),
                one(Open, No, No),
                one(Open, Yes, No),
                one(Won, No, No),
                one(Won, No, Yes),
            ],
            GRANTED,
        ),
        (
            "lost",
            vec![
                bought(),
                one(Open, No, No),
                one(Open, Yes, No),
                one(Lost, No, No),
            ],
            0,
        ),
        (
            "only an inquiry",
            vec![bought(), one(Inquiry, No, No), one(InquiryClosed, No, No)],
            GRANTED,
        ),
        (
            "an inquiry that became a dispute",
            vec![
                bought(),
                one(Inquiry, No, No),
                one(Open, No, No),
                one(Lost, Yes, No),
            ],
            0,
        ),
        ("disputed after a refund", after_a_refund, 0),
        ("two disputes, one won", two, 8_000),
    ]
}

fn stories() -> Vec<Story> {
    [refunds(), disputes()].concat()
}

/// The facts of one payment in any order, each possibly twice: the end is the same, and at no
/// moment are more credits taken back than were granted.
#[tokio::test(start_paused = true)]
async fn every_order_of_stripe_s_events_ends_the_same() {
    for (name, facts, left) in stories() {
        for seed in 1..=40 {
            let store = books(seed).await;
            let payment = PaymentId::parse("pi_1").expect("an id");
            let mut dice = Dice(seed);
            let mut sent: Vec<_> = facts
                .iter()
                .chain(facts.iter().filter(|_| seed % 2 == 0))
                .cloned()
                .collect();
            for place in (1..sent.len()).rev() {
                sent.swap(
                    place,
                    usize::try_from(dice.below(u64::try_from(place).expect("few") + 1))
                        .expect("small"),
                );
            }
            for fact in &sent {
                let learned = store
                    .payment_record(&payment, fact, "evt_1", NOW)
                    .await
                    .expect("an answer");
                assert!(
                    !matches!(learned, PaymentRecorded::Contradicts(_)),
                    "{name}: {learned:?}"
                );
                let balance = store.balance_find(&account(1)).await.expect("a balance");
                assert!(
                    balance.debt.is_zero(),
                    "{name}, seed {seed}: more was taken back than given"
                );
            }
            let balance = store.balance_find(&account(1)).await.expect("a balance");
            assert_eq!(
                balance.available,
                micros(left),
                "{name}, seed {seed}, sent {sent:?}"
            );
            assert_eq!(
                store.ledger_audit().await.expect("an audit").faults,
                Vec::<String>::new(),
                "{name}"
            );
        }
    }
}

/// The same facts, reported concurrently.
#[tokio::test(start_paused = true)]
async fn facts_may_come_all_at_once() {
    for (name, facts, left) in stories() {
        let store = books(3).await;
        let payment = PaymentId::parse("pi_1").expect("an id");
        let mut open: Vec<_> = facts.iter().chain(&facts).collect();
        while !open.is_empty() {
            let posted = together(
                open.iter()
                    .map(|fact| store.payment_record(&payment, fact, "evt_1", NOW)),
            )
            .await;
            // A posting with too much contention fails and is retried, as a message would be.
            open = open
                .into_iter()
                .zip(posted)
                .filter_map(|(fact, posted)| posted.is_err().then_some(fact))
                .collect();
        }
        let balance = store.balance_find(&account(1)).await.expect("a balance");
        assert_eq!(
            (balance.available, balance.debt),
            (micros(left), Credits::ZERO),
            "{name}"
        );
        assert_eq!(
            store.ledger_audit().await.expect("an audit").faults,
            Vec::<String>::new(),
            "{name}"
        );
    }
}

/// Credits that are taken back after they were spent are owed. Nothing can be held meanwhile, and
/// new credits pay the debt first.
#[tokio::test(start_paused = true)]
async fn a_refund_of_what_was_spent_is_a_debt_that_the_next_purchase_pays() {
    let store = books(9).await;
    let id = account(1);
    let first = PaymentId::parse("pi_1").expect("an id");
    store
        .payment_record(&first, &bought(), "evt_1", NOW)
        .await
        .expect("an answer");
    store
        .ledger_post(&[hold(&id, 1, 8_000)])
        .await
        .expect("an answer");
    store
        .ledger_post(&[settle(&id, 1, 8_000, 7_000)])
        .await
        .expect("an answer");
    store
        .payment_record(&first, &PaymentFact::Refunded(PAID), "evt_2", NOW)
        .await
        .expect("an answer");
    let of = |available, held, debt| Balance {
        available: micros(available),
        held: micros(held),
        debt: micros(debt),
    };
    assert_eq!(
        store.balance_find(&id).await.expect("a balance"),
        of(0, 0, 7_000)
    );
    let refused = store
        .ledger_post(&[hold(&id, 2, 1)])
        .await
        .expect("an answer");
    assert_eq!(refused, Post::Insufficient(of(0, 0, 7_000)));
    let second = PaymentId::parse("pi_2").expect("an id");
    store
        .payment_record(&second, &bought(), "evt_3", NOW)
        .await
        .expect("an answer");
    assert_eq!(
        store.balance_find(&id).await.expect("a balance"),
        of(3_000, 0, 0)
    );
}

/// A payment reported for another account, or with another amount, changes nothing.
#[tokio::test(start_paused = true)]
async fn a_payment_has_one_buyer() {
    let store = books(4).await;
    let payment = PaymentId::parse("pi_1").expect("an id");
    store
        .payment_record(&payment, &bought(), "evt_1", NOW)
        .await
        .expect("an answer");
    let PaymentFact::Bought(purchase) = bought() else {
        panic!("bought")
    };
    for other in [
        CreditPurchase {
            account: account(2),
            ..purchase.clone()
        },
        CreditPurchase {
            paid_minor: PAID + 1,
            ..purchase.clone()
        },
    ] {
        let learned = store
            .payment_record(&payment, &PaymentFact::Bought(other), "evt_2", NOW)
            .await
            .expect("an answer");
        assert!(
            matches!(learned, PaymentRecorded::Contradicts(_)),
            "{learned:?}"
        );
    }
    assert_eq!(
        store.balance_find(&account(2)).await.expect("a balance"),
        Balance::default()
    );
    assert_eq!(
        store
            .balance_find(&account(1))
            .await
            .expect("a balance")
            .available,
        micros(GRANTED)
    );
}

/// A posting whose answer was lost is recognized, even much later.
#[tokio::test(start_paused = true)]
async fn saying_it_again_says_the_same() {
    let store: Store = books(8).await;
    let id = account(1);
    let overdraft = |amount, overdraft| {
        let of = (micros(amount), micros(overdraft));
        Posting::hold(
            &id,
            hold_id(1),
            of,
            domain::ledger::EntryDetails::default(),
            NOW,
        )
    };
    assert_eq!(
        store
            .ledger_post(&[overdraft(10, 9)])
            .await
            .expect("an answer"),
        Post::Insufficient(Balance::default())
    );
    assert_eq!(
        store
            .ledger_post(&[overdraft(10, 10)])
            .await
            .expect("an answer"),
        Post::Posted
    );
    assert_eq!(
        store
            .ledger_post(&[overdraft(10, 10)])
            .await
            .expect("an answer"),
        Post::AlreadyPosted,
        "though poor by now"
    );
    assert_eq!(
        store
            .ledger_post(&[overdraft(11, 20)])
            .await
            .expect("an answer"),
        Post::CauseReused
    );
    assert_eq!(
        store.balance_find(&id).await.expect("a balance").debt,
        micros(10),
        "a debt that the plan allows"
    );
}
