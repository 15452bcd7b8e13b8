//! Holds for a customer's own work that nobody settles: the credits come back by themselves, once,
//! and no work is refused because of them.

use crate::world::program::{Program, program};
use crate::world::shop::whole;
use crate::world::{FaultPlan, World};
use ::queues::{Message, Queue};
use domain::billing::spending::{SpendUnit, Spent};
use domain::ids::{AccountId, RepositoryId};
use domain::ledger::Balance;
use http::StatusCode;
use local_stack::world::REPOSITORY_ID;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths, scramble};
use std::time::Duration;

const HOLDS: &str = "/api/v1/credits/holds";

/// Reserves credits for one minute. Returns the hold's id.
async fn holds(program: &Program, credits: &str) -> String {
    let wanted = json!({ "credits": credits, "expires_in_seconds": 60 });
    let (status, hold) = program.ask("POST", HOLDS, Some(&wanted)).await;
    assert_eq!(status, StatusCode::CREATED, "{hold}");
    hold["id"].as_str().expect("an id").to_owned()
}

async fn spent(world: &World, account: &AccountId) -> Spent {
    let found = world
        .stack
        .store
        .spent_find(account, "2026-11", SpendUnit::Credits);
    found.await.expect("the store answers")
}

fn free(credits: u64) -> Balance {
    Balance {
        available: whole(credits),
        ..Balance::default()
    }
}

#[tokio::test(start_paused = true)]
async fn credits_come_back_within_a_minute_though_nobody_asks() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world.adjusts(account, "100", "a gift").await;
    let hold = holds(&program, "100").await;
    world.elapse(Duration::from_secs(59)).await;
    world.sweep().await;
    world.drain(Queue::GithubEvents).await;
    assert_eq!(world.balance(account).await.held, whole(100), "not yet");
    world.elapse(Duration::from_secs(60)).await;
    world.sweep().await;
    world.drain(Queue::GithubEvents).await;
    assert_eq!(world.balance(account).await, free(100));
    assert_eq!(
        spent(world, account).await,
        Spent::of(0, 0),
        "nothing counts as spent or reserved"
    );
    assert_eq!(
        world.kinds(account).await,
        ["adjustment", "hold", "release"]
    );
    // Its owner comes too late, and the answer says so.
    let path = format!("{HOLDS}/{hold}/capture");
    let (status, late) = program
        .ask("POST", &path, Some(&json!({ "credits": "1" })))
        .await;
    assert_eq!(
        (status, &late["code"]),
        (StatusCode::CONFLICT, &json!("hold_settled"))
    );
    world.assert_ledger_agrees().await;
    program.world.settle().await;
    program.world.done().await;
}

/// A message that arrives twice, or before its time, changes nothing.
#[tokio::test(start_paused = true)]
async fn a_message_about_a_hold_may_come_at_any_time() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world.adjusts(account, "100", "a gift").await;
    let id = holds(&program, "40").await;
    let own = holds(&program, "25").await;
    let pointer = |id: &str| {
        let text = format!(r#"{{"v":1,"kind":"hold","key":"{account}#{id}"}}"#);
        Message::from_json(&text).expect("a message")
    };
    for id in [&id, &own, "act_01hf7yat00zzzzzzzzzzzzzzzz"] {
        world.queue_gets(&pointer(id)).await;
    }
    world.drain(Queue::GithubEvents).await;
    assert_eq!(world.balance(account).await.held, whole(65), "too early");
    let path = format!("{HOLDS}/{own}/capture");
    let (status, _) = program
        .ask("POST", &path, Some(&json!({ "credits": "5" })))
        .await;
    assert_eq!(status, StatusCode::OK);
    world.elapse(Duration::from_secs(61)).await;
    for id in [&id, &own, &id] {
        world.queue_gets(&pointer(id)).await;
    }
    world.settle().await;
    assert_eq!(world.balance(account).await, free(95));
    world.assert_ledger_agrees().await;
    program.world.settle().await;
    program.world.done().await;
}

