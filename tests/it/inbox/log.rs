//! How the event log handles repeats, forgeries, failures on the way, and unknown events.

use crate::world::verbs::together;
use crate::world::{FaultPlan, World, fixture};
use ::queues::Queue;
use domain::inbox::{EventSource, EventState};
use domain::jobs::JobState;
use http::StatusCode;
use serde_json::json;
use stand_in_shared::faults::{Effect, Fault};
use std::time::Duration;

fn body(sample: &str) -> Vec<u8> {
    serde_json::to_vec(&fixture("github", sample)).expect("JSON")
}

/// Makes the next calls with a name fail; the SDK attempts each of them twice.
fn inject(world: &World, on: &str, times: u32, effect: Effect) {
    world.stack.faults.inject(Fault {
        on: on.to_owned(),
        times,
        effect,
    });
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_an_unfinished_event_is_queued_again() {
    let world = World::with(FaultPlan::None, &[]).await;
    let body = body("issues.opened");
    for sent in 1..=3 {
        assert_eq!(
            world.github_delivers("issues", "d-1", &body).await.status(),
            StatusCode::ACCEPTED
        );
        assert_eq!(world.waiting(Queue::GithubEvents).await, sent);
    }
    world.settle().await;
    world.assert_delivered_once();
    assert_eq!(
        world
            .logged(EventSource::Github, &EventState::ALL)
            .await
            .len(),
        1
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_a_finished_event_is_taken_and_not_acted_on() {
    let world = World::with(FaultPlan::None, &[]).await;
    let body = body("issues.opened");
    world.github_delivers("issues", "d-1", &body).await;
    world.settle().await;
    let before = world
        .event(EventSource::Github, "d-1")
        .await
        .expect("it is there");
    assert_eq!(before.state, EventState::Processed);
    world.elapse(Duration::from_secs(600)).await;
    assert_eq!(
        world.github_delivers("issues", "d-1", &body).await.status(),
        StatusCode::ACCEPTED
    );
    assert_eq!(world.waiting(Queue::GithubEvents).await, 0);
    assert_eq!(
        world.event(EventSource::Github, "d-1").await,
        Some(before),
        "the row is as it was"
    );
    world.assert_delivered_once();
    world.done().await;
}

/// A hundred concurrent deliveries: one row, one job, and a success for every sender.
#[tokio::test(start_paused = true)]
async fn handles_duplicate_webhooks() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(3)] {
        let world = World::with(fault_plan, &[]).await;
        let body = body("issues.opened");
        let answers =
            together((0..100).map(|_| world.github_delivers("issues", "d-1", &body))).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.status() == StatusCode::ACCEPTED)
        );
        world.settle().await;
        assert_eq!(
            world
                .logged(EventSource::Github, &EventState::ALL)
                .await
                .len(),
            1
        );
        assert_eq!(world.asked("plan"), 1, "one job, planned once");
        world.assert_delivered_once();
        world.done().await;
    }
}

