//! Manual changes of the ledger. The audit finds each one and says where it is.

use super::{DAY, HOUR, alone};
use crate::world::{FaultPlan, World};
use domain::ids::{AccountId, JobId};
use domain::ledger::{EntryDetails, HoldId, Posting};
use domain::units::Credits;
use local_stack::stack::{LEDGER_TABLE, MAIN_TABLE};
use serde_json::{Value, json};
use store::{Post, Rebuilt};

/// The rows that have this attribute, ordered by key.
fn rows_with(world: &World, table: &str, attribute: &str) -> Vec<Value> {
    let mut rows = world.stack.tables.rows(table);
    rows.retain(|row| row.get(attribute).is_some());
    rows.sort_by_key(|row| (row["pk"]["S"].to_string(), row["sk"]["S"].to_string()));
    rows
}

fn entries(world: &World) -> Vec<Value> {
    let mut rows = rows_with(world, LEDGER_TABLE, "kind");
    rows.sort_by_key(|row| row["at"]["N"].as_str().map(str::to_owned));
    rows
}

fn seal_rows(world: &World) -> Vec<Value> {
    rows_with(world, LEDGER_TABLE, "link")
}

fn balances(world: &World) -> Vec<Value> {
    rows_with(world, MAIN_TABLE, "digest_sum")
}

fn holds(world: &World) -> Vec<Value> {
    rows_with(world, MAIN_TABLE, "held_at")
}

/// A row with another value for one attribute.
fn with(row: &Value, attribute: &str, value: Value) -> Value {
    let mut row = row.clone();
    row[attribute] = value;
    row
}

fn more(row: &Value, attribute: &str) -> Value {
    let number: i128 = row[attribute]["N"]
        .as_str()
        .expect("a number")
        .parse()
        .expect("digits");
    with(row, attribute, json!({ "N": (number + 1).to_string() }))
}

async fn faults(world: &World) -> Vec<String> {
    world
        .stack
        .store
        .ledger_audit()
        .await
        .expect("an audit")
        .faults
}

/// Three sealed days, with entries on the first two, and an unsealed day with entries and an open
/// hold.
async fn furnished() -> (World, AccountId) {
    let (world, account) = alone(FaultPlan::None).await;
    for day in 0..2 {
        world.moves(&account, &format!("day {day}"), 2).await;
        world.skip(DAY);
    }
    world.skip(DAY);
    world.seal().await;
    world.moves(&account, "today", 2).await;
    let now = world.stack.outside.now();
    let held = Credits::from_micros(500_000).expect("an amount");
    let hold = HoldId::Job(JobId::mint(now, [7; 10]));
    let posting = Posting::hold(
        &account,
        hold,
        (held, Credits::ZERO),
        EntryDetails::default(),
        now,
    );
    assert_eq!(
        world
            .stack
            .store
            .ledger_post(&[posting])
            .await
            .expect("an answer"),
        Post::Posted
    );
    assert_eq!(world.sealed().await, (3, 3));
    (world, account)
}

/// A manual change: rows to write, rows to remove, and the fault that the audit must report.
struct Meddling {
    table: &'static str,
    put: Vec<Value>,
    removed: Vec<Value>,
    says: &'static str,
}

fn put(table: &'static str, row: Value, says: &'static str) -> Meddling {
    Meddling {
        table,
        put: vec![row],
        removed: vec![],
        says,
    }
}

fn removed(table: &'static str, row: &Value, says: &'static str) -> Meddling {
    Meddling {
        table,
        put: vec![],
        removed: vec![row.clone()],
        says,
    }
}

