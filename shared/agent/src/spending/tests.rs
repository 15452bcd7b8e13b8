//! Histories of two workers, deaths, lost answers and cancellations: the cap holds after each step.

use super::*;
use crate::noise::Noise;

const PRICES: TurnPrices = TurnPrices {
    input: 3_000_000,
    cache_write: Some(3_750_000),
    cache_read: Some(300_000),
    output: 15_000_000,
};

#[test]
fn each_class_has_its_price_and_the_sum_is_rounded_once() {
    let tokens = TurnTokens {
        input: 1,
        cache_write: 2,
        cache_read: 3,
        output: 4,
    };
    // 3 + 7.5 + 0.9 + 60
    assert_eq!(PRICES.cost(&tokens), 72);
    assert_eq!(PRICES.weighted(&tokens), 24);
    let plain = TurnPrices {
        cache_write: None,
        cache_read: None,
        ..PRICES
    };
    // 3 + 6 + 9 + 60
    assert_eq!(plain.cost(&tokens), 78);
    let most = TurnTokens {
        input: u64::MAX,
        ..tokens
    };
    assert_eq!(PRICES.cost(&most), u64::MAX);
}

#[test]
fn no_answer_costs_more_than_its_worst_case() {
    let mut noise = Noise::new(1);
    for _ in 0..10_000 {
        let call = NextCall {
            known_tokens: noise.next() % 200_000,
            new_bytes: noise.next() % 100_000,
            output_max: noise.next() % 8_000,
        };
        // Any split of the prompt into classes, with at least two bytes a token.
        let prompt = call.known_tokens + noise.next() % (call.new_bytes / 2 + 1);
        let cache_read = noise.next() % (prompt + 1);
        let cache_write = noise.next() % (prompt - cache_read + 1);
        let tokens = TurnTokens {
            input: prompt - cache_read - cache_write,
            cache_write,
            cache_read,
            output: noise.next() % (call.output_max + 1),
        };
        assert_eq!(tokens.prompt(), prompt);
        assert!(PRICES.cost(&tokens) <= PRICES.worst(&call));
    }
}

#[test]
fn the_reserve_is_for_submitting() {
    let turns = Turns::new(100, 30, 9);
    let (turns, begin) = turns.begin(0, 70, 30, 1).expect("fits");
    assert_eq!(begin, Some(Begin::Work));
    assert_eq!(turns.begin(1, 1, 1, 1), Err(Refused::Order));
    let (turns, over) = turns.settle(1, 65, 1).expect("in flight");
    assert_eq!((turns.left(), over), (35, 0));
    let (turns, begin) = turns.begin(2, 6, 30, 1).expect("the reserve fits");
    assert_eq!(begin, Some(Begin::Submit));
    let turns = turns.lose(3, None, 1).expect("in flight");
    let (turns, begin) = turns.begin(4, 6, 30, 1).expect("written");
    assert_eq!((begin, turns.ended), (None, Some(TurnsEnd::OutOfMoney)));
    assert_eq!((turns.cost, turns.lost, turns.left()), (65, 30, 5));
}

#[test]
fn the_last_turn_submits() {
    let turns = Turns::new(1_000, 10, 2);
    let (turns, first) = turns.begin(0, 5, 5, 0).expect("fits");
    let (turns, _) = turns.settle(1, 5, 0).expect("in flight");
    let (turns, second) = turns.begin(2, 5, 5, 0).expect("fits");
    assert_eq!((first, second), (Some(Begin::Work), Some(Begin::Submit)));
    assert_eq!(turns.turn, 1);
}

/// A worker that has read the row at some time, and may write with what it read then.
struct Worker {
    row: Turns,
    /// The version that its call was sent with, and the call's worst case.
    sent: Option<(u64, Micros)>,
}

#[test]
fn the_cap_holds_after_every_step_of_every_history() {
    for seed in 0..10_000 {
        let mut noise = Noise::new(seed);
        let cap = noise.next() % 2_000;
        let mut row = Turns::new(cap, noise.next() % 300, 12);
        let mut workers = [(); 2].map(|()| Worker {
            row: row.clone(),
            sent: None,
        });
        // What the provider has charged in truth, at most.
        let (mut charged, mut now, mut settled) = (0, 0, 0);
        for _ in 0..60 {
            now += i64::from(noise.byte() % 8);
            let worker = &mut workers[noise.below(2)];
            let seen = worker.row.version;
            let amount = noise.next() % 400;
            let before = row.clone();
            let written = match noise.below(8) {
                0 | 1 => row.claim(now, 10).ok(),
                2 | 3 => row
                    .begin(seen, amount, amount / 2, now + 10)
                    .ok()
                    .map(|(next, begin)| {
                        // The call is sent only after the write, and charged from then on.
                        let worst = begin.and(next.in_flight);
                        worker.sent = worst.map(|worst| (next.version, worst));
                        charged += worst.unwrap_or(0);
                        next
                    }),
                4 => worker.sent.take().and_then(|(sent, worst)| {
                    let next = row.settle(sent, amount.min(worst), now + 10).ok()?.0;
                    charged -= worst - amount.min(worst);
                    settled += amount.min(worst);
                    Some(next)
                }),
                5 => worker
                    .sent
                    .take()
                    .and_then(|(sent, _)| row.lose(sent, None, now + 10).ok()),
                6 if noise.below(9) == 0 => row.end(seen, TurnsEnd::Cancelled).ok(),
                _ => {
                    // It dies and forgets; or it only reads again.
                    worker.sent = None;
                    None
                }
            };
            if let Some(next) = written {
                assert_eq!(before.ended, None, "seed {seed}: nothing follows the end");
                assert_eq!(next.version, before.version + 1);
                assert!(next.turn - before.turn <= 1);
                row = next;
            }
            worker.row = row.clone();
            let counted = row.cost + row.lost + row.in_flight.unwrap_or(0);
            assert!(counted <= cap, "seed {seed}: {row:?}");
            assert_eq!(counted, charged, "seed {seed}: every call is on the row");
            assert_eq!(
                row.cost, settled,
                "seed {seed}: only answers that were kept are billed"
            );
        }
    }
}

#[test]
fn a_worker_that_was_replaced_writes_nothing() {
    let (turns, _) = Turns::new(100, 0, 9).begin(0, 10, 10, 5).expect("fits");
    assert_eq!(turns.claim(4, 10), Err(Refused::Leased(5)));
    let next = turns.claim(5, 10).expect("the lease has ended");
    assert_eq!((next.lost, next.in_flight), (10, None));
    assert_eq!(next.settle(1, 5, 9), Err(Refused::Stale));
    let ended = next.end(2, TurnsEnd::Submitted).expect("open");
    assert_eq!(ended.claim(99, 1), Err(Refused::Ended(TurnsEnd::Submitted)));
}
