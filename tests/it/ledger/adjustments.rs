//! Operators correct balances.

use super::jobs::prepaid;
use crate::world::FaultPlan;
use http::StatusCode;

/// The operators' correction: once per key, with a reason, within bounds.
#[tokio::test(start_paused = true)]
async fn an_adjustment_is_made_once_for_its_key() {
    let (world, account) = prepaid(FaultPlan::Seeded(23), "0", &[]).await;
    let key = |n: u32| format!("key {n}");
    let (status, made) = world.adjusts(&account, "12.5", &key(1)).await;
    assert_eq!(
        (status, &made["balance"]["available"]),
        (StatusCode::CREATED, &"12.5".into())
    );
    let (status, again) = world.adjusts(&account, "12.5", &key(1)).await;
    assert_eq!(
        (status, &again["id"], &again["balance"]["available"]),
        (StatusCode::OK, &made["id"], &"12.5".into())
    );
    let (status, other) = world.adjusts(&account, "13", &key(1)).await;
    assert_eq!(
        (status, &other["code"]),
        (StatusCode::CONFLICT, &"idempotency_key_reused".into())
    );
    world.elapse(std::time::Duration::from_secs(1)).await;
    let (status, taken) = world.adjusts(&account, "-20", &key(2)).await;
    assert_eq!(
        (status, &taken["balance"]["debt"]),
        (StatusCode::CREATED, &"7.5".into()),
        "a debt is shown as one"
    );
    for (amount, code) in [
        ("0", "bad_amount"),
        ("1e3", "bad_amount"),
        ("", "bad_amount"),
        ("1000000.000001", "bad_amount"),
        ("0.0000001", "bad_amount"),
    ] {
        let (status, refused) = world.adjusts(&account, amount, &key(3)).await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::BAD_REQUEST, &code.into()),
            "{amount:?}"
        );
    }
    let path = format!("/api/v1/admin/accounts/{account}/adjustments");
    let body = serde_json::json!({ "amount": "1", "reason": "why not" });
    let (status, refused) = world.operator("POST", &path, Some(&body)).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::BAD_REQUEST, &"bad_idempotency_key".into())
    );
    let (status, refused) = world
        .keyed(
            "POST",
            &path,
            "k",
            &serde_json::json!({ "amount": "1", "reason": " " }),
        )
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::BAD_REQUEST, &"bad_reason".into())
    );

    let (_, balance) = world
        .operator(
            "GET",
            &format!("/api/v1/admin/accounts/{account}/balance"),
            None,
        )
        .await;
    assert_eq!(
        balance,
        serde_json::json!({ "available": "0", "held": "0", "debt": "7.5" })
    );
    let (_, ledger) = world
        .operator(
            "GET",
            &format!("/api/v1/admin/accounts/{account}/ledger"),
            None,
        )
        .await;
    let entries = ledger["entries"].as_array().expect("a list");
    let line = |entry: &serde_json::Value| {
        ["type", "kind", "amount", "description", "source"]
            .map(|name| entry[name].as_str().unwrap_or("?").to_owned())
    };
    assert_eq!(
        line(&entries[0]),
        ["debit", "adjustment", "20", "a test", "operator local"]
    );
    assert_eq!(
        line(&entries[1]),
        ["credit", "adjustment", "12.5", "a test", "operator local"]
    );
    assert_eq!(ledger["next_cursor"], serde_json::Value::Null);
    let absent = "/api/v1/admin/accounts/acc_00000000000000000000000000/balance";
    assert_eq!(
        world.operator("GET", absent, None).await.0,
        StatusCode::NOT_FOUND
    );
    world.settle().await;
    world.done().await;
}
