//! Wherever a process dies, a job's reservation is spent or released, once.

use super::{HOLDS, LIMIT};
use crate::world::{FaultPlan, World};
use domain::billing::spending::{SpendLimit, SpendUnit, Spent};
use domain::jobs::cost_to_customer;
use domain::units::Credits;
use domain::units::{Currency, Money};
use http::StatusCode;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};

/// How a job is paid for and how it ends.
#[derive(Debug, Clone, Copy)]
struct Story {
    plan: &'static str,
    delivered: bool,
}

/// Plays a story with a death at this call, counted from the beginning. Returns the calls that
/// write transactions.
async fn play(story: Story, death: Option<(u64, Moment)>) -> Vec<u64> {
    let (world, account) = World::on_plan(FaultPlan::None, story.plan, &[]).await;
    world.adjusts(&account, "1000", "a gift").await;
    let today = world.stack.outside.now().day();
    // The subscription of the metered plan starts today. Prepaid credits have calendar months.
    let period = match story.plan {
        "payg" => format!("from-{today}"),
        _ => today[..7].to_owned(),
    };
    let currency = Currency::parse("usd").expect("a currency");
    let limit = SpendLimit {
        money: Some(Money {
            minor: 1_500,
            currency,
        }),
        credits: Credits::whole(600),
    };
    let now = world.stack.outside.now();
    world
        .stack
        .store
        .spend_limit_set(&account, &limit, now)
        .await
        .expect("an answer");
    if !story.delivered {
        let reject = r#"{"verdict":"reject","notes":"no"}"#;
        world
            .vendors
            .model
            .script("review", vec![reject.to_owned(); 3]);
    }
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = death {
        world.stack.faults.crash_at(before + call, moment);
    }
    world.issue_opens(30).await;
    world.settle().await;
    let what = format!("{story:?} after {death:?}");
    let pulls = world.vendors.github.pulls(OWNER, REPOSITORY);
    assert_eq!(pulls.len(), usize::from(story.delivered), "{what}");
    let unit = if story.plan == "credits" {
        SpendUnit::Credits
    } else {
        SpendUnit::Money
    };
    let cost = match pulls.first() {
        None => 0,
        Some(_) if unit == SpendUnit::Money => 1_500_000_000,
        Some(pull) => cost_to_customer(&world.job_of_branch(&pull.head).await).micros(),
    };
    let found = world
        .stack
        .store
        .spent_find(&account, &period, unit)
        .await
        .expect("an answer");
    assert_eq!(
        found,
        Spent {
            spent: cost,
            reserved: 0
        },
        "{what}"
    );
    world.assert_ledger_agrees().await;
    let log = world
        .stack
        .faults
        .log()
        .into_iter()
        .skip(usize::try_from(before).expect("few"));
    let calls = log
        .zip(1..)
        .filter(|(name, _)| name == "dynamodb TransactWriteItems")
        .map(|(_, call)| call)
        .collect();
    world.settle().await;
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_write_that_spends() {
    for plan in ["payg", "credits"] {
        for delivered in [true, false] {
            let story = Story { plan, delivered };
            let calls = play(story, None).await;
            assert!(calls.len() >= 3, "{story:?}: {calls:?}");
            for call in calls {
                play(story, Some((call, Moment::Before))).await;
                play(story, Some((call, Moment::After))).await;
            }
        }
    }
}

/// Sends a request and repeats it until there is an answer, as programs do.
async fn persists(
    world: &World,
    key: &str,
    path: &str,
    once: &str,
    body: &Value,
) -> (StatusCode, Value) {
    loop {
        let answered = world
            .customer_once(key, "POST", path, once, Some(body))
            .await;
        if let Some(answer) = answered.filter(|(status, _)| !status.is_server_error()) {
            return answer;
        }
    }
}

/// A customer's own hold, created and captured by a program that retries until it gets an answer.
async fn held(death: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
    let key = world.key_of(&account, "the first").await;
    world.adjusts(&account, "1000", "a gift").await;
    let wanted = json!({ "credits": "600" });
    assert_eq!(
        world
            .customer(&key, "PUT", LIMIT, "l", Some(&wanted))
            .await
            .0,
        StatusCode::OK
    );
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = death {
        world.stack.faults.crash_at(before + call, moment);
    }
    let (_, hold) = persists(&world, &key, HOLDS, "h", &wanted).await;
    let path = format!("{HOLDS}/{}/capture", hold["id"].as_str().expect("an id"));
    let (status, settled) = persists(&world, &key, &path, "c", &json!({ "credits": "20" })).await;
    assert_eq!(status, StatusCode::OK, "{death:?}: {settled}");
    let spent = world
        .stack
        .store
        .spent_find(&account, "2026-11", SpendUnit::Credits)
        .await
        .expect("an answer");
    assert_eq!(
        spent,
        Spent {
            spent: 20_000_000,
            reserved: 0
        },
        "{death:?}"
    );
    world.assert_ledger_agrees().await;
    let calls = world.stack.faults.since(before);
    world.settle().await;
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_hold() {
    let calls = held(None).await;
    assert!(calls.len() >= 6, "{calls:?}");
    for death in deaths(&calls) {
        held(Some(death)).await;
    }
}
