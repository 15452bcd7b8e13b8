//! The nightly seals: each finished day is sealed once, and any later change of the ledger is
//! detected.

mod meddling;

use crate::world::verbs::together;
use crate::world::{FaultPlan, World};
use boot::{Aws, AwsSettings};
use domain::ids::AccountId;
use domain::time::Timestamp;
use local_stack::stack::{LEDGER_TABLE, LOCAL_LEDGER_KEY, ledger_keys};
use reconciliation::Reconciled;
use stand_in_shared::faults::{Effect, Fault, Moment};
use std::time::Duration;
use store::{Connection, Sealed, Seals};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

impl World {
    /// Runs the nightly schedule once.
    pub async fn seal(&self) -> Reconciled {
        let run = self.stack.faults.run(self.stack.seal()).await;
        run.expect("no process dies")
            .expect("the function succeeds")
    }

    /// Asserts that the ledger agrees. Returns the number of sealed days and of entries without a
    /// seal.
    async fn sealed(&self) -> (u64, u64) {
        let audit = self.stack.store.ledger_audit().await.expect("an audit");
        assert_eq!(audit.faults, Vec::<String>::new());
        (audit.seals, audit.unsealed)
    }

    /// Posts this many entries now.
    async fn moves(&self, account: &AccountId, name: &str, count: u32) {
        for n in 0..count {
            let (status, answer) = self.adjusts(account, "1", &format!("{name} {n}")).await;
            assert!(status.is_success(), "{status} {answer}");
        }
    }
}

/// Seals with these keys, without the function.
fn seals(world: &World, keys: &str) -> Seals {
    let aws = Aws::new(AwsSettings::embedded(), &world.stack.outside);
    Connection::new(&aws.sdk, None).seals(LEDGER_TABLE, ledger_keys(keys.to_owned()))
}

/// A world in which only this account has entries.
async fn alone(fault_plan: FaultPlan) -> (World, AccountId) {
    let (world, account) = World::on_plan(fault_plan, "credits", &[]).await;
    (world.alone(), account)
}

fn sealed(days: u64, entries: u64) -> Reconciled {
    Reconciled {
        days,
        entries,
        ..Reconciled::default()
    }
}

#[tokio::test(start_paused = true)]
async fn every_day_that_is_over_is_sealed_once() {
    let (world, account) = alone(FaultPlan::Seeded(3)).await;
    assert_eq!(
        world.seal().await,
        sealed(1, 0),
        "where nothing was ever sealed, yesterday"
    );
    world.moves(&account, "first", 3).await;
    assert_eq!(world.seal().await, sealed(0, 0), "today is not over");
    assert_eq!(world.sealed().await, (1, 3));

    world.skip(3 * HOUR);
    assert_eq!(world.stack.outside.now().day(), "2026-11-21");
    world.skip(DAY / 24);
    world.moves(&account, "second", 2).await;
    assert_eq!(world.seal().await, sealed(1, 3));
    assert_eq!(world.seal().await, sealed(0, 0), "again");
    assert_eq!(world.sealed().await, (2, 2));

    world.skip(2 * DAY);
    assert_eq!(
        world.seal().await,
        sealed(2, 2),
        "one day with entries, one without"
    );
    assert_eq!(world.sealed().await, (4, 0));
    world.done().await;
}

