//! The options that a repository's policy sets for its pull requests: draft, labels, reviewers.

use crate::world::{FaultPlan, World};
use domain::jobs::JobState;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::json;
use stand_in_github::PullView;
use stand_in_shared::faults::{Effect, Fault, Moment};

const WISHES: &str =
    "[pull]\ndraft = true\nlabels = ['tallyhook', 'needs eyes']\nreviewers = ['grace']\n";
const LABELS: &str = "/labels";
const REVIEWERS: &str = "/requested_reviewers";

/// A world whose repository has this policy, and in which `grace` may review.
async fn with_policy(fault_plan: FaultPlan, policy: &str) -> World {
    let world = World::with(fault_plan, &[]).await;
    world
        .vendors
        .github
        .set_role(OWNER, REPOSITORY, "grace", "write");
    world
        .vendors
        .github
        .push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", policy);
    world
}

/// Turns one issue into one delivered job with one pull request, billed once. Returns the pull
/// request.
async fn delivered(world: &World) -> PullView {
    world.github_sends("issues.opened").await;
    world.settle().await;
    let pulls = world.vendors.github.pulls(OWNER, REPOSITORY);
    assert_eq!(
        (pulls.len(), world.vendors.stripe.meter_events().len()),
        (1, 1),
        "{pulls:?}"
    );
    let job = world.commented_job().await;
    assert_eq!(
        (job.state, job.pull.map(|pull| pull.number)),
        (JobState::PrOpened, Some(pulls[0].number))
    );
    pulls[0].clone()
}

/// The outside calls that apply options.
fn option_calls(world: &World) -> Vec<(u64, String)> {
    let calls = (1..).zip(world.stack.faults.log());
    calls
        .filter(|(_, call)| call.ends_with(LABELS) || call.ends_with(REVIEWERS))
        .collect()
}

fn assert_granted(pull: &PullView) {
    assert!(pull.draft);
    assert_eq!(pull.labels, ["tallyhook", "needs eyes"]);
    assert_eq!(pull.reviewers, ["grace"]);
}

#[tokio::test(start_paused = true)]
async fn options_are_set_once_with_faults() {
    for seed in 1..=3 {
        let world = with_policy(FaultPlan::Seeded(seed), WISHES).await;
        world.stack.faults.inject(Fault {
            on: LABELS.to_owned(),
            times: 1,
            effect: Effect::AnswerLost,
        });
        world.stack.faults.inject(Fault {
            on: REVIEWERS.to_owned(),
            times: 1,
            effect: Effect::Unreachable,
        });
        assert_granted(&delivered(&world).await);
        let job = world.commented_job().await;
        let shown = world.shown_job(&job.facts.id).await;
        let wishes =
            json!({ "draft": true, "labels": ["tallyhook", "needs eyes"], "reviewers": ["grace"] });
        assert_eq!(shown["wishes"], wishes);
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_is_lost_by_a_death() {
    let fair = with_policy(FaultPlan::None, WISHES).await;
    delivered(&fair).await;
    let calls = option_calls(&fair);
    assert_eq!(
        calls.len(),
        2,
        "one call for the labels and one for the reviewers: {calls:?}"
    );
    fair.done().await;
    for (call, name) in calls {
        for moment in [Moment::Before, Moment::After] {
            let world = with_policy(FaultPlan::None, WISHES).await;
            world.stack.faults.crash_at(call, moment);
            let pull = delivered(&world).await;
            println!("died {moment:?} {name}");
            assert_granted(&pull);
            assert!(
                option_calls(&world).len() > 2,
                "one process died and another one continued"
            );
            world.done().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_not_review_stops_neither_the_job_nor_the_others() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(3)] {
        let world = with_policy(
            fault_plan,
            "[pull]\nlabels = ['bot']\nreviewers = ['outsider', 'grace', 'missing']\n",
        )
        .await;
        let pull = delivered(&world).await;
        assert_eq!(
            (pull.draft, pull.labels, pull.reviewers),
            (false, vec!["bot".to_owned()], vec!["grace".to_owned()])
        );
        world.done().await;
    }
}

/// A label is not worth failing a job: after several attempts without an answer, the pull request
/// counts without the label.
#[tokio::test(start_paused = true)]
async fn a_request_that_never_succeeds_is_dropped() {
    let world = with_policy(FaultPlan::None, WISHES).await;
    world.stack.faults.inject(Fault {
        on: LABELS.to_owned(),
        times: u32::MAX,
        effect: Effect::Unreachable,
    });
    let pull = delivered(&world).await;
    assert_eq!(
        (pull.labels, pull.reviewers),
        (vec![], vec!["grace".to_owned()])
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn without_options_no_reviewer_is_requested() {
    let world = with_policy(FaultPlan::None, "[triggers]\nopened = true\n").await;
    let pull = delivered(&world).await;
    assert_eq!(
        (pull.draft, pull.labels, pull.reviewers),
        (false, vec![], vec![])
    );
    assert_eq!(option_calls(&world), []);
    world.done().await;
}

/// An invalid policy is ignored as a whole.
#[tokio::test(start_paused = true)]
async fn impossible_requests_make_no_job() {
    let world = with_policy(FaultPlan::None, "[pull]\nreviewers = ['@grace']\n").await;
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_outcome(
            &delivery,
            domain::inbox::EventState::Processed,
            "refused as job",
        )
        .await;
    world.assert_nothing_delivered();
    assert!(world.comment().contains("logins of at most 10 reviewers"));
    world.done().await;
}
