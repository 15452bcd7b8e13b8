//! Cancels a job in every state and in the middle of every step (F-D3). The result is either no
//! pull request and no charge, or a pull request that is recorded and charged.

use crate::world::wire::WIRED;
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::inbox::EventState;
use domain::jobs::{CancelRequest, JobState};
use http::StatusCode;
use local_stack::world::{OWNER, REPOSITORY};
use stand_in_shared::faults::{Effect, Fault, Moment};
use std::time::Duration;

/// The queues in the order in which a job passes through them.
const WAY: [Queue; 5] = [
    Queue::GithubEvents,
    Queue::Plan,
    Queue::Code,
    Queue::Review,
    Queue::Pulls,
];
const PULLS: &str = "POST github.wire/repos/acme/greeter/pulls";

/// Processes these queues for a new job.
async fn job_after(world: &World, queues: &[Queue]) {
    world.github_sends("issues.opened").await;
    for queue in queues {
        assert!(world.turn(*queue).await > 0, "{queue} has work");
    }
}

/// Closes the issue and processes its event at once.
async fn close(world: &World) -> String {
    world.vendors.github.close_issue(OWNER, REPOSITORY, 7);
    let delivery = world.github_sends("issues.closed").await;
    world.turn(Queue::GithubEvents).await;
    delivery
}