/// A write that began before midnight may finish after it.
#[tokio::test(start_paused = true)]
async fn a_day_is_over_an_hour_after_its_end() {
    let (world, account) = alone(FaultPlan::None).await;
    world.seal().await;
    world.moves(&account, "late", 1).await;
    world.skip(3 * HOUR);
    assert_eq!(world.stack.outside.now().day(), "2026-11-21");
    assert_eq!(world.seal().await, sealed(0, 0), "not an hour yet");
    world.skip(HOUR);
    assert_eq!(world.seal().await, sealed(1, 1));
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_missed_week_is_caught_up() {
    let (world, account) = alone(FaultPlan::Seeded(5)).await;
    world.seal().await;
    for (day, entries) in [2, 0, 1, 0, 0, 4, 1].into_iter().enumerate() {
        world.moves(&account, &format!("day {day}"), entries).await;
        world.skip(DAY);
    }
    assert_eq!(world.seal().await, sealed(7, 8));
    assert_eq!(world.sealed().await, (8, 0));
    world.done().await;
}

/// The first run may also be late; it then begins with the first entry.
#[tokio::test(start_paused = true)]
async fn entries_from_before_the_first_seal_are_sealed() {
    let (world, account) = alone(FaultPlan::None).await;
    world.moves(&account, "early", 2).await;
    world.skip(10 * DAY);
    assert_eq!(world.seal().await, sealed(10, 2));
    assert_eq!(world.sealed().await, (10, 0));
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn two_at_once_seal_each_day_once() {
    let (world, account) = alone(FaultPlan::None).await;
    world.moves(&account, "some", 5).await;
    world.skip(4 * DAY);
    let runs = together([world.seal(), world.seal(), world.seal()]).await;
    assert_eq!(runs.iter().map(|run| run.days).sum::<u64>(), 4, "{runs:?}");
    assert_eq!(
        runs.iter().map(|run| run.faults).sum::<u64>(),
        0,
        "{runs:?}"
    );
    assert_eq!(world.sealed().await, (4, 0));
    world.done().await;
}

/// Wherever a run dies, the next one continues.
#[tokio::test(start_paused = true)]
async fn a_run_may_die_anywhere() {
    for moment in [Moment::Before, Moment::After] {
        let (world, account) = alone(FaultPlan::None).await;
        assert_eq!(world.seal().await, sealed(1, 0));
        for call in 1.. {
            world.moves(&account, &format!("day {call}"), 1).await;
            world.skip(DAY);
            world
                .stack
                .faults
                .crash_at(world.stack.faults.calls() + call, moment);
            let run = world.stack.faults.run(world.stack.seal()).await;
            // Runs outside any process that could still die.
            world.stack.seal().await.expect("the function succeeds");
            assert_eq!(
                world.sealed().await,
                (call + 1, 0),
                "call {call} {moment:?}"
            );
            if run.is_some() {
                assert!(
                    call > 18,
                    "the last seal, its check, the day's entries and its seal: {call} calls"
                );
                break;
            }
        }
        world.abandoned();
    }
}

/// A store outage is retried within the night; if it lasts, the next night seals the rest.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_while_costs_nothing() {
    for (times, effect, comes_through) in [
        (8, Effect::Unreachable, true),
        (8, Effect::AnswerLost, true),
        (1_000, Effect::Unreachable, false),
    ] {
        let (world, account) = alone(FaultPlan::None).await;
        world.moves(&account, "some", 1).await;
        world.skip(DAY);
        world.stack.faults.inject(Fault {
            on: "dynamodb PutItem".to_owned(),
            times,
            effect,
        });
        let run = world
            .stack
            .faults
            .run(world.stack.seal())
            .await
            .expect("no process dies");
        assert_eq!(run.is_ok(), comes_through);
        if comes_through {
            assert_eq!(world.sealed().await, (1, 0));
        } else {
            assert_eq!(world.sealed().await, (0, 1));
        }
        world.abandoned();
    }
}

/// The run's time is up long before a year is sealed. The days that it sealed stay sealed.
#[tokio::test(start_paused = true)]
async fn a_run_ends_before_its_time_is_up() {
    let (world, account) = alone(FaultPlan::None).await;
    world.moves(&account, "some", 1).await;
    world.skip(DAY);
    let now = world.stack.outside.now();
    let soon = now.plus(Duration::from_secs(5));
    let run = reconciliation::handle(&world.stack.reconciliation, soon)
        .await
        .expect("the function succeeds");
    assert_eq!(run, sealed(0, 0));
    assert_eq!(world.seal().await, sealed(1, 1));
    world.done().await;
}

/// A key may be rotated between two runs: existing seals are valid with the key that they name.
#[tokio::test(start_paused = true)]
async fn keys_rotate_and_old_ones_stay() {
    const NEW: &str = "a-new-key-that-is-long-enough-for-this";
    let (world, account) = alone(FaultPlan::None).await;
    world.moves(&account, "some", 2).await;
    let yesterday = Timestamp::from_millis(world.stack.outside.now().day_start().millis() - 1);
    let old = seals(&world, LOCAL_LEDGER_KEY);
    let both = seals(&world, &format!("{NEW},{LOCAL_LEDGER_KEY}"));
    let Ok(Sealed::Now(first)) = old.day_seal(yesterday, None).await else {
        panic!("sealed")
    };
    let Ok(Sealed::Already(again)) = both.day_seal(yesterday, None).await else {
        panic!("the same")
    };
    assert_eq!(again, first);
    let Ok(Sealed::Now(second)) = both
        .day_seal(first.next_day().expect("a day"), Some(&first))
        .await
    else {
        panic!("sealed")
    };
    assert_ne!(first.key, second.key);
    assert_eq!(
        both.seal_check(&second).await.expect("an answer"),
        store::Checked::Holds
    );
    let alone = seals(&world, LOCAL_LEDGER_KEY)
        .seal_check(&second)
        .await
        .expect("an answer");
    assert_ne!(
        alone,
        store::Checked::Holds,
        "without the key nothing can be said for it"
    );
    world.abandoned();
}
