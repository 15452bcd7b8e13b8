//! Tests which credits are left of each payment after each movement, and that none are ever lost or
//! created.

use super::*;
use crate::ids::{AccountId, ActionId, JobId};
use crate::ledger::{AdjustmentSide, EntryDetails, HoldId, Posting};

const NOW: i64 = 1_795_210_980_000;

fn at(n: i64) -> Timestamp {
    Timestamp::from_millis(NOW + n)
}

fn account() -> AccountId {
    AccountId::mint(at(0), [1; 10])
}

fn micros(amount: u64) -> Credits {
    Credits::from_micros(amount).expect("an amount")
}

fn payment(n: u64) -> PaymentId {
    PaymentId::parse(&format!("pi_{n}")).expect("an id")
}

fn bought(n: u64) -> LotId {
    LotId::Payment(payment(n))
}

fn action(n: i64) -> ActionId {
    ActionId::of_digest([u8::try_from(n).expect("few"); 16])
}

/// What the n-th movement gave.
fn given(n: usize) -> LotId {
    LotId::Grant(action(i64::try_from(n).expect("few")))
}

fn hold_id(n: u8) -> HoldId {
    HoldId::Job(JobId::mint(at(0), [n; 10]))
}

/// A movement of credits.
#[derive(Debug, Clone, Copy)]
enum Moves {
    /// Credits of a payment are granted.
    Bought(u64, u64),
    /// The credits taken back of a payment change from the second number to the third.
    Reversed(u64, u64, u64),
    /// An operator adds credits.
    Given(u64),
    /// An operator removes credits.
    Fined(u64),
    /// Credits are held.
    Held(u8, u64),
    /// A hold ends: its size, and the amount spent.
    Settled(u8, u64, u64),
    /// Credits of a payment expire.
    Gone(u64, u64),
    /// An operator gives credits with a priority, and an end if it is not zero.
    Typed(u64, u8, i64),
    /// The credits expire that the n-th movement gave.
    Over(usize, u64),
}

fn entry(n: usize, moves: Moves) -> Entry {
    let (account, label) = (account(), EntryDetails::default());
    let n = i64::try_from(n).expect("few");
    let action = action(n);
    let nth = n.unsigned_abs();
    let posting = match moves {
        Moves::Bought(of, amount) => {
            Posting::grant(&account, payment(of), micros(amount), label, at(n))
        }
        Moves::Reversed(of, before, after) => {
            let both = (micros(before), micros(after));
            Posting::reversal(&account, (payment(of), nth), both, label, at(n)).expect("a change")
        }
        Moves::Given(amount) => Posting::adjustment(
            &account,
            action,
            (micros(amount), AdjustmentSide::Credit),
            label,
            at(n),
        ),
        Moves::Fined(amount) => Posting::adjustment(
            &account,
            action,
            (micros(amount), AdjustmentSide::Debit),
            label,
            at(n),
        ),
        Moves::Held(hold, amount) => Posting::hold(
            &account,
            hold_id(hold),
            (micros(amount), Credits::ZERO),
            label,
            at(n),
        ),
        Moves::Settled(hold, held, used) => Posting::settle(
            &account,
            hold_id(hold),
            (micros(held), micros(used)),
            label,
            at(n),
        ),
        Moves::Gone(of, amount) => {
            Posting::expiry(&account, bought(of), micros(amount), label, at(n))
        }
        Moves::Typed(amount, priority, end) => {
            let terms = GrantTerms {
                kind: GrantType::Promotional,
                priority,
                expires_at: (end > 0).then(|| at(end)),
            };
            Posting::typed_grant(&account, action, (micros(amount), terms), label, at(n))
        }
        Moves::Over(of, amount) => {
            Posting::expiry(&account, given(of), micros(amount), label, at(n))
        }
    };
    posting.entry().clone()
}

fn entries(story: &[Moves]) -> Vec<Entry> {
    story
        .iter()
        .enumerate()
        .map(|(n, moves)| entry(n, *moves))
        .collect()
}

/// Payments 1 and 2 expire, the first one sooner; payment 9 never does.
fn ends() -> BTreeMap<PaymentId, Timestamp> {
    [(payment(1), at(100)), (payment(2), at(110))].into()
}

#[test]
fn what_ends_soonest_is_spent_first() {
    use Moves::{Bought, Fined, Given, Gone, Held, Reversed, Settled};
    for (story, left) in [
        (vec![Bought(1, 50)], [50, 0]),
        (vec![Bought(2, 50), Bought(1, 50), Fined(60)], [0, 40]),
        (
            vec![Given(50), Bought(9, 50), Bought(2, 50), Fined(20)],
            [0, 30],
        ),
        (vec![Bought(1, 50), Held(1, 30)], [50, 0]),
        (vec![Bought(1, 50), Held(1, 30), Settled(1, 30, 0)], [50, 0]),
        (
            vec![Bought(1, 50), Held(1, 30), Settled(1, 30, 20)],
            [30, 0],
        ),
        // Credits are taken back from the payment's own lot first, however soon the other lot
        // expires. The rest comes from the other lot.
        (
            vec![Bought(1, 50), Bought(2, 50), Reversed(2, 0, 50)],
            [50, 0],
        ),
        (
            vec![Bought(1, 50), Bought(2, 50), Fined(70), Reversed(1, 0, 25)],
            [0, 5],
        ),
        (
            vec![Bought(1, 50), Reversed(1, 0, 50), Reversed(1, 50, 20)],
            [30, 0],
        ),
        // Incoming credits pay debt first.
        (vec![Fined(20), Bought(1, 50)], [30, 0]),
        (vec![Fined(80), Bought(1, 50), Bought(2, 50)], [0, 20]),
        (
            vec![Bought(1, 50), Bought(2, 50), Fined(10), Gone(1, 40)],
            [0, 50],
        ),
        (
            vec![Bought(1, 50), Given(50), Fined(20), Gone(1, 30), Fined(10)],
            [0, 0],
        ),
    ] {
        let entries = entries(&story);
        let seen = [1, 2].map(|n| left_of(&entries, &ends(), &bought(n)).micros());
        assert_eq!(seen, left, "{story:?}");
        assert_eq!(
            left_of(&entries, &ends(), &bought(9)),
            Credits::ZERO,
            "without an end nothing goes: {story:?}"
        );
    }
}

