//! Random sequences of all postings, compared with a trivially simple model.

mod grants;
mod payments;

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
use store::{PaymentRecorded, Post, Store};

/// A seeded random number generator.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = scramble(self.0);
        (self.0 >> 16) % bound
    }
}

/// The expected state of one account.
#[derive(Default)]
struct Model {
    free: i64,
    /// Open holds with their amounts.
    open: BTreeMap<u64, u64>,
    /// Every posted cause with its effect.
    posted: BTreeMap<String, (i64, i64)>,
}

impl Model {
    fn held(&self) -> i64 {
        self.open.values().sum::<u64>().cast_signed()
    }

    /// The expected answer to a posting. If it writes, the model is updated.
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
        Post::SpendLimitReached => panic!("no account has a limit here"),
    }
}

/// A posting from few causes and with small amounts, so that repeats, reuse and insufficient
/// balances are common.
fn drawn(dice: &mut Dice, model: &Model, account: &AccountId) -> (Posting, u64) {
    let n = dice.below(6);
    let amount = 1 + dice.below(50);
    let posting = match dice.below(6) {
        0 => gift(account, dice.below(20), amount * 3),
        1 => fine(account, dice.below(20), amount),
        2 | 3 => hold(account, n, amount),
        _ => {
            // Usually the held amount, sometimes another one; the used amount may exceed it.
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

/// The pages of a listing, whatever their size, add up to the whole listing. Entries of the same
/// moment have an order, too.
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
