//! People act on the pull request while it waits for its checks.

use super::*;
use crate::world::wire::WIRED;
use stand_in_shared::faults::Moment;

/// A check that runs for half an hour and then fails.
fn slow() -> Check {
    run("slow", OURS, Some(1_800), "failure")
}

const PAYS: [Pays; 2] = [Pays::ByMeter, Pays::FromCredits];

/// A person's commit ends the wait: the pull request is theirs now, as it is.
#[tokio::test(start_paused = true)]
async fn a_push_by_a_person_hands_the_pull_request_over() {
    for pays in PAYS {
        let (world, account) = with_checks(FaultPlan::Seeded(3), pays, &[green(), slow()]).await;
        world.github_sends("issues.opened").await;
        until_waiting(&world).await;
        let head = the_pull(&world).head;
        let github = &world.vendors.github;
        github.push_file(OWNER, REPOSITORY, &head, "NOTES.md", "mine\n");
        let pushed = the_pull(&world).head_sha;
        world.settle().await;
        let end = (JobState::PrOpened, true, "Somebody pushed to its branch");
        assert_ended(&world, &account, pays, end).await;
        let pull = the_pull(&world);
        assert_eq!((pull.head_sha, pull.state.as_str()), (pushed, "open"));
        world.done().await;
    }
}

/// Checks of our commit had failed when a person pushed to repair it: that is not billed, and what
/// people work on is not closed.
#[tokio::test(start_paused = true)]
async fn what_a_person_has_to_repair_is_not_billed() {
    for pays in PAYS {
        let (world, account) = with_checks(FaultPlan::None, pays, &[green(), red()]).await;
        let github = &world.vendors.github;
        let policy = "[pull]\non_red = 'fail'\n";
        github.push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", policy);
        world.skip(Duration::from_secs(7_200));
        world.github_sends("issues.opened").await;
        until_waiting(&world).await;
        world.skip(Duration::from_secs(100));
        github.push_file(
            OWNER,
            REPOSITORY,
            &the_pull(&world).head,
            "NOTES.md",
            "mine\n",
        );
        world.settle().await;
        let end = (
            JobState::Failed,
            false,
            "its checks failed: `test`; it stays open",
        );
        assert_ended(&world, &account, pays, end).await;
        assert_eq!(the_pull(&world).state, "open");
        world.done().await;
    }
}

/// Who merges takes the fix, whether the webhook or the next look at the pull request says so.
#[tokio::test(start_paused = true)]
async fn a_merge_delivers_and_a_closing_does_not() {
    for pays in PAYS {
        for (merges, webhook) in [(true, true), (true, false), (false, true), (false, false)] {
            let (world, account) =
                with_checks(FaultPlan::Seeded(4), pays, &[green(), slow()]).await;
            world.github_sends("issues.opened").await;
            let job = until_waiting(&world).await;
            let end = if merges {
                (JobState::Merged, true, "#8 was merged. Job")
            } else {
                (JobState::Closed, false, "#8 was closed without merging")
            };
            people_decide(&world, &job, merges, webhook).await;
            world.settle().await;
            assert_ended(&world, &account, pays, end).await;
            decision_arrives(&world, &job, merges).await;
            world.settle().await;
            assert_ended(&world, &account, pays, end).await;
            world.done().await;
        }
    }
}

/// A cancellation closes the pull request, and nothing is billed.
#[tokio::test(start_paused = true)]
async fn a_job_that_waits_can_be_cancelled() {
    for pays in PAYS {
        let (world, account) = with_checks(FaultPlan::Seeded(6), pays, &[green(), slow()]).await;
        world.github_sends("issues.opened").await;
        until_waiting(&world).await;
        world.vendors.github.close_issue(OWNER, REPOSITORY, 7);
        world.github_sends("issues.closed").await;
        world.settle().await;
        let end = (JobState::Cancelled, false, "#8 is not delivered");
        assert_ended(&world, &account, pays, end).await;
        assert_eq!(the_pull(&world).state, "closed");
        world.done().await;
    }
}

/// Merging closes the issue too, and its webhook may be the first to arrive: the pull request decides.
#[tokio::test(start_paused = true)]
async fn a_merge_that_closes_the_issue_is_a_merge() {
    for pays in PAYS {
        let (world, account) = with_checks(FaultPlan::None, pays, &[green(), slow()]).await;
        world.github_sends("issues.opened").await;
        until_waiting(&world).await;
        let github = &world.vendors.github;
        github.merge_pull(OWNER, REPOSITORY, the_pull(&world).number);
        github.close_issue(OWNER, REPOSITORY, 7);
        world.github_sends("issues.closed").await;
        world.settle().await;
        let end = (JobState::Merged, true, "#8 was merged");
        assert_ended(&world, &account, pays, end).await;
        world.done().await;
    }
}

/// A world in which calls can be held.
async fn held_world(checks: &[Check]) -> (World, AccountId) {
    let (world, account) = World::on_plan(FaultPlan::None, "payg", &WIRED).await;
    let github = &world.vendors.github;
    github.set_checks(OWNER, REPOSITORY, checks.to_vec());
    world.skip(Duration::from_secs(7_200));
    (world, account)
}

/// People close the pull request after the last look has seen it open. GitHub says so once, so the
/// event waits for the outcome of the look.
#[tokio::test(start_paused = true)]
async fn a_closing_during_the_last_look_ends_the_job() {
    let (world, account) = held_world(&[green()]).await;
    world.github_sends("issues.opened").await;
    let job = until_waiting(&world).await;
    world.elapse(Duration::from_secs(200)).await;
    let held = world.wire.hold("/check-runs", Moment::After);
    tokio::join!(world.turn(Queue::Pulls), async {
        held.reached().await;
        let number = the_pull(&world).number;
        world.vendors.github.close_pull(OWNER, REPOSITORY, number);
        world.pull_closed(&job, |_| {}).await;
        world.turn(Queue::GithubEvents).await;
        held.release();
    });
    world.settle().await;
    let end = (JobState::Closed, true, "#8 was closed without merging");
    assert_ended(&world, &account, Pays::ByMeter, end).await;
    world.done().await;
}

/// A customer cancels while the pull request is being created. Its checks decide nothing then,
/// and nothing is billed, as a moment later.
#[tokio::test(start_paused = true)]
async fn a_cancellation_during_the_creation_is_not_billed() {
    let (world, account) = held_world(&[green(), red()]).await;
    world.github_sends("issues.opened").await;
    for queue in [Queue::GithubEvents, Queue::Plan, Queue::Code, Queue::Review] {
        world.turn(queue).await;
    }
    let call = "POST github.wire/repos/acme/greeter/pulls";
    let held = world.wire.hold(call, Moment::After);
    let works = async {
        for _ in 0..4 {
            world.turn(Queue::Pulls).await;
        }
    };
    tokio::join!(works, async {
        held.reached().await;
        world.vendors.github.close_issue(OWNER, REPOSITORY, 7);
        world.github_sends("issues.closed").await;
        world.turn(Queue::GithubEvents).await;
        held.release();
    });
    world.settle().await;
    let end = (JobState::Cancelled, false, "#8 is not delivered");
    assert_ended(&world, &account, Pays::ByMeter, end).await;
    assert_eq!(the_pull(&world).state, "closed");
    world.done().await;
}
