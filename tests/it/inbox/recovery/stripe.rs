//! Stripe's events that never arrived.

use super::{HOUR, MINUTE, watched};
use crate::world::leaks;
use crate::world::wire::{Reply, WIRED};
use crate::world::{FaultPlan, World};
use domain::inbox::{EventSource, EventState};
use http::StatusCode;
use serde_json::Value;

const LIST: &str = "GET stripe.wire/v1/events$";

/// A pack is bought, and none of its events arrives.
async fn unheard(world: &World) -> Vec<Value> {
    world.stripe_hands_over().await;
    world.settle().await;
    world.skip(MINUTE);
    world.buys_a_pack().await;
    world.stripe_loses()
}

/// The credits are there once.
async fn is_paid_once(world: &World) {
    assert_eq!(world.misses(EventSource::Stripe).await, []);
    world.settle().await;
    let account = world.account().await;
    assert_eq!(world.purse(&account).await, (10_000, 0));
    assert_eq!(world.entries(&account).await, ["grant"]);
    let quarantined = world
        .logged(EventSource::Stripe, &[EventState::Quarantined])
        .await;
    assert_eq!(quarantined, []);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_silent_for_a_while_loses_nothing() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(111)] {
        for lasts in [MINUTE, HOUR * 6, HOUR * 48] {
            let world = watched(fault_plan, &[]).await;
            unheard(&world).await;
            world.skip(lasts);
            world.recovery_runs(MINUTE * 45, MINUTE * 5).await;
            is_paid_once(&world).await;
            world.done().await;
        }
    }
}

/// Stripe delivers automatically, later and with other bytes, and in between.
#[tokio::test(start_paused = true)]
async fn a_delivery_that_comes_late_does_nothing() {
    for before in [true, false] {
        let world = watched(FaultPlan::Seeded(112), &[]).await;
        let events = unheard(&world).await;
        let deliver = async || {
            for event in &events {
                assert_eq!(world.stripe_delivers(event).await, StatusCode::ACCEPTED);
            }
        };
        if before {
            deliver().await;
        }
        world.skip(HOUR);
        world.recovery_runs(MINUTE * 45, MINUTE * 5).await;
        is_paid_once(&world).await;
        deliver().await;
        is_paid_once(&world).await;
        world.done().await;
    }
}

/// An event is not missing while Stripe may still deliver it.
#[tokio::test(start_paused = true)]
async fn stripe_has_ten_minutes() {
    let world = watched(FaultPlan::None, &WIRED).await;
    let events = unheard(&world).await;
    world.skip(MINUTE * 8);
    world.recovers().await;
    world.skip(MINUTE);
    world.recovers().await;
    assert_eq!(world.misses(EventSource::Stripe).await, []);
    let id = events[0]["id"].as_str().expect("an id");
    assert_eq!(world.event(EventSource::Stripe, id).await, None);
    world.skip(MINUTE * 16);
    assert!(world.recovers().await.recorded > 0);
    is_paid_once(&world).await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_list_moves_nothing() {
    let world = watched(FaultPlan::None, &WIRED).await;
    unheard(&world).await;
    world.skip(HOUR * 3);
    let before = world.recovery_progress(EventSource::Stripe).await;
    world.wire.answer(
        LIST,
        10,
        Reply::json(500, serde_json::json!({ "error": { "type": "api_error" } })),
    );
    for _ in 0..2 {
        assert_eq!(world.recovers().await.stopped, 1);
    }
    assert_eq!(world.recovery_progress(EventSource::Stripe).await, before);
    world.wire.clear();
    world.recovery_runs(MINUTE * 5, MINUTE * 5).await;
    is_paid_once(&world).await;
    world.done().await;
}

/// Stripe counts reads against an allocation.
#[tokio::test(start_paused = true)]
async fn a_quiet_day_costs_few_reads() {
    let world = watched(FaultPlan::None, &WIRED).await;
    world.stripe_hands_over().await;
    world.settle().await;
    let before = world.wire.heard("GET stripe.wire").len();
    world.recovery_runs(HOUR * 24, MINUTE * 5).await;
    let reads = world.wire.heard("GET stripe.wire").len() - before;
    assert!(reads <= 200, "{reads} reads in a day");
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_sends_too_little_raises_an_alarm_once_a_day() {
    let url = "https://tallyhook.example/stripe/webhook";
    let world = watched(FaultPlan::None, &[("STRIPE_WEBHOOK_URLS", url)]).await;
    leaks::alarms();
    let alarms = async |world: &World| {
        world.recovery_runs(HOUR * 24, HOUR).await;
        leaks::alarms()
    };
    let found = alarms(&world).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("no enabled webhook endpoint"),
        "{found:?}"
    );
    let made = world
        .stripe_makes(
            "webhook_endpoints",
            &[("url", url), ("enabled_events[0]", "invoice.paid")],
        )
        .await;
    let found = alarms(&world).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("checkout.session.completed") && !found[0].contains("invoice.paid,"),
        "{found:?}"
    );
    let endpoint = format!("webhook_endpoints/{}", made["id"].as_str().expect("an id"));
    world
        .stripe_makes(&endpoint, &[("enabled_events[0]", "*")])
        .await;
    assert_eq!(alarms(&world).await, Vec::<String>::new());
    world.stripe_makes(&endpoint, &[("disabled", "true")]).await;
    let found = alarms(&world).await;
    assert!(
        found[0].contains("no enabled webhook endpoint"),
        "{found:?}"
    );
    world.done().await;
}
