//! One-call debits for a customer's own work, and whether there are enough credits for it.

use crate::world::program::program;
use crate::world::shop::whole;
use crate::world::verbs::together;
use crate::world::{FaultPlan, World};
use domain::billing::spending::{SpendUnit, Spent};
use domain::ledger::Balance;
use http::StatusCode;
use serde_json::{Value, json};
use stand_in_shared::faults::{Moment, deaths};
use std::time::Duration;

const DEBIT: &str = "/api/v1/credits/debit";
const CHECK: &str = "/api/v1/credits/check";

fn free(credits: u64) -> Balance {
    Balance {
        available: whole(credits),
        ..Balance::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_debit_is_charged_once() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world.adjusts(account, "100", "a gift").await;
    let wanted = json!({ "credits": "12.5", "description": "a summary" });
    let ask = async |wanted: &Value| {
        world
            .customer(&program.key, "POST", DEBIT, "one", Some(wanted))
            .await
    };
    let (status, first) = ask(&wanted).await;
    assert_eq!(
        (status, &first["spent"], &first["balance"]),
        (StatusCode::CREATED, &json!("12.5"), &json!("87.5")),
        "{first}"
    );
    let (status, again) = ask(&wanted).await;
    assert_eq!((status, &again), (StatusCode::OK, &first), "the same act");
    let (status, other) = ask(&json!({ "credits": "13" })).await;
    assert_eq!(
        (status, &other["code"]),
        (StatusCode::CONFLICT, &json!("idempotency_key_reused"))
    );
    assert_eq!(world.kinds(account).await, ["adjustment", "capture"]);
    let shown = program.get("/api/v1/billing/transactions").await;
    let line = &shown["transactions"][0];
    assert_eq!(
        (&line["type"], &line["amount"], &line["description"]),
        (&json!("debit"), &json!("12.5"), &json!("a summary")),
        "{shown}"
    );
    world.assert_ledger_agrees().await;
    program.world.settle().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_debit_never_spends_what_is_not_there() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world.adjusts(account, "35", "a gift").await;
    let (status, refused) = program
        .ask("POST", DEBIT, Some(&json!({ "credits": "35.000001" })))
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::PAYMENT_REQUIRED, &json!("insufficient_credits"))
    );
    let ten = json!({ "credits": "10" });
    let asked = (0..10).map(|_| program.ask("POST", DEBIT, Some(&ten)));
    let answers = together(asked).await;
    let won = answers
        .iter()
        .filter(|(status, _)| *status == StatusCode::CREATED)
        .count();
    assert_eq!(won, 3, "{answers:?}");
    assert_eq!(world.balance(account).await, free(5));
    for (bad, code) in [
        (json!({}), "bad_amount"),
        (json!({ "credits": "0" }), "bad_amount"),
        (json!({ "credits": "-1" }), "bad_amount"),
        (json!({ "credits": "1", "amount": 1 }), "bad_body"),
        (
            json!({ "tokens": { "model": "unheard-of", "input": 1 } }),
            "unknown_model",
        ),
    ] {
        let (status, refused) = program.ask("POST", DEBIT, Some(&bad)).await;
        assert!(
            status.is_client_error() && refused["code"] == code,
            "{bad}: {status} {refused}"
        );
    }
    world.assert_ledger_agrees().await;
    program.world.settle().await;
    program.world.done().await;
}

