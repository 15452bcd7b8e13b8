//! Obstacles to a pull request: people, other branches, a missing base. A job that cannot be
//! delivered ends with the reason and without a charge. Anything that people have changed stays
//! unchanged.

use crate::jobs::pulls::{REPO, approved, wired};
use crate::world::wire::Reply;
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::inbox::EventState;
use domain::jobs::JobState;
use local_stack::world::{INSTALLATION_ID, OWNER, REPOSITORY};
use serde_json::json;
use stand_in_shared::faults::{Effect, Fault, Moment};

#[tokio::test(start_paused = true)]
async fn a_branch_of_our_name_that_is_not_ours_ends_the_job() {
    let world = World::with(FaultPlan::None, &[]).await;
    approved(&world).await;
    let branch = format!("tallyhook/{}", world.open_job().await.expect("a job"));
    world.change_github(|repository| {
        let main = repository["refs"]["refs/heads/main"].clone();
        repository["refs"][format!("refs/heads/{branch}")] = main;
    });
    world
        .vendors
        .github
        .push_file(OWNER, REPOSITORY, &branch, "strange.txt", "not ours");
    world.settle().await;
    world
        .assert_not_delivered(JobState::Failed, "holds a commit that is not ours")
        .await;
    assert_eq!(
        world
            .vendors
            .github
            .file(OWNER, REPOSITORY, &branch, "strange.txt")
            .as_deref(),
        Some("not ours"),
        "untouched"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_pull_request_on_our_branch_ends_the_job() {
    let world = wired().await;
    approved(&world).await;
    world.wire.cut(&format!("POST {REPO}/pulls"), 1);
    world.turn(Queue::Pulls).await;
    let id = world.open_job().await.expect("a job");
    world.change_github(|repository| {
        let refs = &repository["refs"];
        let pull = json!({ "head": format!("tallyhook/{id}"), "base": "main", "head_sha": refs[format!("refs/heads/tallyhook/{id}")],
            "base_sha": refs["refs/heads/main"], "draft": false, "merged": null });
        let mut issue = repository["issues"]["7"].clone();
        issue["id"] = 999.into();
        issue["number"] = 8.into();
        issue["body"] = "I was faster".into();
        issue["pull"] = pull;
        repository["issues"]["8"] = issue;
    });
    world.settle().await;
    let job = world.commented_job().await;
    assert_eq!(job.state, JobState::Failed);
    assert!(
        world
            .comment()
            .contains("has a pull request that is not ours"),
        "{}",
        world.comment()
    );
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 1);
    assert_eq!(world.vendors.stripe.meter_events(), []);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_base_branch_that_is_gone_ends_the_job() {
    for before_planning in [true, false] {
        let world = World::with(FaultPlan::None, &[]).await;
        if before_planning {
            world.github_sends("issues.opened").await;
            world.turn(Queue::GithubEvents).await;
        } else {
            approved(&world).await;
        }
        world
            .vendors
            .github
            .delete_branch(OWNER, REPOSITORY, "main");
        world.settle().await;
        world
            .assert_not_delivered(JobState::Failed, "the base main is gone")
            .await;
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_base_that_moves_on_is_no_obstacle() {
    let world = World::with(FaultPlan::None, &[]).await;
    approved(&world).await;
    world
        .vendors
        .github
        .push_file(OWNER, REPOSITORY, "main", "src/main.rs", "fn main() {}\n");
    world.settle().await;
    assert_eq!(world.commented_job().await.state, JobState::PrOpened);
    let head = &world.vendors.github.pulls(OWNER, REPOSITORY)[0].head;
    let old = world
        .vendors
        .github
        .file(OWNER, REPOSITORY, head, "src/main.rs")
        .expect("it is there");
    assert!(
        old.contains("greeting::greeting"),
        "the commit has the base of the plan as its parent"
    );
    world.done().await;
}

/// F-E4: a person closes or merges a pull request that we opened and have not recorded yet. It
/// existed, so it is recorded and charged, and it is not opened again.
/// and it is not opened again.
#[tokio::test(start_paused = true)]
async fn a_pull_request_that_people_end_between_two_tries_is_recorded_once() {
    for merge in [false, true] {
        let world = wired().await;
        approved(&world).await;
        let held = world
            .wire
            .hold(&format!("POST {REPO}/pulls"), Moment::After);
        tokio::select! {
            _ = world.turn(Queue::Pulls) => panic!("it is held"),
            () = held.reached() => {}
        }
        let github = &world.vendors.github;
        if merge {
            github.merge_pull(OWNER, REPOSITORY, 8)
        } else {
            github.close_pull(OWNER, REPOSITORY, 8)
        }
        let delivery = world
            .pull_closed(&world.present_job().await, |event| {
                event["pull_request"]["merged"] = merge.into()
            })
            .await;
        world.settle().await;
        let expected = if merge {
            JobState::Merged
        } else {
            JobState::Closed
        };
        assert_eq!(world.commented_job().await.state, expected);
        world
            .assert_outcome(&delivery, EventState::Processed, "")
            .await;
        assert_eq!(
            world.vendors.github.pulls(OWNER, REPOSITORY).len(),
            1,
            "not opened again"
        );
        assert_eq!(
            world.vendors.stripe.meter_events().len(),
            1,
            "it was there, so it is charged"
        );
        assert_eq!(world.comments().len(), 1);
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_is_deleted_between_two_attempts_is_made_again() {
    let world = wired().await;
    approved(&world).await;
    world.wire.cut(&format!("POST {REPO}/pulls"), 1);
    world.turn(Queue::Pulls).await;
    let branch = format!("tallyhook/{}", world.open_job().await.expect("a job"));
    world
        .vendors
        .github
        .delete_branch(OWNER, REPOSITORY, &branch);
    world.settle().await;
    assert_eq!(world.commented_job().await.state, JobState::PrOpened);
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_was_taken_away_ends_the_job() {
    let world = World::with(FaultPlan::None, &[]).await;
    approved(&world).await;
    let read = [
        ("contents", "read"),
        ("issues", "read"),
        ("metadata", "read"),
        ("pull_requests", "read"),
    ];
    world.vendors.github.set_permissions(INSTALLATION_ID, &read);
    let job = world.open_job().await.expect("a job");
    world.settle().await;
    let job = world.job(&job).await;
    assert_eq!(job.state, JobState::Failed, "{:?}", job.reason);
    world.assert_nothing_delivered();
    world.done().await;
}

/// The pull request was created and the answer was lost; then GitHub refuses to look for longer than
/// a job has attempts. Only a look-up may decide that there is no pull request.
#[tokio::test(start_paused = true)]
async fn a_pull_request_whose_answer_was_lost_is_found_however_long_github_is_away() {
    let world = wired().await;
    approved(&world).await;
    let made = Fault {
        on: "POST github.wire/repos/acme/greeter/pulls".to_owned(),
        times: 1,
        effect: Effect::AnswerLost,
    };
    world.stack.faults.inject(made);
    world.turn(Queue::Pulls).await;
    assert_eq!(
        world.vendors.github.pulls(OWNER, REPOSITORY).len(),
        1,
        "made, and not known"
    );
    world.wire.answer(
        &format!("GET {REPO}/pulls"),
        2 * domain::retry::ATTEMPTS_MAX,
        Reply::status(409, "busy"),
    );
    world.settle().await;
    world.assert_delivered_once();
    let job = world.commented_job().await;
    assert_eq!((job.state, job.reason), (JobState::PrOpened, None));
    world.done().await;
}