#[tokio::test(start_paused = true)]
async fn a_job_is_cancelled_in_every_state_before_the_last() {
    let states = [
        JobState::Queued,
        JobState::Coding,
        JobState::Reviewing,
        JobState::ReviewApproved,
    ];
    for (passed, state) in (1..).zip(states) {
        let world = World::with(FaultPlan::None, &[]).await;
        job_after(&world, &WAY[..passed]).await;
        assert_eq!(world.present_job().await.state, state);
        let asked = world.vendors.model.calls().len();
        let delivery = close(&world).await;
        world
            .assert_outcome(&delivery, EventState::Processed, "cancelled job job_")
            .await;
        world.settle().await;
        world
            .assert_not_delivered(JobState::Cancelled, "Cancelled: the issue was closed")
            .await;
        assert_eq!(
            world.vendors.model.calls().len(),
            asked,
            "{state:?}: the late message costs no model call"
        );
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_cancelled_between_two_attempts_of_a_step() {
    for (passed, state) in [
        (1, JobState::Planning),
        (2, JobState::Coding),
        (3, JobState::Reviewing),
    ] {
        let world = World::with(FaultPlan::None, &[]).await;
        job_after(&world, &WAY[..passed]).await;
        world.vendors.model.fail_next(500);
        world.turn(WAY[passed]).await;
        let job = world.present_job().await;
        assert_eq!((job.state, job.outage_since.is_some()), (state, true));
        close(&world).await;
        world.settle().await;
        world
            .assert_not_delivered(JobState::Cancelled, "Cancelled: the issue was closed")
            .await;
        world.done().await;
    }
}

/// Cancels at any moment, with faults: the job ends cancelled or delivered, and its charge agrees.
#[tokio::test(start_paused = true)]
async fn a_closing_that_falls_anywhere_leaves_no_half_of_a_job() {
    let (mut delivered, mut cancelled) = (0, 0);
    for seed in 0..12 {
        let world = World::with(FaultPlan::Seeded(seed + 100), &[]).await;
        world.github_sends("issues.opened").await;
        for place in 0..seed {
            world
                .turn(WAY[usize::try_from(place % 5).expect("few")])
                .await;
        }
        world.github_sends("issues.closed").await;
        world.settle().await;
        match world.commented_job().await.state {
            JobState::PrOpened => {
                world.assert_delivered_once();
                delivered += 1;
            }
            _ => {
                world
                    .assert_not_delivered(JobState::Cancelled, "Cancelled")
                    .await;
                cancelled += 1;
            }
        }
        world.done().await;
    }
    assert!(
        delivered > 0 && cancelled > 0,
        "{delivered} delivered, {cancelled} cancelled: the seeds reach both"
    );
}

/// The worker is in the middle of its model call, and its later write has no effect.
#[tokio::test(start_paused = true)]
async fn a_step_under_way_finds_its_job_cancelled() {
    for passed in 1..=3 {
        let world = World::with(FaultPlan::None, &WIRED).await;
        job_after(&world, &WAY[..passed]).await;
        let held = world.wire.hold("model.wire", Moment::After);
        tokio::join!(world.turn(WAY[passed]), async {
            held.reached().await;
            close(&world).await;
            assert_eq!(
                world.open_job().await,
                None,
                "cancelled at once, also during a step"
            );
            held.release();
        });
        world.settle().await;
        world
            .assert_not_delivered(JobState::Cancelled, "Cancelled: the issue was closed")
            .await;
        assert_eq!(
            world
                .commented_job()
                .await
                .timeline
                .last()
                .map(|moment| moment.state),
            Some(JobState::Cancelled)
        );
        world.done().await;
    }
}

/// Past the point of no return, the cancellation is recorded, and the function that opens the pull
/// request decides by what exists on GitHub.
#[tokio::test(start_paused = true)]
async fn a_pull_request_that_is_there_is_delivered_although_it_was_cancelled() {
    for (what, on, moment) in [
        (
            "before the branch",
            "POST github.wire/repos/acme/greeter/git/refs",
            Moment::Before,
        ),
        ("before the pull request", PULLS, Moment::Before),
        ("after the pull request", PULLS, Moment::After),
    ] {
        let world = World::with(FaultPlan::None, &WIRED).await;
        job_after(&world, &WAY[..4]).await;
        let held = world.wire.hold(on, moment);
        tokio::join!(world.turn(Queue::Pulls), async {
            held.reached().await;
            close(&world).await;
            let job = world.present_job().await;
            assert_eq!(
                (job.state, job.cancel_requested),
                (JobState::PrCreationInitiated, CancelRequest::Asked),
                "{what}"
            );
            held.release();
        });
        world.settle().await;
        assert_eq!(
            world.commented_job().await.state,
            JobState::PrOpened,
            "{what}"
        );
        assert!(
            world.comment().contains("The pull request is ready: #8"),
            "{what}: {}",
            world.comment()
        );
        world.assert_delivered_once();
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_pull_request_it_is_cancelled_even_so_late() {
    for on in [
        "POST github.wire/repos/acme/greeter/git/trees",
        "POST github.wire/repos/acme/greeter/git/refs",
        PULLS,
    ] {
        let world = World::with(FaultPlan::None, &WIRED).await;
        job_after(&world, &WAY[..4]).await;
        world.wire.cut(on, 1);
        world.turn(Queue::Pulls).await;
        let job = world.present_job().await;
        assert_eq!(
            (job.state, job.outage_since.is_some()),
            (JobState::PrCreationInitiated, true),
            "{on}"
        );
        close(&world).await;
        world.settle().await;
        world
            .assert_not_delivered(JobState::Cancelled, "Cancelled: the issue was closed")
            .await;
        world.done().await;
    }
}

/// The pull request was created, its answer was lost, and GitHub's list does not show it yet (F-E3)
/// when the job is cancelled. A single look-up without a result proves nothing.
#[tokio::test(start_paused = true)]
async fn a_pull_request_that_is_not_listed_yet_is_not_taken_for_missing() {
    let world = World::with(FaultPlan::None, &[]).await;
    job_after(&world, &WAY[..4]).await;
    let on = "POST github.stand-in/repos/acme/greeter/pulls".to_owned();
    world.stack.faults.inject(Fault {
        on,
        times: 1,
        effect: Effect::AnswerLost,
    });
    world.turn(Queue::Pulls).await;
    assert_eq!(
        world.vendors.github.pulls(OWNER, REPOSITORY).len(),
        1,
        "it is there, and we do not know"
    );
    close(&world).await;
    world.vendors.github.set_read_lag(1);
    world.settle().await;
    assert_eq!(
        world.commented_job().await.state,
        JobState::PrOpened,
        "a pull request that exists is recorded and charged"
    );
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn closing_the_issue_of_a_delivered_job_changes_nothing() {
    let world = World::start().await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    let delivery = world.github_sends("issues.closed").await;
    world.settle().await;
    world
        .assert_outcome(
            &delivery,
            EventState::Ignored,
            "the job has its pull request",
        )
        .await;
    assert_eq!(world.commented_job().await.state, JobState::PrOpened);
    world.assert_delivered_once();
    world.done().await;
}

/// Events arrive out of order: the issue may be closed before its opening is processed, so the
/// issue itself is read before work begins.
#[tokio::test(start_paused = true)]
async fn an_issue_that_is_closed_by_now_is_not_worked_on() {
    let world = World::start().await;
    world.vendors.github.close_issue(OWNER, REPOSITORY, 7);
    let delivery = world.github_sends("issues.closed").await;
    world.settle().await;
    world
        .assert_outcome(&delivery, EventState::Ignored, "the issue has no job")
        .await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_not_delivered(JobState::Cancelled, "Cancelled: the issue was closed")
        .await;
    assert!(world.vendors.model.calls().is_empty());
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_cancel_the_issue_may_ask_again() {
    let world = World::with(FaultPlan::None, &[]).await;
    job_after(&world, &WAY[..2]).await;
    let delivery = world.github_sends("issues.closed").await;
    world.settle().await;
    world
        .assert_outcome(&delivery, EventState::Processed, "cancelled job")
        .await;
    world
        .assert_not_delivered(JobState::Cancelled, "Cancelled")
        .await;
    world.elapse(Duration::from_secs(3_600)).await;
    let again = world.github_sends("issue_comment.created").await;
    world.settle().await;
    assert_eq!(world.job_of(&again).await.state, JobState::PrOpened);
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 1);
    assert_eq!(world.comments().len(), 2, "one comment for each job");
    world.done().await;
}

/// F-D1 at the store: of two transitions from the same version one is written, and the other has no
/// effect.
#[tokio::test(start_paused = true)]
async fn of_two_moves_from_one_version_one_is_written() {
    use domain::jobs::Staged;
    let world = World::with(FaultPlan::None, &[]).await;
    job_after(&world, &WAY[..1]).await;
    let seen = world.present_job().await;
    let cancel = || match seen.clone().staged() {
        Staged::Queued(job) => job.cancel("the first", world.stack.outside.now()),
        other => panic!("{other:?}"),
    };
    let claim = match seen.clone().staged() {
        Staged::Queued(job) => job
            .claim(world.stack.outside.now(), world.stack.outside.now())
            .expect("it is not leased"),
        other => panic!("{other:?}"),
    };
    let store = &world.stack.store;
    assert!(matches!(
        store.job_advance(&cancel()).await.expect("an answer"),
        store::Advanced::Applied(_)
    ));
    let after = world.job(&seen.facts.id).await;
    assert_eq!(
        (after.state, after.version),
        (JobState::Cancelled, seen.version + 1)
    );
    assert!(matches!(
        store.job_claim(claim).await.expect("an answer"),
        store::Claimed::Stale
    ));
    assert_eq!(
        store.job_advance(&cancel()).await.expect("an answer"),
        store::Advanced::Stale
    );
    assert_eq!(
        world.job(&seen.facts.id).await,
        after,
        "the losers left no trace"
    );
    let (status, _) = world
        .operator(
            "GET",
            &format!("/api/v1/admin/jobs/{}", seen.facts.id),
            None,
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    world.settle().await;
    world.done().await;
}
