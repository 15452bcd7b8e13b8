//! Random sequences of everything that can happen to a balance, beside a model that a child could check.

use super::{NOW, account, books, fine, gift, hold, hold_id, micros, settle};
use crate::world::verbs::together;
use domain::billing::payments::{
    CreditPurchase, Dispute, DisputePhase, Observed, PaymentFact, Refund, RefundOutcome,
};
use domain::ids::{AccountId, DisputeId, PaymentId, RefundId};
use domain::ledger::{Balance, Posting};
use domain::units::Credits;
use stand_in_shared::faults::scramble;
use std::collections::BTreeMap;
use store::{PaymentLearnt, Post, Store};

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = scramble(self.0);
        (self.0 >> 16) % bound
    }
}

/// What should be true of one account.
#[derive(Default)]
struct Model {
    free: i64,
    /// Open holds and what they hold.
    open: BTreeMap<u64, u64>,
    /// Every cause that was posted, with what it did.
    posted: BTreeMap<String, (i64, i64)>,
}

impl Model {
    fn held(&self) -> i64 {
        self.open.values().sum::<u64>().cast_signed()
    }

    /// What posting must answer; if it writes, the model does too.
    fn post(&mut self, posting: &Posting, n: u64) -> Expected {
        let entry = posting.entry();
        let moved = (entry.free, entry.held);
        if let Some(known) = self.posted.get(&entry.cause) {
            return if *known == moved {
                Expected::Already
            } else {
                Expected::Reused
            };
        }
        let settles = entry.cause.starts_with("SETTLEMENT#");
        if settles
            && self
                .open
                .get(&n)
                .is_none_or(|held| held.cast_signed() != -entry.held)
        {
            return Expected::NoHold;
        }
        if entry.held > 0 && self.free < entry.held {
            return Expected::Poor;
        }
        if settles {
            self.open.remove(&n);
        } else if entry.held > 0 {
            self.open.insert(n, entry.held.unsigned_abs());
        }
        self.free += entry.free;
        self.posted.insert(entry.cause.clone(), moved);
        Expected::Posted
    }

