//! `POST /api/v1/admin/events/{source}/{id}/replay`: completed work is not repeated, and work that
//! could not be done is done.

use crate::world::{FaultPlan, World, fixture};
use domain::inbox::{EventSource, EventState};
use domain::jobs::JobState;
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

async fn replay(world: &World, source: &str, id: &str) {
    let path = format!("/api/v1/admin/events/{source}/{id}/replay");
    let (status, row) = world.operator("POST", &path, None).await;
    let pending = (StatusCode::ACCEPTED, &json!("pending"), &Value::Null);
    assert_eq!((status, &row["status"], &row["outcome"]), pending, "{row}");
}

#[tokio::test(start_paused = true)]
async fn replaying_a_finished_event_has_no_second_effect() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(92)] {
        let world = World::with(fault_plan, &[]).await;
        let delivery = world.github_sends("issues.opened").await;
        world.settle().await;
        for later in [0, 80 * 86_400] {
            world.skip(Duration::from_secs(later));
            replay(&world, "github", &delivery).await;
            world.settle().await;
            assert_eq!(
                world.outcome(EventSource::Github, &delivery).await.0,
                EventState::Processed
            );
            assert_eq!(world.commented_job().await.state, JobState::PrOpened);
            assert_eq!(
                world.vendors.model.calls().len(),
                3,
                "the model is not asked again"
            );
            world.assert_delivered_once();
        }
        // Nor when its job is over and the issue is free.
        let job = world.commented_job().await;
        world.pull_closed(&job, |_| {}).await;
        world.settle().await;
        assert_eq!(world.open_job().await, None);
        replay(&world, "github", &delivery).await;
        world.settle().await;
        assert_eq!(
            (world.commented_job().await.state, world.open_job().await),
            (JobState::Closed, None)
        );
        assert_eq!(world.vendors.github.pulls("acme", "greeter").len(), 1);
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn replaying_an_ignored_event_works_once_its_reason_is_gone() {
    let world = World::bare(FaultPlan::None, &[("AUTO_PROVISION", "false")]).await;
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_outcome(&delivery, EventState::Ignored, "nobody pays")
        .await;
    world.provision().await;
    replay(&world, "github", &delivery).await;
    world.settle().await;
    world
        .assert_outcome(&delivery, EventState::Processed, "job job_")
        .await;
    world.assert_delivered_once();
    world.done().await;
}

/// A quarantined event is processed only when an operator replays it.
#[tokio::test(start_paused = true)]
async fn replaying_a_quarantined_event_acts_on_it() {
    let world = World::with(FaultPlan::None, &[]).await;
    world
        .github_delivers("issues", "d-1", br#"{"action":"pinned"}"#)
        .await;
    let body = serde_json::to_vec(&fixture("github", "issues.opened")).expect("JSON");
    world.github_delivers("issues", "d-1", &body).await;
    world.elapse(Duration::from_secs(3_600)).await;
    world.settle().await;
    assert_eq!(world.open_job().await, None);
    let aside = world
        .logged(EventSource::Github, &[EventState::Quarantined])
        .await;
    replay(&world, "github", &aside[0].key.id().replace('#', "%23")).await;
    world.settle().await;
    world.assert_delivered_once();
    world.assert_outcome("d-1", EventState::Ignored, "").await;
    world.done().await;
}

/// An event that is replayed while it is pending, or many times at once, is still one event.
#[tokio::test(start_paused = true)]
async fn replaying_a_pending_event_only_sends_it_sooner() {
    let world = World::with(FaultPlan::Seeded(93), &[]).await;
    let delivery = world.github_sends("issues.opened").await;
    crate::world::verbs::together((0..5).map(|_| replay(&world, "github", &delivery))).await;
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// The event's age was checked once, when it was received.
#[tokio::test(start_paused = true)]
async fn replaying_an_event_of_stripes_ignores_its_age() {
    let world = World::bare(FaultPlan::None, &[]).await;
    assert_eq!(
        world.stripe_sends_changed("invoice.paid", |_| {}).await,
        StatusCode::ACCEPTED
    );
    world.settle().await;
    assert_eq!(
        world
            .outcome(EventSource::Stripe, "evt_TallyhookDemo2")
            .await
            .0,
        EventState::Unattributed
    );
    world.provision().await;
    world.skip(Duration::from_secs(60 * 86_400));
    replay(&world, "stripe", "evt_TallyhookDemo2").await;
    world.settle().await;
    let (state, says) = world
        .outcome(EventSource::Stripe, "evt_TallyhookDemo2")
        .await;
    assert!(
        state == EventState::Processed && says.contains("is paid"),
        "{says}"
    );
    world.done().await;
}
