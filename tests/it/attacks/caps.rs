//! What one person, or one busy repository, can start: no more than the policy allows, whatever
//! arrives at once.

use crate::world::{FaultPlan, World};
use local_stack::world::{OWNER, REPOSITORY};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

async fn world_with(policy: &str) -> World {
    let world = World::with(FaultPlan::Seeded(17), &[]).await;
    let github = &world.vendors.github;
    github.push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", policy);
    world
}

/// The comments of ours on an issue.
fn answers(world: &World, number: u64) -> Vec<String> {
    let comments = world.vendors.github.comments(OWNER, REPOSITORY, number);
    let ours = comments.into_iter().filter(|comment| comment.by_app);
    ours.map(|comment| comment.body).collect()
}

/// Asks again with a command on an issue.
async fn commands(world: &World, number: u64, comment: u64) {
    let changed = |event: &mut serde_json::Value| {
        event["issue"]["number"] = number.into();
        event["issue"]["id"] = (90_000 + number).into();
        event["comment"]["id"] = comment.into();
    };
    world
        .github_sends_changed("issue_comment.created", changed)
        .await;
}

/// Five issues at once in a repository that allows two jobs an hour. Each event arrives twice and
/// transactions conflict: two jobs begin, and the others say when to ask again. In the next hour
/// one more begins.
#[tokio::test(start_paused = true)]
async fn a_repository_starts_no_more_jobs_in_an_hour_than_its_policy_allows() {
    let world = world_with("[limits]\njobs_per_hour = 2").await;
    for number in 40..45 {
        world.issue_opens(number).await;
    }
    world.settle().await;
    assert_eq!(world.asked("plan"), 2);
    let refused: Vec<_> = (40..45)
        .filter(|number| {
            let answers = answers(&world, *number);
            assert_eq!(answers.len(), 1, "{number}: {answers:?}");
            answers[0].contains("as many jobs within this hour as it may (2)")
        })
        .collect();
    assert_eq!(refused.len(), 3);
    assert!(answers(&world, refused[0])[0].contains(":00 UTC"));
    world.elapse(HOUR).await;
    commands(&world, refused[0], 880_001).await;
    world.settle().await;
    assert_eq!(world.asked("plan"), 3);
    world.done().await;
}

/// One person may request one job a day. Another person is not held back by it.
#[tokio::test(start_paused = true)]
async fn a_person_starts_no_more_jobs_in_a_day_than_the_policy_allows() {
    let world = world_with("[limits]\njobs_per_person_per_day = 1").await;
    world.issue_opens(40).await;
    world.settle().await;
    world.issue_opens(41).await;
    world.settle().await;
    assert_eq!(world.asked("plan"), 1);
    let answer = answers(&world, 41).remove(0);
    assert!(
        answer.contains("as many jobs today as one person may (1)"),
        "{answer}"
    );
    let other = serde_json::json!({ "login": "bea", "id": 8_777, "type": "User" });
    world
        .vendors
        .github
        .set_role(OWNER, REPOSITORY, "bea", "write");
    let github = &world.vendors.github;
    github.add_issue(OWNER, REPOSITORY, 42, "Another", "thing");
    let opened = |event: &mut serde_json::Value| {
        event["issue"]["number"] = 42.into();
        event["issue"]["id"] = 90_042.into();
        event["issue"]["user"] = other.clone();
        event["sender"] = other.clone();
    };
    world.github_sends_changed("issues.opened", opened).await;
    world.settle().await;
    assert_eq!(world.asked("plan"), 2);
    world.done().await;
}