    fn balance(&self) -> Balance {
        Balance::of(self.free, self.held()).expect("a balance")
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Posted,
    Already,
    Reused,
    Poor,
    NoHold,
}

fn seen(post: Post) -> Expected {
    match post {
        Post::Posted => Expected::Posted,
        Post::AlreadyPosted => Expected::Already,
        Post::CauseReused => Expected::Reused,
        Post::Insufficient(_) => Expected::Poor,
        Post::NoHold => Expected::NoHold,
        Post::SpendLimitReached => panic!("nobody has a limit here"),
    }
}

/// A posting of few causes and small amounts, so that repeats, reuse and poverty are common.
fn drawn(dice: &mut Dice, model: &Model, account: &AccountId) -> (Posting, u64) {
    let n = dice.below(6);
    let amount = 1 + dice.below(50);
    let posting = match dice.below(6) {
        0 => gift(account, dice.below(20), amount * 3),
        1 => fine(account, dice.below(20), amount),
        2 | 3 => hold(account, n, amount),
        _ => {
            // Mostly the amount that is held, sometimes another; used may be more than held.
            let held = model
                .open
                .get(&n)
                .copied()
                .filter(|_| dice.below(8) > 0)
                .unwrap_or(amount);
            settle(account, n, held, dice.below(held + 10))
        }
    };
    (posting, n)
}

#[tokio::test(start_paused = true)]
async fn any_sequence_leaves_what_the_model_says() {
    for seed in 1..=60 {
        let store = books(seed).await;
        let (one, other) = (account(1), account(2));
        let mut models = [Model::default(), Model::default()];
        let mut dice = Dice(seed);
        for step in 0..80 {
            let which = usize::try_from(dice.below(2)).expect("small");
            let id = if which == 0 { &one } else { &other };
            let (posting, n) = drawn(&mut dice, &models[which], id);
            let expected = models[which].post(&posting, n);
            let post = store
                .ledger_post(std::slice::from_ref(&posting))
                .await
                .expect("an answer");
            assert_eq!(
                seen(post),
                expected,
                "seed {seed} step {step}: {:?}",
                posting.entry()
            );
            assert_eq!(
                store.balance_find(id).await.expect("a balance"),
                models[which].balance(),
                "seed {seed} step {step}"
            );
        }
        for (model, id) in models.iter().zip([&one, &other]) {
            let holds = store.hold_list(id).await.expect("the holds");
            let open: BTreeMap<_, _> = holds
                .into_iter()
                .map(|hold| (hold.hold, hold.amount))
                .collect();
            let expected: BTreeMap<_, _> = model
                .open
                .iter()
                .map(|(n, held)| (hold_id(*n), micros(*held)))
                .collect();
            assert_eq!(open, expected, "seed {seed}");
            let entries = store.entry_all(id).await.expect("the entries");
            assert_eq!(
                entries.len(),
                model.posted.len(),
                "seed {seed}: an entry for each cause and no other"
            );
        }
        let audit = store.ledger_audit().await.expect("an audit");
        assert_eq!(audit.faults, Vec::<String>::new(), "seed {seed}");
    }
}

/// A listing by pages, whatever their size, is the whole listing; entries of one moment have an order too.
#[tokio::test(start_paused = true)]
async fn pages_meet_without_a_gap() {
    let store = books(5).await;
    let id = account(1);
    for n in 0..23 {
        store
            .ledger_post(&[gift(&id, n, 1)])
            .await
            .expect("an answer");
    }
    let whole = store.entry_list(&id, None, 100).await.expect("a page");
    assert_eq!((whole.rows.len(), &whole.next), (23, &None));
    for size in [1, 2, 7, 22, 23] {
        let (mut entries, mut from) = (Vec::new(), None);
        loop {
            let page = store
                .entry_list(&id, from.as_ref(), size)
                .await
                .expect("a page");
            entries.extend(page.rows);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(entries, whole.rows, "pages of {size}");
    }
}

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

/// A name, what Stripe tells of one payment, and what is left of its credits in the end.
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
            "an old version of Stripe's tells sums only",
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

/// Facts of one payment, in any order, each perhaps twice: the end is the same, and at no moment was more taken back than
/// was given.
#[tokio::test(start_paused = true)]
async fn whatever_order_stripe_tells_in_the_end_is_the_same() {
    for (name, facts, left) in stories() {
        for seed in 1..=40 {
            let store = books(seed).await;
            let payment = PaymentId::parse("pi_1").expect("an id");
            let mut dice = Dice(seed);
            let mut told: Vec<_> = facts
                .iter()
                .chain(facts.iter().filter(|_| seed % 2 == 0))
                .cloned()
                .collect();
            for place in (1..told.len()).rev() {
                told.swap(
                    place,
                    usize::try_from(dice.below(u64::try_from(place).expect("few") + 1))
                        .expect("small"),
                );
            }
            for fact in &told {
                let learnt = store
                    .payment_learn(&payment, fact, "evt_1", NOW)
                    .await
                    .expect("an answer");
                assert!(
                    !matches!(learnt, PaymentLearnt::Contradicts(_)),
                    "{name}: {learnt:?}"
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
                "{name}, seed {seed}, told {told:?}"
            );
            assert_eq!(
                store.ledger_audit().await.expect("an audit").faults,
                Vec::<String>::new(),
                "{name}"
            );
        }
    }
}

/// The same facts told by several at once.
#[tokio::test(start_paused = true)]
async fn facts_may_come_all_at_once() {
    for (name, facts, left) in stories() {
        let store = books(3).await;
        let payment = PaymentId::parse("pi_1").expect("an id");
        let mut open: Vec<_> = facts.iter().chain(&facts).collect();
        while !open.is_empty() {
            let told = together(
                open.iter()
                    .map(|fact| store.payment_learn(&payment, fact, "evt_1", NOW)),
            )
            .await;
            // Who met too many others says so and comes again, as a message would.
            open = open
                .into_iter()
                .zip(told)
                .filter_map(|(fact, told)| told.is_err().then_some(fact))
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

/// What was spent and then taken back is owed, nothing is held meanwhile, and what comes in pays it first.
#[tokio::test(start_paused = true)]
async fn a_refund_of_what_was_spent_is_a_debt_that_the_next_purchase_pays() {
    let store = books(9).await;
    let id = account(1);
    let first = PaymentId::parse("pi_1").expect("an id");
    store
        .payment_learn(&first, &bought(), "evt_1", NOW)
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
        .payment_learn(&first, &PaymentFact::Refunded(PAID), "evt_2", NOW)
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
        .payment_learn(&second, &bought(), "evt_3", NOW)
        .await
        .expect("an answer");
    assert_eq!(
        store.balance_find(&id).await.expect("a balance"),
        of(3_000, 0, 0)
    );
}

/// A payment that is said to be somebody else's, or of another amount, changes nothing.
#[tokio::test(start_paused = true)]
async fn a_payment_has_one_buyer() {
    let store = books(4).await;
    let payment = PaymentId::parse("pi_1").expect("an id");
    store
        .payment_learn(&payment, &bought(), "evt_1", NOW)
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
        let learnt = store
            .payment_learn(&payment, &PaymentFact::Bought(other), "evt_2", NOW)
            .await
            .expect("an answer");
        assert!(
            matches!(learnt, PaymentLearnt::Contradicts(_)),
            "{learnt:?}"
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

/// A posting whose answer was lost is known again, also long after.
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
