//! Outcomes of a pull request, and changes to the App's installation.

use crate::world::verbs::permutations;
use crate::world::wire::{Reply, WIRED};
use crate::world::{FaultPlan, World, fixture};
use ::queues::Queue;
use domain::inbox::{EventSource, EventState};
use domain::jobs::JobState;
use http::StatusCode;
use local_stack::world::{INSTALLATION_ID, OWNER, REPOSITORY, REPOSITORY_ID};
use serde_json::{Value, json};
use stand_in_shared::faults::Moment;
use std::time::Duration;

fn merged(event: &mut Value) {
    event["pull_request"]["merged"] = true.into();
}

async fn delivered(fault_plan: FaultPlan) -> World {
    let world = World::with(fault_plan, &[]).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_merge_and_a_closing_end_the_job_and_edit_its_comment() {
    for (fault_plan, merge) in [
        (FaultPlan::None, true),
        (FaultPlan::None, false),
        (FaultPlan::Seeded(21), true),
        (FaultPlan::Seeded(22), false),
    ] {
        let world = delivered(fault_plan).await;
        let job = world.commented_job().await;
        let (expected, words) = if merge {
            world.vendors.github.merge_pull(OWNER, REPOSITORY, 8);
            world.pull_closed(&job, merged).await;
            (JobState::Merged, "#8 was merged")
        } else {
            world.vendors.github.close_pull(OWNER, REPOSITORY, 8);
            world.pull_closed(&job, |_| {}).await;
            (JobState::Closed, "#8 was closed without merging")
        };
        world.settle().await;
        assert_eq!(world.commented_job().await.state, expected);
        assert!(world.comment().contains(words), "{}", world.comment());
        assert_eq!(
            world
                .vendors
                .stripe
                .total(local_stack::world::CUSTOMER, "pull_requests"),
            1,
            "charged once, whatever became of it"
        );
        assert_eq!(world.open_job().await, None, "the issue is free");
        // A repeated event changes nothing, and a merge is final.
        world.pull_closed(&job, |_| {}).await;
        if merge {
            world.pull_closed(&job, merged).await;
        }
        world.settle().await;
        assert_eq!(world.commented_job().await.state, expected);
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_that_is_not_the_jobs_ends_no_job() {
    let world = delivered(FaultPlan::None).await;
    let job = world.commented_job().await;
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 6] = [
        ("from a fork", |event| {
            event["pull_request"]["head"]["repo"]["id"] = (REPOSITORY_ID + 1).into()
        }),
        ("from a fork that is gone", |event| {
            event["pull_request"]["head"]["repo"] = Value::Null
        }),
        ("of another number", |event| {
            event["pull_request"]["number"] = 99.into()
        }),
        ("of a job that is not there", |event| {
            event["pull_request"]["head"]["ref"] = "tallyhook/job_01hzy3v7q0m8n4s2e6r5t9w1xa".into()
        }),
        ("of no job", |event| {
            event["pull_request"]["head"]["ref"] = "tallyhook/x".into()
        }),
        ("of another repository", |event| {
            event["repository"]["id"] = (REPOSITORY_ID + 1).into();
            event["pull_request"]["head"]["repo"]["id"] = (REPOSITORY_ID + 1).into();
        }),
    ];
    for (what, change) in changes {
        let delivery = world.pull_closed(&job, change).await;
        world.settle().await;
        let (state, says) = world.outcome(EventSource::Github, &delivery).await;
        assert_eq!(state, EventState::Ignored, "{what}: {says}");
        assert_eq!(
            world.commented_job().await.state,
            JobState::PrOpened,
            "{what}"
        );
    }
    let delivery = world.pull_closed(&job, merged).await;
    world.settle().await;
    world
        .assert_outcome(&delivery, EventState::Processed, "is MERGED")
        .await;
    world.done().await;
}

/// A person merges so quickly that GitHub's event arrives before the pull request is recorded.
#[tokio::test(start_paused = true)]
async fn an_event_that_comes_before_its_pull_request_is_recorded_waits() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world.github_sends("issues.opened").await;
    for queue in [Queue::GithubEvents, Queue::Plan, Queue::Code, Queue::Review] {
        world.turn(queue).await;
    }
    let held = world
        .wire
        .hold("POST github.wire/repos/acme/greeter/pulls", Moment::After);
    let (_, delivery) = tokio::join!(world.turn(Queue::Pulls), async {
        held.reached().await;
        world.vendors.github.merge_pull(OWNER, REPOSITORY, 8);
        let delivery = world.pull_closed(&world.present_job().await, merged).await;
        world.turn(Queue::GithubEvents).await;
        assert_eq!(
            world.outcome(EventSource::Github, &delivery).await.0,
            EventState::Pending,
            "not yet"
        );
        held.release();
        delivery
    });
    assert_eq!(world.present_job().await.state, JobState::PrOpened);
    world.settle().await;
    world
        .assert_outcome(&delivery, EventState::Processed, "")
        .await;
    assert_eq!(world.commented_job().await.state, JobState::Merged);
    assert_eq!(
        world
            .event(EventSource::Github, &delivery)
            .await
            .expect("it is there")
            .tries
            .attempts,
        0,
        "waiting is no failure"
    );
    assert_eq!(
        world
            .vendors
            .stripe
            .total(local_stack::world::CUSTOMER, "pull_requests"),
        1
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_pull_request_frees_the_issue_for_another_job() {
    let world = delivered(FaultPlan::Seeded(31)).await;
    let job = world.commented_job().await;
    world.vendors.github.close_pull(OWNER, REPOSITORY, 8);
    world.pull_closed(&job, |_| {}).await;
    world.settle().await;
    world.github_sends("issue_comment.created").await;
    world.settle().await;
    let pulls = world.vendors.github.pulls(OWNER, REPOSITORY);
    assert_eq!(
        pulls
            .iter()
            .map(|pull| (pull.number, pull.state.as_str()))
            .collect::<Vec<_>>(),
        [(8, "closed"), (9, "open")]
    );
    assert_ne!(pulls[0].head, pulls[1].head);
    assert_eq!(
        world
            .vendors
            .stripe
            .total(local_stack::world::CUSTOMER, "pull_requests"),
        2,
        "two pull requests, two charges"
    );
    world.done().await;
}

// --- installations ---

/// Sends an installation event with a timestamp.
async fn installation(world: &World, change: &str, at: &str) -> String {
    world
        .github_sends_changed(&format!("installation.{change}"), |event| {
            event["installation"]["updated_at"] = at.into()
        })
        .await
}

/// Whether a new issue becomes a job.
async fn is_active(world: &World) -> bool {
    let id =
        900_000 + (world.stack.now)() + i64::try_from(world.stack.faults.calls()).expect("few");
    let delivery = world
        .github_sends_changed("issue_comment.created", |event| {
            event["comment"]["id"] = id.into()
        })
        .await;
    world.settle().await;
    let (state, says) = world.outcome(EventSource::Github, &delivery).await;
    assert!(
        state == EventState::Processed || says.contains("suspended or uninstalled"),
        "{says}"
    );
    state == EventState::Processed
}

/// The sample events as GitHub sends them.
#[tokio::test(start_paused = true)]
async fn the_samples_of_an_installations_life_are_understood() {
    let world = World::start().await;
    for (sample, words) in [
        ("installation.created", "installation 7001 is active"),
        ("installation.suspend", "installation 7001 is suspended"),
        ("installation.unsuspend", "installation 7001 is active"),
        ("installation.deleted", "installation 7001 is deleted"),
    ] {
        let delivery = world.github_sends(sample).await;
        world.settle().await;
        world
            .assert_outcome(&delivery, EventState::Processed, words)
            .await;
    }
    assert!(!is_active(&world).await);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_installation_gets_no_jobs_until_it_is_back() {
    let world = World::start().await;
    installation(&world, "suspend", "2026-11-20T12:00:00Z").await;
    world.settle().await;
    assert!(!is_active(&world).await);
    assert!(world.vendors.model.calls().is_empty());
    installation(&world, "unsuspend", "2026-11-20T12:15:00Z").await;
    world.settle().await;
    assert!(is_active(&world).await);
    world.assert_delivered_once();
    world.done().await;
}

/// In any order, the newest event about an installation counts, and "deleted" is final.
#[tokio::test(start_paused = true)]
async fn an_installations_events_may_come_in_any_order() {
    let life = [
        ("created", "2026-11-20T08:00:00Z"),
        ("suspend", "2026-11-20T09:00:00Z"),
        ("unsuspend", "2026-11-20T10:00:00Z"),
        ("deleted", "2026-11-20T11:00:00Z"),
    ];
    for (length, active) in [(1, true), (2, false), (3, true), (4, false)] {
        for order in permutations(length) {
            let world = World::with(FaultPlan::None, &[]).await;
            for place in &order {
                let (change, at) = life[*place];
                installation(&world, change, at).await;
                world.drain(Queue::GithubEvents).await;
            }
            assert_eq!(is_active(&world).await, active, "{order:?} of {life:?}");
            world.done().await;
        }
    }
}

/// A reinstallation has a new number, and the owner stays the same.
#[tokio::test(start_paused = true)]
async fn an_owner_who_reinstalls_the_app_is_recognized() {
    let world = World::start().await;
    assert!(
        is_active(&world).await,
        "the owner is known by the first event"
    );
    installation(&world, "deleted", "2026-11-20T11:00:00Z").await;
    world.settle().await;
    world.vendors.github.remove_installation(INSTALLATION_ID);
    world.vendors.github.add_repository(
        7003,
        9001,
        OWNER,
        5003,
        "farewell",
        "main",
        &[("README.md", "# farewell\n")],
    );
    let github = &world.vendors.github;
    github.set_role(OWNER, "farewell", local_stack::world::AUTHOR, "write");
    world
        .vendors
        .github
        .add_issue(OWNER, "farewell", 7, "Say goodbye", "Please.");
    world
        .github_sends_changed("issues.opened", |event| {
            event["installation"]["id"] = 7003.into();
            event["repository"]["id"] = 5003.into();
            event["repository"]["name"] = "farewell".into();
            event["issue"]["id"] = 70_003.into();
        })
        .await;
    world.settle().await;
    assert_eq!(world.vendors.github.pulls(OWNER, "farewell").len(), 1);
    assert_eq!(
        world
            .vendors
            .stripe
            .total(local_stack::world::CUSTOMER, "pull_requests"),
        2,
        "the same account pays"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_removed_or_suspended_in_the_middle_ends_the_job() {
    let way = [Queue::GithubEvents, Queue::Plan, Queue::Code, Queue::Review];
    for passed in 1..=4 {
        for removed in [true, false] {
            let world = World::with(FaultPlan::None, &[]).await;
            world.github_sends("issues.opened").await;
            for queue in &way[..passed] {
                world.turn(*queue).await;
            }
            let job = world.open_job().await.expect("a job");
            let github = &world.vendors.github;
            if removed {
                github.remove_installation(INSTALLATION_ID)
            } else {
                github.suspend_installation(INSTALLATION_ID)
            }
            world.settle().await;
            let job = world.job(&job).await;
            assert_eq!(
                job.state,
                JobState::Failed,
                "after {passed}, {:?}",
                job.reason
            );
            assert!(
                job.reason
                    .as_deref()
                    .is_some_and(|reason| reason.contains("no access")),
                "{:?}",
                job.reason
            );
            world.assert_nothing_delivered();
            assert_eq!(world.owed().await, 0);
            assert_eq!(world.open_job().await, None);
            world.done().await;
        }
    }
}

/// The reservation of a job is released if GitHub refuses the job and its issue cannot be commented
/// on: no hold remains.
#[tokio::test(start_paused = true)]
async fn an_app_that_is_removed_in_the_middle_gives_back_what_was_reserved() {
    for passed in 1..=4 {
        for removed in [true, false] {
            let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
            world.adjusts(&account, "1000", "a gift").await;
            world.github_sends("issues.opened").await;
            for queue in &[Queue::GithubEvents, Queue::Plan, Queue::Code, Queue::Review][..passed] {
                world.turn(*queue).await;
            }
            assert!(
                !world.balance(&account).await.held.is_zero(),
                "reserved after {passed}"
            );
            let (github, change) = (
                &world.vendors.github,
                if removed { "deleted" } else { "suspend" },
            );
            if removed {
                github.remove_installation(INSTALLATION_ID)
            } else {
                github.suspend_installation(INSTALLATION_ID)
            }
            installation(&world, change, "2026-11-20T12:00:00Z").await;
            world.settle().await;
            let balance = world.balance(&account).await;
            assert!(
                balance.held.is_zero() && balance.available.micros() == 1_000_000_000,
                "after {passed}: {balance:?}"
            );
            assert_eq!(world.open_job().await, None);
            world.assert_ledger_agrees().await;
            world.done().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_archived_repository_gets_no_pull_request() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    let shape = json!({ "id": REPOSITORY_ID, "name": REPOSITORY, "full_name": "acme/greeter", "owner": { "login": OWNER, "id": 9001 },
        "default_branch": "main", "archived": true });
    let details = "GET github.wire/repos/acme/greeter";
    // The repository's details are at its own URL, which is the prefix of all its other URLs.
    world.github_sends("issues.opened").await;
    world.turn(Queue::GithubEvents).await;
    world.wire.answer_exactly(details, Reply::json(200, shape));
    world.settle().await;
    assert_eq!(
        world
            .wire
            .heard(details)
            .iter()
            .filter(|heard| heard.line == details)
            .count(),
        1
    );
    world
        .assert_not_delivered(JobState::Failed, "the repository is archived")
        .await;
    assert!(world.vendors.model.calls().is_empty());
    world.done().await;
}

/// F-A10: a token is valid for an hour; a job that takes longer gets another one.
#[tokio::test(start_paused = true)]
async fn a_job_may_take_longer_than_a_token_lives() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.github_sends("issues.opened").await;
    for queue in [
        Queue::GithubEvents,
        Queue::Plan,
        Queue::Code,
        Queue::Review,
        Queue::Pulls,
    ] {
        world.turn(queue).await;
        world.elapse(Duration::from_secs(3_590)).await;
    }
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn the_samples_of_pull_requests_are_understood() {
    let world = World::start().await;
    for sample in ["pull_request.opened", "pull_request.closed"] {
        let event = fixture("github", sample);
        let answer = world
            .github_delivers(
                "pull_request",
                &world.fresh_delivery(),
                &serde_json::to_vec(&event).expect("JSON"),
            )
            .await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }
    world.settle().await;
    assert_eq!(
        world
            .logged(EventSource::Github, &[EventState::Ignored])
            .await
            .len(),
        2
    );
    world.done().await;
}
