//! What a process keeps: after a busy day no more than after the day before, however many strangers knock.
//!
//! Live bytes are counted for the thread of the test, on which its whole world lives, so other tests do not disturb it. What
//! the embedded store keeps is SQLite's memory and not counted here.

use crate::world::program::{request, respond};
use crate::world::{FaultPlan, World, fixture};
use domain::accounts::api_keys::{KeyText, TEST};
use http::StatusCode;
use serde_json::json;
use std::time::Duration;

/// Keys that nobody has: on the first day more than is remembered at once, then enough to see
/// whether there is an end to it, then none, so that nothing else hides behind what is forgotten of them.
const STRANGERS: [u64; 3] = [10_200, 4_500, 0];
const WEBHOOKS: u64 = 40;
/// What the stand-ins note of a day, and what maps leave unused, is less.
const GROWTH_BYTES_MAX: i64 = 128 * 1024;

/// A key that nobody has.
fn stranger(day: usize, nth: u64) -> KeyText {
    let mut random = [7; 32];
    random[..8].copy_from_slice(&day.to_be_bytes());
    random[8..16].copy_from_slice(&nth.to_be_bytes());
    KeyText::mint(TEST, random)
}

/// A day: webhooks come in, a job is delivered, somebody signs in and looks around, and many try keys.
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
    for nth in 0..STRANGERS[day] {
        let asked = request(
            "GET",
            "/api/v1/account",
            stranger(day, nth).expose(),
            &[],
            "",
        );
        assert_eq!(
            respond(world, asked).await.status(),
            StatusCode::UNAUTHORIZED
        );
    }
    // What was found today is not believed tomorrow.
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