/// A job, a hold and a balance that are asked for before the sweeper comes.
#[tokio::test(start_paused = true)]
async fn nothing_is_refused_for_credits_of_an_expired_hold() {
    for limited in [false, true] {
        let program = program("credits", &[]).await;
        let (world, account) = (&program.world, &program.account);
        world.adjusts(account, "600", "a gift").await;
        if limited {
            let limit = json!({ "credits": "600" });
            let path = "/api/v1/billing/spend-limit";
            let (status, answer) = program.ask("PUT", path, Some(&limit)).await;
            assert!(status.is_success(), "{answer}");
            world.adjusts(account, "600", "another gift").await;
        }
        holds(&program, "550").await;
        world.elapse(Duration::from_secs(61)).await;
        world.issue_opens(30).await;
        world.drain(Queue::GithubEvents).await;
        let repository = RepositoryId::new(REPOSITORY_ID);
        let job = world.stack.store.job_find_open(repository, 30).await;
        assert!(
            job.expect("the store answers").is_some(),
            "limited: {limited}"
        );
        world.settle().await;
        world.assert_ledger_agrees().await;
        program.world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_balance_shows_no_expired_hold() {
    let program = program("credits", &[]).await;
    program
        .world
        .adjusts(&program.account, "100", "a gift")
        .await;
    holds(&program, "60").await;
    program.world.elapse(Duration::from_secs(61)).await;
    let balance = program.get("/api/v1/billing/balance").await;
    assert_eq!(
        (&balance["balance"], &balance["held"]),
        (&json!("100"), &json!("0"))
    );
    program.world.settle().await;
    program.world.done().await;
}

/// Plays the expiry of two holds with a death at this call of the sweep and of what
/// it starts. Returns its calls.
async fn expire(fault_plan: FaultPlan, death: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) = World::on_plan(fault_plan, "credits", &[]).await;
    let key = world.key_of(&account, "the first").await;
    world.adjusts(&account, "100", "a gift").await;
    for (once, credits) in [("one", "30"), ("two", "40")] {
        let wanted = json!({ "credits": credits, "expires_in_seconds": 60 });
        loop {
            let (status, hold) = world
                .customer(&key, "POST", HOLDS, once, Some(&wanted))
                .await;
            if status != StatusCode::SERVICE_UNAVAILABLE {
                assert!(status.is_success(), "{hold}");
                break;
            }
        }
    }
    world.elapse(Duration::from_secs(61)).await;
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = death {
        world.stack.faults.crash_at(before + call, moment);
    }
    let _ = world.stack.faults.run(world.stack.sweep()).await;
    world.settle().await;
    assert_eq!(world.balance(&account).await, free(100), "{death:?}");
    assert_eq!(spent(&world, &account).await, Spent::of(0, 0), "{death:?}");
    let kinds = world.kinds(&account).await;
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "release").count(),
        2,
        "{death:?}: {kinds:?}"
    );
    world.assert_ledger_agrees().await;
    let calls = world.stack.faults.since(before);
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_an_expiry() {
    let calls = expire(FaultPlan::None, None).await;
    assert!(calls.len() >= 20, "{calls:?}");
    for death in deaths(&calls) {
        expire(FaultPlan::None, Some(death)).await;
    }
    let count = u64::try_from(calls.len()).expect("few");
    for seed in 1..=20 {
        let call = 1 + scramble(seed) % count;
        expire(FaultPlan::Seeded(seed), Some((call, Moment::After))).await;
    }
}

/// The sweeper counts what came due as planned apart from what was lost, because an alarm watches
/// the latter.
#[tokio::test(start_paused = true)]
async fn an_expiry_raises_no_alarm_of_lost_messages() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    world.adjusts(&program.account, "100000", "a gift").await;
    holds(&program, "60").await;
    world.elapse(Duration::from_secs(61)).await;
    let swept: Value = sweeper::on_schedule(
        &world.stack.sweeper,
        Value::Null,
        world.stack.outside.now().plus(Duration::from_secs(50)),
    )
    .await;
    assert_eq!(swept, json!({ "sent": 0, "planned": 1 }));
    program.world.settle().await;
    program.world.done().await;
}