/// An event names the job that it created, even if the answer to the creation was lost.
#[tokio::test(start_paused = true)]
async fn the_log_names_the_job_that_an_event_made() {
    for lost in [0, 1, 2] {
        let world = World::with(FaultPlan::None, &[]).await;
        let delivery = world.github_sends("issues.opened").await;
        inject(
            &world,
            "dynamodb TransactWriteItems",
            lost,
            Effect::AnswerLost,
        );
        world.settle().await;
        let job = world.commented_job().await.facts.id;
        world
            .assert_outcome(&delivery, EventState::Processed, job.as_str())
            .await;
        world.assert_delivered_once();
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_body_under_a_known_id_is_set_aside() {
    let world = World::with(FaultPlan::None, &[]).await;
    let (real, forged, large) = (
        body("issues.opened"),
        body("issues.closed"),
        [body("issues.closed"), b" ".repeat(2_000_000)].concat(),
    );
    for settled_before in [false, true] {
        let id = format!("d-{settled_before}");
        world.github_delivers("issues", &id, &real).await;
        if settled_before {
            world.settle().await;
        }
        let before = world.event(EventSource::Github, &id).await;
        for other in [&forged, &large, &forged] {
            let answer = world.github_delivers("issues", &id, other).await;
            assert_eq!(
                answer.status(),
                StatusCode::ACCEPTED,
                "its sender need not send it again"
            );
        }
        assert_eq!(
            world.event(EventSource::Github, &id).await,
            before,
            "the first one counts"
        );
        let path = format!("/api/v1/admin/events/github/{id}/raw");
        assert!(
            world
                .admin_request("GET", &path, Some("local-token"), None)
                .await
                .body()
                == &real
        );
    }
    world.settle().await;
    let aside = world
        .logged(EventSource::Github, &[EventState::Quarantined])
        .await;
    assert_eq!(
        aside.len(),
        4,
        "two bodies under each id, however often they came: {aside:?}"
    );
    for row in &aside {
        let path = format!(
            "/api/v1/admin/events/github/{}/raw",
            row.key.id().replace('#', "%23")
        );
        let kept = world
            .admin_request("GET", &path, Some("local-token"), None)
            .await;
        let expected = if row.body_bytes > 1_000_000 {
            &large
        } else {
            &forged
        };
        assert!(kept.body() == expected, "{row:?}");
        assert_eq!(row.outcome, None);
    }
    assert_eq!(
        world.commented_job().await.state,
        JobState::PrOpened,
        "nothing set aside was acted on"
    );
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_store_nothing_is_taken_and_the_next_delivery_works() {
    let world = World::with(FaultPlan::None, &[]).await;
    let body = body("issues.opened");
    inject(&world, "dynamodb PutItem", 2, Effect::Unreachable);
    assert_eq!(
        world.github_delivers("issues", "d-1", &body).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert!(world.event(EventSource::Github, "d-1").await.is_none());
    assert_eq!(
        world.waiting(Queue::GithubEvents).await,
        0,
        "what is not stored is not queued"
    );
    inject(&world, "dynamodb PutItem", 2, Effect::Unreachable);
    assert_eq!(
        world.stripe_sends_changed("invoice.paid", |_| {}).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        world.github_delivers("issues", "d-1", &body).await.status(),
        StatusCode::ACCEPTED
    );
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_and_not_queued_is_swept_up() {
    let world = World::with(FaultPlan::None, &[]).await;
    inject(&world, "sqs SendMessage", 2, Effect::Unreachable);
    world.github_sends("issues.opened").await;
    assert_eq!(world.waiting(Queue::GithubEvents).await, 0);
    world.sweep().await;
    assert_eq!(
        world.waiting(Queue::GithubEvents).await,
        0,
        "it is not overdue yet"
    );
    world.elapse(Duration::from_secs(60)).await;
    world.sweep().await;
    assert_eq!(world.waiting(Queue::GithubEvents).await, 1);
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// F-B4: the put succeeds, and its answer never arrives.
#[tokio::test(start_paused = true)]
async fn a_put_whose_answer_is_lost_is_recognized() {
    for lost in [1, 2] {
        let world = World::with(FaultPlan::None, &[]).await;
        let body = body("issues.opened");
        inject(&world, "dynamodb PutItem", lost, Effect::AnswerLost);
        let first = world.github_delivers("issues", "d-1", &body).await.status();
        let expected = if lost == 1 {
            StatusCode::ACCEPTED
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        assert_eq!(
            first, expected,
            "the SDK's second try finds our own row; after that the sender tries"
        );
        assert_eq!(
            world.github_delivers("issues", "d-1", &body).await.status(),
            StatusCode::ACCEPTED
        );
        world.settle().await;
        assert_eq!(
            world
                .logged(EventSource::Github, &EventState::ALL)
                .await
                .len(),
            1
        );
        assert!(
            world
                .logged(EventSource::Github, &[EventState::Quarantined])
                .await
                .is_empty()
        );
        world.assert_delivered_once();
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_sweepers_at_once_send_an_event_once() {
    let world = World::with(FaultPlan::None, &[]).await;
    inject(&world, "sqs SendMessage", 2, Effect::Unreachable);
    world.github_sends("issues.opened").await;
    world.elapse(Duration::from_secs(60)).await;
    together((0..2).map(|_| world.sweep())).await;
    assert_eq!(
        world.waiting(Queue::GithubEvents).await,
        1,
        "of two sweepers one takes the row"
    );
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn events_we_do_not_act_on_are_kept_and_ignored() {
    let world = World::with(FaultPlan::Seeded(5), &[]).await;
    for (event, delivery, body) in [
        ("star", "d-star", json!({ "action": "created" })),
        (
            "issues",
            "d-pinned",
            json!({ "action": "pinned", "issue": {} }),
        ),
        ("push", "d-push", json!({ "ref": "refs/heads/main" })),
        ("a_word_of_tomorrow", "d-tomorrow", json!({})),
        ("issues", "d-odd-action", json!({ "action": "Opened\n#" })),
    ] {
        let body = serde_json::to_vec(&body).expect("JSON");
        assert_eq!(
            world.github_delivers(event, delivery, &body).await.status(),
            StatusCode::ACCEPTED
        );
    }
    let ping = world.github_sends("ping").await;
    for (id, body) in [
        (
            "evt_charge",
            json!({ "id": "evt_charge", "type": "charge.updated", "livemode": false, "created": 1, "data": { "object": {} } }),
        ),
        (
            "evt_live",
            json!({ "id": "evt_live", "type": "charge.updated", "livemode": true, "api_version": "2999-01-01.tomorrow" }),
        ),
        (
            "evt_thin",
            json!({ "id": "evt_thin", "object": "v2.core.event", "type": "v2.core.event_destination.ping", "related_object": null }),
        ),
    ] {
        let body = serde_json::to_vec(&body).expect("JSON");
        let now = world.stack.outside.now().seconds();
        let request = local_stack::signing::stripe_request(
            "http://x",
            local_stack::stack::LOCAL_SECRET,
            now,
            &body,
        );
        assert_eq!(
            world.stripe_receives(request).await.status(),
            StatusCode::ACCEPTED,
            "{id}"
        );
    }
    world.settle().await;
    world
        .assert_outcome(&ping, EventState::Ignored, "an event we do not act on")
        .await;
    let (_, listed) = world
        .operator("GET", "/api/v1/admin/events?status=ignored", None)
        .await;
    let mut listed: Vec<_> = listed["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row["type"].as_str().expect("a type").to_owned())
        .collect();
    listed.sort();
    let mut expected = vec![
        "a_word_of_tomorrow",
        "charge.updated",
        "charge.updated",
        "issues",
        "issues.pinned",
        "ping",
        "push",
        "star.created",
        "v2.core.event_destination.ping",
    ];
    expected.sort_unstable();
    assert_eq!(listed, expected);
    world.done().await;
}

/// Every event name that GitHub knows, and some that it does not.
const NAMES: [&str; 60] = [
    "branch_protection_configuration",
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "code_scanning_alert",
    "commit_comment",
    "create",
    "custom_property",
    "custom_property_values",
    "delete",
    "dependabot_alert",
    "deploy_key",
    "deployment",
    "deployment_protection_rule",
    "deployment_review",
    "deployment_status",
    "discussion",
    "discussion_comment",
    "fork",
    "github_app_authorization",
    "gollum",
    "installation",
    "installation_repositories",
    "installation_target",
    "issue_comment",
    "issue_dependencies",
    "issues",
    "label",
    "marketplace_purchase",
    "member",
    "membership",
    "merge_group",
    "meta",
    "milestone",
    "org_block",
    "organization",
    "package",
    "page_build",
    "personal_access_token_request",
    "ping",
    "project_card",
    "projects_v2",
    "projects_v2_item",
    "public",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "push",
    "registry_package",
    "release",
    "repository",
    "repository_advisory",
    "repository_dispatch",
    "secret_scanning_alert",
    "security_advisory",
    "star",
    "sub_issues",
    "team",
    "workflow_job",
];

/// F-A6: the headers are not signed, so a signed body can be sent again under any event name and
/// any id.
#[tokio::test(start_paused = true)]
async fn a_body_under_another_events_name_has_no_effect() {
    let world = World::with(FaultPlan::None, &[]).await;
    let samples = [
        "issues.opened",
        "issues.labeled",
        "issues.closed",
        "issue_comment.created",
        "pull_request.closed",
        "installation.deleted",
    ];
    for sample in samples {
        let body = body(sample);
        let own = sample.split('.').next().expect("a name");
        for name in NAMES.into_iter().filter(|name| *name != own) {
            assert_eq!(
                world
                    .github_delivers(name, &world.fresh_delivery(), &body)
                    .await
                    .status(),
                StatusCode::ACCEPTED
            );
        }
    }
    world.settle().await;
    let acted_on = world
        .logged(
            EventSource::Github,
            &[EventState::Processed, EventState::Pending],
        )
        .await;
    assert!(acted_on.is_empty(), "{acted_on:?}");
    assert_eq!(
        (
            world.open_job().await,
            world.comments().len(),
            world.asked("plan")
        ),
        (None, 0, 0)
    );

    // Under its own event name the body has its effect, but only once under any number of ids.
    let body = body("issues.opened");
    for _ in 0..5 {
        world
            .github_delivers("issues", &world.fresh_delivery(), &body)
            .await;
    }
    world.settle().await;
    world.assert_delivered_once();
    world.abandoned();
}
