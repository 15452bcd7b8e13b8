//! Credits: an account's balance and its reasons, and holds for a customer's own work.

use crate::world::program::program;
use crate::world::verbs::together;
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn holds_are_made_captured_and_released() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    world.adjusts(&program.account, "100", "a gift").await;
    let wanted = json!({ "credits": "40", "description": "a summary" });
    let make = async || {
        world
            .customer(
                &program.key,
                "POST",
                "/api/v1/credits/holds",
                "h",
                Some(&wanted),
            )
            .await
    };
    let (status, hold) = make().await;
    assert_eq!(
        (status, &hold["credits"]),
        (StatusCode::CREATED, &json!("40")),
        "{hold}"
    );
    let (status, again) = make().await;
    assert_eq!(
        (status, &again["id"]),
        (StatusCode::OK, &hold["id"]),
        "the same act"
    );
    let balance = program.get("/api/v1/billing/balance").await;
    assert_eq!(
        (&balance["balance"], &balance["held"]),
        (&json!("60"), &json!("40"))
    );
    assert_eq!(
        program.get("/api/v1/credits/holds").await["holds"][0]["id"],
        hold["id"]
    );

    let path = format!(
        "/api/v1/credits/holds/{}/capture",
        hold["id"].as_str().expect("an id")
    );
    let used = json!({ "credits": "12.5" });
    let (status, settled) = program.ask("POST", &path, Some(&used)).await;
    assert_eq!(
        (status, &settled["spent"], &settled["returned"]),
        (StatusCode::OK, &json!("12.5"), &json!("27.5")),
        "{settled}"
    );
    assert_eq!(
        program.ask("POST", &path, Some(&used)).await.1,
        settled,
        "said again it answers the same"
    );
    let (status, other) = program
        .ask("POST", &path, Some(&json!({ "credits": "13" })))
        .await;
    assert_eq!(
        (status, &other["code"]),
        (StatusCode::CONFLICT, &json!("hold_settled"))
    );
    let release = path.replace("capture", "release");
    assert_eq!(
        program.ask("POST", &release, None).await.0,
        StatusCode::CONFLICT,
        "it is spent"
    );
    let balance = program.get("/api/v1/billing/balance").await;
    assert_eq!(
        (&balance["balance"], &balance["held"]),
        (&json!("87.5"), &json!("0"))
    );
    assert_eq!(balance["recentTransactions"][0]["kind"], "capture");
    world.assert_ledger_agrees().await;
    program.world.settle().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_hold_by_tokens_is_priced_by_the_catalogue() {
    let program = program("credits", &[]).await;
    program
        .world
        .adjusts(&program.account, "100", "a gift")
        .await;
    let model = crate::world::money::built_in();
    let price = model.model("claude-sonnet-4-5").expect("a price");
    let wanted = json!({ "tokens": { "model": "claude-sonnet-4-5-20260929", "input": 1_000, "output": 100 } });
    let (status, hold) = program
        .ask("POST", "/api/v1/credits/holds", Some(&wanted))
        .await;
    let micros = (1_000 * price.input + 100 * price.output) * 12 / 10;
    let expected = domain::units::Credits::from_micros(micros)
        .expect("an amount")
        .to_string();
    assert_eq!(
        (status, &hold["credits"]),
        (StatusCode::CREATED, &json!(expected)),
        "{hold}"
    );
    for (bad, code) in [
        (
            json!({ "tokens": { "model": "unheard-of", "input": 1 } }),
            "unknown_model",
        ),
        (
            json!({ "tokens": { "model": "claude-sonnet-4-5", "input": u64::MAX } }),
            "bad_amount",
        ),
        (
            json!({ "credits": "1", "tokens": { "model": "claude-sonnet-4-5", "input": 1 } }),
            "bad_amount",
        ),
        (json!({}), "bad_amount"),
        (json!({ "credits": "0" }), "bad_amount"),
        (json!({ "credits": "-1" }), "bad_amount"),
        (
            json!({ "credits": "1", "expires_in_seconds": 5 }),
            "bad_expiry",
        ),
        (
            json!({ "credits": "1", "description": "a\nb" }),
            "bad_description",
        ),
        (
            json!({ "credits": "1", "account": "acc_other" }),
            "bad_body",
        ),
        (json!({ "credits": 1 }), "bad_body"),
    ] {
        let (status, refused) = program
            .ask("POST", "/api/v1/credits/holds", Some(&bad))
            .await;
        assert!(
            status.is_client_error() && refused["code"] == code,
            "{bad}: {status} {refused}"
        );
    }
    program.world.abandoned();
}