fn with_entries(world: &World) -> Vec<Meddling> {
    let entries = entries(world);
    let (old, new) = (&entries[0], entries.last().expect("entries"));
    let other = |row: &Value| {
        with(
            row,
            "sk",
            json!({ "S": format!("{}x", row["sk"]["S"].as_str().expect("text")) }),
        )
    };
    let mut ways = Vec::new();
    for entry in [old, new] {
        let sealed = entry == old;
        for number in ["amount", "free", "held", "digest"] {
            ways.push(put(
                LEDGER_TABLE,
                more(entry, number),
                "is not what it was written as",
            ));
        }
        for words in ["note", "source", "priced_by"] {
            ways.push(put(
                LEDGER_TABLE,
                with(entry, words, json!({ "S": "else" })),
                "is not what it was written as",
            ));
        }
        ways.push(put(
            LEDGER_TABLE,
            with(entry, "kind", json!({ "S": "grant" })),
            "is not what it was written as",
        ));
        ways.push(put(
            LEDGER_TABLE,
            more(entry, "at"),
            "is not what it was written as",
        ));
        ways.push(put(
            LEDGER_TABLE,
            with(entry, "key", json!({ "S": "00000000" })),
            "a key that LEDGER_KEY does not hold",
        ));
        ways.push(put(
            LEDGER_TABLE,
            with(entry, "day", json!({ "S": "2026-01-01#0" })),
            "another day than its own",
        ));
        ways.push(put(
            LEDGER_TABLE,
            with(entry, "free", json!({ "S": "many" })),
            "has no usable `free`",
        ));
        ways.push(put(
            LEDGER_TABLE,
            other(entry),
            "is not what it was written as",
        ));
        let says = if sealed {
            "covers other entries than the day has"
        } else {
            "its entries add up to"
        };
        ways.push(removed(LEDGER_TABLE, entry, says));
    }
    ways
}

fn with_seals(world: &World) -> Vec<Meddling> {
    let seals = seal_rows(world);
    let mut ways = Vec::new();
    for seal in &seals {
        for number in ["entries", "digest_sum", "number"] {
            ways.push(put(
                LEDGER_TABLE,
                more(seal, number),
                "is not what its parts make by its key",
            ));
        }
        for words in ["previous", "link", "key"] {
            ways.push(put(
                LEDGER_TABLE,
                with(seal, words, json!({ "S": "00" })),
                "is not what its parts make by its key",
            ));
        }
    }
    // The last seal is created again in the next night; until then its day counts as open.
    for seal in &seals[..2] {
        ways.push(removed(
            LEDGER_TABLE,
            seal,
            "does not follow the seal before it",
        ));
    }
    ways.push(Meddling {
        table: LEDGER_TABLE,
        put: vec![with(&seals[0], "sk", seals[1]["sk"].clone())],
        removed: vec![],
        says: "is not what its parts make by its key",
    });
    ways
}

fn with_balances(world: &World) -> Vec<Meddling> {
    let (balance, hold) = (&balances(world)[0], &holds(world)[0]);
    let mut ways: Vec<_> = ["free", "held", "entries", "digest_sum", "grants"]
        .into_iter()
        .map(|number| put(MAIN_TABLE, more(balance, number), "its entries add up to"))
        .collect();
    ways.push(removed(MAIN_TABLE, balance, "its entries add up to"));
    ways.push(put(
        MAIN_TABLE,
        with(balance, "free", json!({ "S": "much" })),
        "cannot be added up",
    ));
    ways.push(put(MAIN_TABLE, more(hold, "amount"), "the open holds"));
    ways.push(removed(MAIN_TABLE, hold, "the open holds"));
    let another = hold["sk"]["S"].as_str().expect("text").replace('e', "f");
    ways.push(put(
        MAIN_TABLE,
        with(hold, "sk", json!({ "S": another })),
        "the open holds",
    ));
    ways
}

/// F-G13: no change, addition or deletion goes unnoticed.
#[tokio::test(start_paused = true)]
async fn whatever_is_changed_by_hand_is_found() {
    let (world, _) = furnished().await;
    let ways: Vec<_> = with_entries(&world)
        .into_iter()
        .chain(with_seals(&world))
        .chain(with_balances(&world))
        .collect();
    for Meddling {
        table,
        put,
        removed,
        says,
    } in ways
    {
        let before = world.stack.tables.rows(table);
        put.iter()
            .for_each(|row| world.stack.tables.row_put(table, row));
        removed
            .iter()
            .for_each(|row| world.stack.tables.row_remove(table, row));
        let found = faults(&world).await;
        assert!(
            found.iter().any(|fault| fault.contains(says)),
            "{says:?} for {put:?} {removed:?}: {found:?}"
        );
        put.iter()
            .for_each(|row| world.stack.tables.row_remove(table, row));
        before
            .iter()
            .for_each(|row| world.stack.tables.row_put(table, row));
        assert_eq!(
            faults(&world).await,
            Vec::<String>::new(),
            "put right again"
        );
    }
    world.abandoned();
}

