//! Random sequences of typed grants, other movements and nights: lots are always what the balance
//! is, and what expires does so once.

use super::Dice;
use crate::ledger::{account, books, digest, hold_id, micros};
use crate::world::verbs::together;
use domain::ids::{AccountId, ActionId};
use domain::ledger::{AdjustmentSide, EntryDetails, EntryKind, GrantTerms, GrantType, Posting};
use domain::time::Timestamp;
use domain::units::Credits;
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Expiry, Post, Store};

const DAY: Duration = Duration::from_secs(86_400);

fn action(n: u64) -> ActionId {
    ActionId::of_digest(digest(9, n))
}

fn adjusted(account: &AccountId, n: u64, by: (u64, AdjustmentSide), now: Timestamp) -> Posting {
    let by = (micros(by.0), by.1);
    Posting::adjustment(account, action(n), by, EntryDetails::default(), now)
}

/// A grant of any type, with an end in a few days or none.
fn typed(dice: &mut Dice, account: &AccountId, n: u64, now: Timestamp) -> Posting {
    let kinds = GrantType::ALL;
    let kind = kinds[usize::try_from(dice.below(3)).expect("small")];
    let days = u32::try_from(dice.below(6)).expect("small");
    let terms = GrantTerms {
        kind,
        priority: kind.usual_priority(),
        expires_at: (days > 0).then(|| now.plus(DAY * days)),
    };
    let amount = micros(1 + dice.below(60));
    let label = EntryDetails::default();
    Posting::typed_grant(account, action(n), (amount, terms), label, now)
}

fn settled(account: &AccountId, n: u64, (held, used): (u64, u64), now: Timestamp) -> Posting {
    let amounts = (micros(held), micros(used));
    Posting::settle(account, hold_id(n), amounts, EntryDetails::default(), now)
}

/// Asserts that the lots of an account add up to its balance.
async fn assert_lots_are_the_balance(store: &Store, account: &AccountId, what: &str) {
    let balance = store.balance_find(account).await.expect("a balance");
    let lots = store.lot_list(account).await.expect("the lots");
    let left: u64 = lots.iter().map(|lot| lot.left.micros()).sum();
    let all =
        (balance.available.micros() + balance.held.micros()).saturating_sub(balance.debt.micros());
    assert_eq!(left, all, "{what}");
}

/// Lets everything expire that is due, twice at once. Returns how much went.
async fn night(store: &Store, now: Timestamp) -> u64 {
    let rows = store.expiry_list(now, None, 100).await.expect("the rows");
    let mut gone = 0;
    for row in &rows {
        let answers = together([store.lot_expire(row, now), store.lot_expire(row, now)]).await;
        let posted = answers.into_iter().map(|answer| match answer {
            Ok(Expiry::Posted(credits, _)) => credits.micros(),
            Ok(Expiry::Spent | Expiry::Held | Expiry::Before) => 0,
            Err(error) => panic!("{error}"),
        });
        gone += posted.sum::<u64>();
    }
    gone
}

#[tokio::test(start_paused = true)]
async fn any_sequence_of_grants_and_nights_keeps_lots_and_balance_equal() {
    for seed in 1..=40 {
        let store = books(seed).await;
        let id = account(1);
        let mut dice = Dice(seed);
        let mut open = BTreeMap::<u64, u64>::new();
        let (mut now, mut gone) = (crate::ledger::NOW, 0);
        for step in 0..50 {
            now = now.plus(Duration::from_secs(1));
            let amount = 1 + dice.below(40);
            let posting = match dice.below(7) {
                0 | 1 => typed(&mut dice, &id, 1_000 + step, now),
                2 => adjusted(&id, 2_000 + step, (amount, AdjustmentSide::Credit), now),
                3 => adjusted(&id, 3_000 + step, (amount, AdjustmentSide::Debit), now),
                4 => {
                    let amounts = (micros(amount), Credits::ZERO);
                    Posting::hold(&id, hold_id(step), amounts, EntryDetails::default(), now)
                }
                5 => match open.pop_first() {
                    Some((n, held)) => settled(&id, n, (held, dice.below(held + 1)), now),
                    None => continue,
                },
                _ => {
                    now = now.plus(DAY);
                    gone += night(&store, now).await;
                    continue;
                }
            };
            let holds = posting.entry().held;
            let post = store
                .ledger_post(std::slice::from_ref(&posting))
                .await
                .expect("an answer");
            assert!(
                matches!(post, Post::Posted | Post::Insufficient(_)),
                "{post:?}"
            );
            if holds > 0 && post == Post::Posted {
                open.insert(step, holds.unsigned_abs());
            }
            let what = format!("seed {seed} step {step}");
            assert_lots_are_the_balance(&store, &id, &what).await;
        }
        for (n, held) in open {
            store
                .ledger_post(&[settled(&id, n, (held, 0), now)])
                .await
                .expect("an answer");
        }
        now = now.plus(DAY * 10);
        gone += night(&store, now).await;
        assert_eq!(night(&store, now).await, 0, "seed {seed}: it is all gone");
        let lots = store.lot_list(&id).await.expect("the lots");
        assert!(lots.iter().all(|lot| lot.end.is_none()), "seed {seed}");
        assert_lots_are_the_balance(&store, &id, "the end").await;
        let entries = store.entry_all(&id).await.expect("the entries");
        let expired = entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Expiry)
            .fold(Credits::ZERO, |sum, entry| {
                sum.checked_add(entry.amount).unwrap_or(Credits::MAX)
            });
        assert_eq!(expired.micros(), gone, "seed {seed}");
        let audit = store.ledger_audit().await.expect("an audit");
        assert_eq!(audit.faults, Vec::<String>::new(), "seed {seed}");
    }
}