#[tokio::test(start_paused = true)]
async fn without_credits_a_hold_says_what_is_missing_and_an_old_one_makes_room() {
    let program = program("credits", &[]).await;
    program
        .world
        .adjusts(&program.account, "10", "a gift")
        .await;
    let hold = async |credits: &str| {
        program
            .ask(
                "POST",
                "/api/v1/credits/holds",
                Some(&json!({ "credits": credits, "expires_in_seconds": 60 })),
            )
            .await
    };
    assert_eq!(hold("10").await.0, StatusCode::CREATED);
    let (status, refused) = hold("1").await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::PAYMENT_REQUIRED, &json!("insufficient_credits"))
    );
    let detail = refused["detail"].as_str().expect("a sentence");
    assert!(
        detail.contains("1 credits are needed and 0 are available") && detail.contains("/billing"),
        "{detail}"
    );
    program.world.elapse(Duration::from_secs(61)).await;
    assert_eq!(
        hold("7").await.0,
        StatusCode::CREATED,
        "the first was not settled in time"
    );
    let balance = program.get("/api/v1/billing/balance").await;
    assert_eq!(
        (&balance["balance"], &balance["held"]),
        (&json!("3"), &json!("7"))
    );
    program.world.assert_ledger_agrees().await;
    program.world.abandoned();
}

#[tokio::test(start_paused = true)]
async fn as_many_holds_win_as_there_are_credits_for() {
    let program = program("credits", &[]).await;
    program
        .world
        .adjusts(&program.account, "35", "a gift")
        .await;
    let wanted = json!({ "credits": "10" });
    let asked = (0..10).map(|_| program.ask("POST", "/api/v1/credits/holds", Some(&wanted)));
    let statuses: Vec<_> = together(asked)
        .await
        .into_iter()
        .map(|(status, _)| status)
        .collect();
    let won = statuses
        .iter()
        .filter(|status| **status == StatusCode::CREATED)
        .count();
    assert_eq!(won, 3, "{statuses:?}");
    program.world.assert_ledger_agrees().await;
    program.world.abandoned();
}

#[tokio::test(start_paused = true)]
async fn transactions_come_by_pages_and_as_a_table() {
    let program = program("credits", &[]).await;
    for n in 0..5 {
        program
            .world
            .adjusts(&program.account, "1", &format!("gift {n}"))
            .await;
        program.world.elapse(Duration::from_secs(1)).await;
    }
    program
        .world
        .adjusts(&program.account, "-2", "a fine")
        .await;
    let (mut ids, mut next) = (Vec::new(), Value::Null);
    loop {
        let cursor = next
            .as_str()
            .map(|cursor| format!("&cursor={cursor}"))
            .unwrap_or_default();
        let page = program
            .get(&format!("/api/v1/billing/transactions?limit=2{cursor}"))
            .await;
        ids.extend(
            page["transactions"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|line| line["id"].clone()),
        );
        next = page["next_cursor"].clone();
        if next.is_null() {
            break;
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 6);
    let (status, table) = program
        .ask("GET", "/api/v1/billing/transactions?format=csv", None)
        .await;
    let table = table.as_str().expect("text").to_owned();
    assert_eq!(
        (status, table.lines().count()),
        (StatusCode::OK, 7),
        "{table}"
    );
    assert!(
        table
            .lines()
            .nth(1)
            .expect("a line")
            .contains("\"debit\",\"adjustment\",\"2\",\"-2\",\"a test\""),
        "{table}"
    );
    for bad in [
        "limit=0",
        "limit=201",
        "kind=gift",
        "format=xml",
        "cursor=!",
        "page=2",
        "limit=x",
    ] {
        let (status, refused) = program
            .ask("GET", &format!("/api/v1/billing/transactions?{bad}"), None)
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}: {refused}");
    }
    program.world.settle().await;
    program.world.done().await;
}
