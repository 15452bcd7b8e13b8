//! The memory of a process: after a busy day it is no larger than the day before, whatever the
//! number of unknown keys.
//!
//! Live bytes are counted for the test's thread, which runs its whole world, so other tests do not
//! disturb it. SQLite's memory, which the embedded store uses, is not counted.

use crate::world::program::{request, respond};
use crate::world::{FaultPlan, World, fixture};
use domain::accounts::api_keys::{KeyText, TEST};
use http::StatusCode;
use serde_json::json;
use std::time::Duration;

/// Unknown keys per day: on the first day more than the cache holds, then enough to see whether the
/// cache is bounded, then none, so that evicted entries hide nothing else.
const UNKNOWN_KEYS: [u64; 3] = [10_200, 4_500, 0];
const WEBHOOKS: u64 = 40;
/// An upper bound for the stand-ins' records of a day and the spare capacity of maps.
const GROWTH_BYTES_MAX: i64 = 128 * 1024;

/// A key that does not exist.
fn unknown_key(day: usize, nth: u64) -> KeyText {
    let mut random = [7; 32];
    random[..8].copy_from_slice(&day.to_be_bytes());
    random[8..16].copy_from_slice(&nth.to_be_bytes());
    KeyText::mint(TEST, random)
}

/// One day: webhooks arrive, a job is delivered, a person signs in and browses, and many unknown
/// keys are sent.
async fn day(world: &World, key: &str, day: usize) {
    for nth in 0..WEBHOOKS {
        let body = br#"{"zen":"Keep it logically awesome."}"#;
        let taken = world
            .github_delivers("ping", &format!("day-{day}-{nth}"), body)
            .await;
        assert_eq!(taken.status(), StatusCode::ACCEPTED);
        let mut event = fixture("stripe", "invoice.paid");
        (event["id"], event["type"]) = (
            json!(format!("evt_day{day}n{nth}")),
            json!("tax_rate.created"),
        );
        assert_eq!(world.stripe_delivers(&event).await, StatusCode::ACCEPTED);
    }
    world
        .issue_opens(100 + u64::try_from(day).expect("few"))
        .await;
    world.settle().await;
    let browser = world.signed_in("acme-owner").await;
    for path in [
        "/api/v1/account",
        "/api/v1/jobs",
        "/api/v1/billing/usage",
        "/api/v1/billing/balance",
    ] {
        assert_eq!(browser.api("GET", path, "", None).await.0, StatusCode::OK);
        assert_eq!(
            world.customer(key, "GET", path, "", None).await.0,
            StatusCode::OK
        );
    }
    for nth in 0..UNKNOWN_KEYS[day] {
        let asked = request(
            "GET",
            "/api/v1/account",
            unknown_key(day, nth).expose(),
            &[],
            "",
        );
        assert_eq!(
            respond(world, asked).await.status(),
            StatusCode::UNAUTHORIZED
        );
    }
    // Entries cached today have expired tomorrow.
    world.elapse(Duration::from_secs(61)).await;
    world.stack.faults.clear_log();
}

async fn furnished() -> (World, String) {
    let (world, account) = World::on_plan(FaultPlan::None, "payg", &[]).await;
    let key = world.key_of(&account, "the first").await;
    (world, key)
}

#[test]
fn memory_usage_stable() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime");
    let (world, key) = runtime.block_on(furnished());
    let kept = [0, 1, 2].map(|nth| {
        let measured = allocation_counter::measure(|| runtime.block_on(day(&world, &key, nth)));
        measured.bytes_current
    });
    assert!(
        kept[0] > 8 * GROWTH_BYTES_MAX,
        "the first day fills what is remembered, or nothing is seen here: {kept:?}"
    );
    assert!(
        kept[1..].iter().all(|more| *more < GROWTH_BYTES_MAX),
        "each day keeps more than the one before: {kept:?}"
    );
    runtime.block_on(world.done());
}
