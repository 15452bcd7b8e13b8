//! API keys: created once, shown once, rotated with an overlap, revoked within a minute.

use crate::world::program::program;
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_key_is_shown_once_and_opens_its_account() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    assert_eq!(
        program.get("/api/v1/account").await["id"],
        program.account.as_str()
    );
    let wanted = json!({ "name": "ci", "scopes": ["read"] });
    let make = async || {
        world
            .customer(
                &program.key,
                "POST",
                "/api/v1/api-keys",
                "once",
                Some(&wanted),
            )
            .await
    };
    let (status, made) = make().await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (status, again) = make().await;
    assert_eq!(
        (status, &again["code"]),
        (StatusCode::CONFLICT, &json!("key_shown_before")),
        "{again}"
    );
    let secret = made["secret"].as_str().expect("a key");
    assert!(
        secret.starts_with("th_test_") && secret.len() == 60,
        "{secret}"
    );

    let listed = program.get("/api/v1/api-keys").await;
    assert_eq!(listed["keys"].as_array().map(Vec::len), Some(2));
    assert!(
        !listed.to_string().contains(&secret[13..]),
        "only how it begins is kept"
    );
    let (status, seen) = world
        .customer(secret, "GET", "/api/v1/billing/balance", "", None)
        .await;
    assert_eq!((status, &seen["balance"]), (StatusCode::OK, &json!("0")));
    let (status, refused) = world
        .customer(secret, "POST", "/api/v1/api-keys", "other", Some(&wanted))
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::FORBIDDEN, &json!("missing_scope")),
        "{refused}"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_grants_no_more_than_it_has() {
    let program = program("credits", &[]).await;
    let wanted = json!({ "name": "ci", "scopes": ["read", "keys"] });
    let (_, made) = program.ask("POST", "/api/v1/api-keys", Some(&wanted)).await;
    let narrow = made["secret"].as_str().expect("a key");
    let wider = json!({ "name": "more", "scopes": ["read", "billing"] });
    let (status, refused) = program
        .world
        .customer(narrow, "POST", "/api/v1/api-keys", "x", Some(&wider))
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::FORBIDDEN, &json!("missing_scope"))
    );
    for bad in [
        json!({ "name": "", "scopes": ["read"] }),
        json!({ "name": "x".repeat(101), "scopes": ["read"] }),
        json!({ "name": "x", "scopes": [] }),
        json!({ "name": "x", "scopes": ["everything"] }),
        json!({ "name": "x", "scopes": ["read"], "expires_in_days": 0 }),
        json!({ "name": "x", "scopes": ["read"], "role": "admin" }),
        json!({ "name": "x" }),
    ] {
        let (status, refused) = program.ask("POST", "/api/v1/api-keys", Some(&bad)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}: {refused}");
    }
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_opens_nothing_after_a_minute() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let (_, made) = program
        .ask(
            "POST",
            "/api/v1/api-keys",
            Some(&json!({ "name": "a", "scopes": ["read"] })),
        )
        .await;
    let (id, secret) = (
        made["id"].as_str().expect("an id"),
        made["secret"].as_str().expect("a key"),
    );
    let status = async || {
        world
            .customer(secret, "GET", "/api/v1/account", "", None)
            .await
            .0
    };
    assert_eq!(status().await, StatusCode::OK);
    assert_eq!(
        program
            .ask("DELETE", &format!("/api/v1/api-keys/{id}"), None)
            .await
            .0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        program
            .ask("DELETE", &format!("/api/v1/api-keys/{id}"), None)
            .await
            .0,
        StatusCode::NO_CONTENT,
        "again"
    );
    world.elapse(Duration::from_secs(60)).await;
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
    let listed = program.get("/api/v1/api-keys").await;
    let revoked = listed["keys"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|key| key["id"] == id)
        .expect("it is listed");
    assert!(revoked["revoked_at"].is_string());
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn both_keys_work_during_a_rotation() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let wanted = json!({ "name": "a", "scopes": ["read"], "expires_in_days": 30 });
    let (_, made) = program.ask("POST", "/api/v1/api-keys", Some(&wanted)).await;
    let (id, old) = (
        made["id"].as_str().expect("an id"),
        made["secret"].as_str().expect("a key"),
    );
    let path = format!("/api/v1/api-keys/{id}/rotate");
    let (status, rotated) = program
        .ask("POST", &path, Some(&json!({ "overlap_hours": 24 })))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{rotated}");
    assert_eq!(
        (&rotated["name"], &rotated["scopes"], &rotated["expires_at"]),
        (&json!("a"), &json!(["read"]), &made["expires_at"])
    );
    let new = rotated["secret"].as_str().expect("a key");
    let opens = async |key: &str| {
        world
            .customer(key, "GET", "/api/v1/account", "", None)
            .await
            .0
            == StatusCode::OK
    };
    assert!(opens(old).await && opens(new).await);
    world.skip(Duration::from_secs(24 * 3_600));
    assert_eq!(
        (opens(old).await, opens(new).await),
        (false, true),
        "the overlap is over"
    );
    world.skip(Duration::from_secs(30 * 86_400));
    assert!(!opens(new).await, "it ends when the old one would have");
    let (status, refused) = program
        .ask("POST", &path, Some(&json!({ "overlap_hours": 1 })))
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::CONFLICT, &json!("key_ended"))
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_key_is_not_looked_up() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let good = &program.key;
    let calls = world.stack.faults.calls();
    let shout = good.to_uppercase();
    for key in [
        "",
        "x",
        "th_test_",
        "th_live_short",
        &shout,
        &good[..good.len() - 1],
        &format!("{good}0"),
    ] {
        let (status, refused) = world
            .customer(key, "GET", "/api/v1/account", "", None)
            .await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::UNAUTHORIZED, &json!("unauthorized")),
            "{key}"
        );
    }
    assert_eq!(
        world.stack.faults.calls(),
        calls,
        "nothing was asked of the store"
    );
    let mut other = good.clone();
    other.replace_range(59..60, if good.ends_with('0') { "g" } else { "0" });
    for _ in 0..20 {
        let (status, refused) = world
            .customer(&other, "GET", "/api/v1/account", "", None)
            .await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::UNAUTHORIZED, &json!("unauthorized"))
        );
    }
    assert!(
        world.stack.faults.calls() <= calls + 1,
        "a wrong key is remembered as one"
    );
    let (_, absent): (_, Value) = world
        .customer(good, "GET", "/api/v1/nothing", "", None)
        .await;
    assert_eq!(absent["code"], "not_found");
    program.world.done().await;
}