#[test]
fn priority_comes_before_expiry_and_expiry_before_age() {
    use Moves::{Bought, Fined, Given, Over, Reversed, Typed};
    let story = [
        Given(10),
        Bought(2, 10),
        Typed(10, 30, 0),
        Typed(10, 20, 120),
        Typed(10, 20, 110),
        Bought(1, 10),
        Typed(10, 99, 101),
    ];
    let order = |fined: u64| -> Vec<(String, u64)> {
        let mut story = story.to_vec();
        story.push(Fined(fined));
        let lots = lots_of(&entries(&story), &ends());
        let shown = |lot: &Lot| lot.id.as_ref().map_or("-".to_owned(), ToString::to_string);
        lots.iter()
            .map(|lot| (shown(lot), lot.left.micros()))
            .collect()
    };
    let ids = [given(4), given(3), given(2), bought(1), bought(2)];
    let mut names: Vec<_> = ids.iter().map(ToString::to_string).collect();
    names.push("-".to_owned());
    names.push(given(6).to_string());
    for spent in 0..7_u64 {
        let left: Vec<_> = names
            .iter()
            .enumerate()
            .skip(usize::try_from(spent).expect("few"))
            .map(|(place, name)| {
                (
                    name.clone(),
                    if u64::try_from(place) == Ok(spent) {
                        7
                    } else {
                        10
                    },
                )
            })
            .collect();
        assert_eq!(order(spent * 10 + 3), left, "{spent}");
    }
    // What is taken back or expires comes from its own lot, whatever its priority.
    for (more, lot) in [
        (vec![Reversed(1, 0, 4)], bought(1)),
        (vec![Over(6, 4)], given(6)),
    ] {
        let story: Vec<_> = story.iter().copied().chain(more).collect();
        let left = left_of(&entries(&story), &ends(), &lot);
        assert_eq!(left.micros(), 6, "{lot}");
    }
    let paid = entries(&[Fined(15), Typed(10, 10, 100), Typed(10, 10, 100)]);
    let left = [1, 2].map(|n| left_of(&paid, &ends(), &given(n)).micros());
    assert_eq!(left, [0, 5], "debt is paid first");
}

#[test]
fn what_comes_back_after_its_time_has_no_end() {
    let mut story = entries(&[Moves::Bought(1, 50), Moves::Reversed(1, 0, 50)]);
    story.push(entry(101, Moves::Reversed(1, 50, 0)));
    assert_eq!(left_of(&story, &ends(), &bought(1)), Credits::ZERO);
    assert_eq!(total(&story), 50);
}

fn total(entries: &[Entry]) -> u64 {
    Lots::of(entries, &ends())
        .0
        .iter()
        .map(|lot| lot.left.micros())
        .sum()
}

/// A seeded pseudo-random generator.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn lots_are_what_the_balance_is_whatever_happens() {
    for seed in 1..=300 {
        let mut dice = Dice(seed);
        // Which movement each entry is.
        let mut numbers = Vec::<usize>::new();
        let (mut story, mut open, mut taken) =
            (Vec::<Entry>::new(), BTreeMap::<u8, u64>::new(), [0_u64; 4]);
        for n in 0..60 {
            let (which, amount) = (dice.below(3), 1 + dice.below(40));
            let of = usize::try_from(which).expect("few");
            let hold = u8::try_from(n).expect("few");
            let moves = match dice.below(9) {
                0 => Moves::Bought(which, amount * 2),
                1 => Moves::Given(amount),
                2 => Moves::Fined(amount),
                3 => Moves::Reversed(which, std::mem::replace(&mut taken[of], amount), amount),
                4 => {
                    open.insert(hold, amount);
                    Moves::Held(hold, amount)
                }
                5 => match open.pop_first() {
                    Some((hold, held)) => Moves::Settled(hold, held, dice.below(held + 1)),
                    None => continue,
                },
                6 => {
                    let (priority, end) = (40 + dice.below(20), dice.below(2) * 200);
                    let priority = u8::try_from(priority).expect("few");
                    Moves::Typed(amount, priority, i64::try_from(end).expect("few"))
                }
                7 => match story.iter().rposition(|entry| entry.terms.is_some()) {
                    Some(of) => {
                        let n = numbers[of];
                        Moves::Over(n, left_of(&story, &ends(), &given(n)).micros())
                    }
                    None => continue,
                },
                _ => Moves::Gone(which, left_of(&story, &ends(), &bought(which)).micros()),
            };
            if matches!(moves, Moves::Reversed(_, before, after) if before == after) {
                continue;
            }
            story.push(entry(n, moves));
            numbers.push(n);
            let net: i64 = story.iter().map(|entry| entry.free + entry.held).sum();
            assert_eq!(
                i64::try_from(total(&story)),
                Ok(net.max(0)),
                "seed {seed} after {n}: {moves:?}"
            );
            let gone = match moves {
                Moves::Gone(of, _) => Some(bought(of)),
                Moves::Over(of, _) => Some(given(of)),
                _ => None,
            };
            if let Some(lot) = gone {
                assert!(
                    left_of(&story, &ends(), &lot).is_zero(),
                    "seed {seed} after {n}: it has all gone"
                );
            }
        }
    }
}