/// If there are several faults, the broken entry is named first.
#[tokio::test(start_paused = true)]
async fn the_broken_entry_is_named_first() {
    let (world, _) = furnished().await;
    let entry = entries(&world)[1].clone();
    world
        .stack
        .tables
        .row_put(LEDGER_TABLE, &more(&entry, "free"));
    let found = faults(&world).await;
    let cause = entry["sk"]["S"]
        .as_str()
        .and_then(|key| key.split_once('#'))
        .expect("a cause")
        .1;
    assert!(
        found[0].contains(cause) && found[0].contains("is not what it was written as"),
        "{found:?}"
    );
    assert!(found[1].contains("the balance of"), "{found:?}");
    world.abandoned();
}

/// The nightly run also checks the previous day.
#[tokio::test(start_paused = true)]
async fn a_sealed_day_that_has_changed_shows_in_the_next_night() {
    let (world, account) = alone(FaultPlan::None).await;
    world.moves(&account, "some", 2).await;
    world.skip(DAY);
    assert_eq!(world.seal().await, super::sealed(1, 2));
    world
        .stack
        .tables
        .row_remove(LEDGER_TABLE, &entries(&world)[0]);
    world.skip(HOUR);
    let run = world.seal().await;
    assert_eq!((run.days, run.faults), (0, 1));
    world.skip(DAY);
    assert_eq!(
        world.seal().await.days,
        1,
        "the days since are sealed all the same"
    );
    world.abandoned();
}

/// A foreign seal in the place of ours is not overwritten, and is reported.
#[tokio::test(start_paused = true)]
async fn a_foreign_seal_is_reported() {
    let (world, account) = alone(FaultPlan::None).await;
    world.moves(&account, "some", 2).await;
    world.skip(DAY);
    world.seal().await;
    let seals = super::seals(&world, local_stack::stack::LOCAL_LEDGER_KEY);
    let last = seals.seal_last().await.expect("an answer").expect("a seal");
    let day = domain::time::Timestamp::from_millis(last.next_day().expect("a day").millis() - 1);
    world
        .stack
        .tables
        .row_put(LEDGER_TABLE, &more(&seal_rows(&world)[0], "entries"));
    match seals.day_seal(day, None).await {
        Ok(store::Sealed::Otherwise(stands)) => assert_eq!(stands.entries, last.entries + 1),
        other => panic!("{other:?}"),
    }
    world.abandoned();
}

/// A balance is rebuilt from its entries if all of them exist and are valid.
#[tokio::test(start_paused = true)]
async fn balances_are_rebuilt_from_their_entries() {
    let (world, account) = furnished().await;
    let (balance, store) = (balances(&world)[0].clone(), world.stack.store.clone());
    let had = world.balance(&account).await;
    assert_eq!(
        store.balance_rebuild(&account).await.expect("an answer"),
        Rebuilt::Already
    );
    for number in ["free", "held", "grants", "digest_sum"] {
        world
            .stack
            .tables
            .row_put(MAIN_TABLE, &more(&balance, number));
        assert_eq!(
            store.balance_rebuild(&account).await.expect("an answer"),
            Rebuilt::Now,
            "{number}"
        );
        assert_eq!(world.balance(&account).await, had);
        world.assert_ledger_agrees().await;
    }
    world.stack.tables.row_remove(MAIN_TABLE, &balance);
    assert_eq!(
        store.balance_rebuild(&account).await.expect("an answer"),
        Rebuilt::Now
    );
    world.assert_ledger_agrees().await;

    let entry = entries(&world).last().cloned().expect("an entry");
    world.stack.tables.row_remove(LEDGER_TABLE, &entry);
    assert_eq!(
        store.balance_rebuild(&account).await.expect("an answer"),
        Rebuilt::EntriesMissing
    );
    world
        .stack
        .tables
        .row_put(LEDGER_TABLE, &more(&entry, "free"));
    assert_eq!(
        store.balance_rebuild(&account).await.expect("an answer"),
        Rebuilt::EntriesBroken
    );
    assert_eq!(world.balance(&account).await, had, "it stays as it was");
    world.abandoned();
}