/// A debit keeps the spend limit, counts in it, and uses the credits of an expired hold.
#[tokio::test(start_paused = true)]
async fn a_debit_keeps_the_spend_limit() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world.adjusts(account, "100", "a gift").await;
    let limit = json!({ "credits": "50" });
    let path = "/api/v1/billing/spend-limit";
    let (status, answer) = program.ask("PUT", path, Some(&limit)).await;
    assert!(status.is_success(), "{answer}");
    let debit = async |credits: &str| {
        let wanted = json!({ "credits": credits });
        program.ask("POST", DEBIT, Some(&wanted)).await
    };
    assert_eq!(debit("30").await.0, StatusCode::CREATED);
    let enough = async |credits: &str| program.get(&format!("{CHECK}?credits={credits}")).await;
    assert_eq!(enough("20").await["enough"], json!(true));
    let over = enough("20.5").await;
    assert_eq!(
        (&over["enough"], &over["reason"]),
        (&json!(false), &json!("spend_limit_reached")),
        "{over}"
    );
    let (status, refused) = debit("20.5").await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::FORBIDDEN, &json!("spend_limit_reached")),
        "{refused}"
    );
    let hold = json!({ "credits": "20", "expires_in_seconds": 60 });
    let (status, _) = program
        .ask("POST", "/api/v1/credits/holds", Some(&hold))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(debit("20").await.0, StatusCode::FORBIDDEN);
    world.elapse(Duration::from_secs(61)).await;
    assert_eq!(debit("20").await.0, StatusCode::CREATED, "it has expired");
    let spent = world
        .stack
        .store
        .spent_find(account, "2026-11", SpendUnit::Credits);
    assert_eq!(
        spent.await.expect("the store answers"),
        Spent::of(whole(50).micros(), 0)
    );
    world.assert_ledger_agrees().await;
    program.world.settle().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_check_reserves_nothing() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world.adjusts(account, "10", "a gift").await;
    let check = async |query: &str| program.ask("GET", &format!("{CHECK}?{query}"), None).await;
    for _ in 0..2 {
        let (status, answer) = check("credits=10").await;
        assert_eq!(
            (status, answer),
            (
                StatusCode::OK,
                json!({ "enough": true, "reason": null, "needed": "10", "balance": "10" })
            )
        );
    }
    let (_, answer) = check("credits=10.5").await;
    assert_eq!(
        answer,
        json!({ "enough": false, "reason": "insufficient_credits", "needed": "10.5", "balance": "10" })
    );
    let (status, answer) = check("model=claude-sonnet-4-5&input=1000&output=100").await;
    assert_eq!((status, &answer["enough"]), (StatusCode::OK, &json!(true)));
    for bad in [
        "",
        "credits=x",
        "credits=1&model=claude-sonnet-4-5&input=1",
        "model=claude-sonnet-4-5",
        "input=5",
        "amount=5",
    ] {
        let (status, refused) = check(bad).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}: {refused}");
    }
    let hold = json!({ "credits": "8", "expires_in_seconds": 60 });
    program
        .ask("POST", "/api/v1/credits/holds", Some(&hold))
        .await;
    assert_eq!(check("credits=5").await.1["enough"], json!(false));
    world.elapse(Duration::from_secs(61)).await;
    assert_eq!(
        check("credits=5").await.1["enough"],
        json!(true),
        "the hold has expired"
    );
    assert_eq!(world.balance(account).await, free(10));
    world.assert_ledger_agrees().await;
    program.world.settle().await;
    program.world.done().await;
}

/// A client whose request dies anywhere sends it again and pays once.
#[tokio::test(start_paused = true)]
async fn a_debit_may_die_at_any_call() {
    let wanted = json!({ "credits": "30" });
    let play = async |death: Option<(u64, Moment)>| {
        let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
        let key = world.key_of(&account, "the first").await;
        world.adjusts(&account, "100", "a gift").await;
        let before = world.stack.faults.calls();
        if let Some((call, moment)) = death {
            world.stack.faults.crash_at(before + call, moment);
        }
        for _ in 0..3 {
            let sent = world.customer_once(&key, "POST", DEBIT, "one", Some(&wanted));
            if let Some((status, answer)) = sent.await {
                assert!(status.is_success(), "{death:?}: {answer}");
                break;
            }
        }
        assert_eq!(world.balance(&account).await, free(70), "{death:?}");
        assert_eq!(world.kinds(&account).await, ["adjustment", "capture"]);
        world.assert_ledger_agrees().await;
        let calls = world.stack.faults.since(before);
        world.settle().await;
        assert_eq!(
            world.notices(&account).await,
            ["low_balance#1"],
            "one warning"
        );
        world.done().await;
        calls
    };
    let calls = play(None).await;
    assert!(calls.len() >= 5, "{calls:?}");
    for death in deaths(&calls) {
        play(Some(death)).await;
    }
}
