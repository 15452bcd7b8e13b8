//! Usage: recorded once, checked against the quota before the work, counted per period.

use crate::world::program::program;
use crate::world::verbs::together;
use http::StatusCode;
use serde_json::json;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn usage_events_accepted() {
    let program = program("basic", &[]).await;
    let world = &program.world;
    let used = json!({ "meter": "tokens", "amount": 500, "metadata": { "model": "a-model" } });
    let record = async || {
        world
            .customer(&program.key, "POST", "/api/v1/usage", "u", Some(&used))
            .await
    };
    for _ in 0..3 {
        let (status, counted) = record().await;
        assert_eq!(status, StatusCode::CREATED, "{counted}");
        assert_eq!(
            counted["counters"][0],
            json!({ "meter": "tokens", "used": 500, "limit": 100_000, "period": "2026-11" })
        );
    }
    let other = json!({ "meter": "tokens", "amount": 501 });
    let (status, refused) = world
        .customer(&program.key, "POST", "/api/v1/usage", "u", Some(&other))
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::CONFLICT, &json!("idempotency_key_reused"))
    );
    let batch = json!([{ "meter": "tokens", "amount": 1 }, { "meter": "api_calls", "amount": 2 }, { "meter": "tokens", "amount": 3 }]);
    let (status, counted) = program.ask("POST", "/api/v1/usage", Some(&batch)).await;
    let totals: Vec<_> = counted["counters"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["used"].clone())
        .collect();
    assert_eq!(
        (status, totals),
        (StatusCode::CREATED, vec![json!(501), json!(2), json!(504)])
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_used_exactly_and_renews_with_the_month() {
    let program = program("basic", &[]).await;
    let used = json!({ "meter": "scraping_tasks", "amount": 7 });
    let checks = (0..20).map(|_| program.ask("POST", "/api/v1/usage/check", Some(&used)));
    let answers = together(checks).await;
    let granted = answers
        .iter()
        .filter(|(status, _)| *status == StatusCode::CREATED)
        .count();
    assert_eq!(granted, 14, "14 times 7 are within 100");
    let refused = answers
        .iter()
        .find(|(status, _)| *status == StatusCode::FORBIDDEN)
        .expect("a refusal");
    assert_eq!(refused.1["code"], "quota_used");
    let detail = refused.1["detail"].as_str().expect("a sentence");
    assert!(
        detail.contains("of 100 scraping_tasks of the plan Basic are used")
            && detail.contains("2026-12-01"),
        "{detail}"
    );
    let quota = program.get("/api/v1/billing/quota").await;
    let tasks = quota["quotas"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["meter"] == "scraping_tasks");
    assert_eq!(tasks.expect("a quota")["left"], 2);
    assert_eq!(
        program.world.notices(&program.account).await,
        ["quota_nearly_used#scraping_tasks#2026-11"]
    );
    program.world.skip(Duration::from_secs(31 * 86_400));
    let (status, counted) = program
        .ask("POST", "/api/v1/usage/check", Some(&used))
        .await;
    assert_eq!(
        (status, &counted["used"], &counted["period"]),
        (StatusCode::CREATED, &json!(7), &json!("2026-12"))
    );
    program.world.settle().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_limited_everything_is_counted() {
    let program = program("enterprise_api", &[]).await;
    let used = json!({ "meter": "tokens", "amount": 1_000_000_000_000_u64 });
    for times in 1..=3_u64 {
        let (status, counted) = program
            .ask("POST", "/api/v1/usage/check", Some(&used))
            .await;
        assert_eq!(
            (status, &counted["used"], &counted["limit"]),
            (
                StatusCode::CREATED,
                &json!(times * 1_000_000_000_000),
                &json!(0)
            )
        );
    }
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_recorded_says_why() {
    let program = program("basic", &[]).await;
    let many = json!(vec![json!({ "meter": "tokens", "amount": 1 }); 101]);
    let long = "x".repeat(101);
    for (bad, code) in [
        (json!({ "meter": "smiles", "amount": 1 }), "unknown_meter"),
        (json!({ "meter": "TOKENS", "amount": 1 }), "unknown_meter"),
        (
            json!({ "meter": "pull_requests", "amount": 1 }),
            "not_recordable",
        ),
        (json!({ "meter": "agents", "amount": 1 }), "not_recordable"),
        (json!({ "meter": "tokens", "amount": 0 }), "bad_amount"),
        (
            json!({ "meter": "tokens", "amount": u64::MAX }),
            "bad_amount",
        ),
        (
            json!({ "meter": "tokens", "amount": 1, "metadata": { "a": long } }),
            "bad_metadata",
        ),
        (json!({ "meter": "tokens", "amount": -1 }), "bad_body"),
        (json!({ "meter": "tokens" }), "bad_body"),
        (json!([]), "bad_batch"),
        (many, "bad_batch"),
    ] {
        let (status, refused) = program.ask("POST", "/api/v1/usage", Some(&bad)).await;
        assert!(
            status.is_client_error() && refused["code"] == code,
            "{bad}: {status} {refused}"
        );
    }
    let (status, _) = program
        .world
        .customer(
            &program.key,
            "POST",
            "/api/v1/usage",
            "",
            Some(&json!({ "meter": "tokens", "amount": 1 })),
        )
        .await;
    assert_eq!(
        status,
        StatusCode::BAD_REQUEST,
        "without an idempotency key"
    );
    program.world.done().await;
}
