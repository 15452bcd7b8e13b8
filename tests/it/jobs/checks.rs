//! The repository's own checks decide whether a pull request is delivered and billed, whether the
//! account pays by meter or from credits.

pub mod crash;
pub mod people;
mod repairs;

use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::ids::AccountId;
use domain::jobs::{JobRow, JobState};
use local_stack::world::{CUSTOMER, INSTALLATION_ID, OWNER, REPOSITORY};
use serde_json::{Value, json};
use stand_in_github::{Check, CheckKind, PullView};
use std::time::Duration;

/// The branches of jobs.
const OURS: &str = "tallyhook/";
const EVERYWHERE: &str = "";
/// The permissions of an installation from before checks were read.
const BEFORE_CHECKS: [(&str, &str); 4] = [
    ("contents", "write"),
    ("issues", "write"),
    ("metadata", "read"),
    ("pull_requests", "write"),
];
const GRANTED: &str = "1000";
const WORKFLOW: &str = ".github/workflows/ci.yml";

/// How the account of a journey pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pays {
    ByMeter,
    FromCredits,
}

/// A check run that begins ten seconds after the push.
pub fn run(name: &str, branches: &str, takes: Option<i64>, result: &str) -> Check {
    Check {
        name: name.to_owned(),
        kind: CheckKind::Run,
        branches: branches.to_owned(),
        starts_after: 10,
        takes,
        result: result.to_owned(),
        ..Check::default()
    }
}

fn status(name: &str, branches: &str, result: &str) -> Check {
    Check {
        kind: CheckKind::Status,
        ..run(name, branches, Some(20), result)
    }
}

/// A check that passes everywhere, so that checks are to be expected.
pub fn green() -> Check {
    run("build", EVERYWHERE, Some(90), "success")
}

/// A check that only the change fails.
pub fn red() -> Check {
    run("test", OURS, Some(60), "failure")
}

/// A world with an account that pays this way, and a repository with these checks.
pub async fn with_checks(
    fault_plan: FaultPlan,
    pays: Pays,
    checks: &[Check],
) -> (World, AccountId) {
    let (world, account) = match pays {
        Pays::ByMeter => World::on_plan(fault_plan, "payg", &[]).await,
        Pays::FromCredits => {
            let (world, account) = World::on_plan(fault_plan, "credits", &[]).await;
            world.adjusts(&account, GRANTED, "a gift").await;
            (world, account)
        }
    };
    let github = &world.vendors.github;
    github.set_checks(OWNER, REPOSITORY, checks.to_vec());
    // The checks of the base commit have completed long ago.
    world.skip(Duration::from_secs(7_200));
    (world, account)
}

/// Works until the job's pull request waits for its checks.
pub async fn until_waiting(world: &World) -> JobRow {
    until(world, JobState::Validating).await
}

/// Works until the open job is in this state.
pub async fn until(world: &World, state: JobState) -> JobRow {
    for _ in 0..200 {
        if let Some(id) = world.open_job().await {
            let job = world.job(&id).await;
            if job.state == state {
                return job;
            }
        }
        if world.turn_all().await == 0 {
            world.elapse(Duration::from_secs(1)).await;
        }
    }
    panic!("the job is not {state:?}: {:?}", world.pending().await);
}

/// The one pull request.
pub fn the_pull(world: &World) -> PullView {
    let mut pulls = world.vendors.github.pulls(OWNER, REPOSITORY);
    assert_eq!(pulls.len(), 1, "{pulls:?}");
    pulls.remove(0)
}

/// People merge or close the pull request, and GitHub's event says so if it arrives.
pub async fn people_decide(world: &World, job: &JobRow, merges: bool, event: bool) {
    let number = the_pull(world).number;
    let github = &world.vendors.github;
    if merges {
        github.merge_pull(OWNER, REPOSITORY, number);
    } else {
        github.close_pull(OWNER, REPOSITORY, number);
    }
    if event {
        decision_arrives(world, job, merges).await;
        world.drain(Queue::GithubEvents).await;
    }
}

/// GitHub's event about a pull request that was merged or closed.
pub async fn decision_arrives(world: &World, job: &JobRow, merges: bool) {
    let merged = |event: &mut Value| {
        if merges {
            event["pull_request"]["merged"] = true.into();
            event["pull_request"]["merged_at"] = json!("2026-11-20T10:00:00Z");
        }
    };
    world.pull_closed(job, merged).await;
}

/// Asserts how the job ended, that the money agrees, and that the comment says why.
pub async fn assert_ended(
    world: &World,
    account: &AccountId,
    pays: Pays,
    (state, is_billed, says): (JobState, bool, &str),
) -> JobRow {
    let job = world.commented_job().await;
    let comment = world.comment();
    assert_eq!(job.state, state, "{:?} {comment}", job.reason);
    assert!(comment.contains(says), "{says:?}: {comment}");
    let metered = world.vendors.stripe.total(CUSTOMER, "pull_requests");
    match pays {
        Pays::ByMeter => {
            assert_eq!(metered, i64::from(is_billed), "{comment}");
            assert_eq!(world.kinds(account).await, Vec::<&str>::new());
        }
        Pays::FromCredits => {
            let end = if is_billed { "capture" } else { "release" };
            assert_eq!(
                world.kinds(account).await,
                ["adjustment", "hold", end],
                "{comment}"
            );
            assert_eq!(metered, 0);
        }
    }
    if !is_billed {
        assert!(comment.contains("nothing is billed"), "{comment}");
    }
    world.assert_ledger_agrees().await;
    assert_eq!(
        world.open_job().await.is_some(),
        state == JobState::PrOpened
    );
    job
}

struct Case {
    checks: Vec<Check>,
    /// What `.tallyhook.toml` says.
    policy: &'static str,
    has_workflow: bool,
    end: (JobState, bool, &'static str),
    /// Whether the job waited.
    waited: bool,
    pull: &'static str,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            checks: vec![green()],
            policy: "",
            has_workflow: false,
            end: (JobState::PrOpened, true, "The pull request is ready: #8"),
            waited: true,
            pull: "open",
        }
    }
}

fn cases() -> Vec<Case> {
    let delivered = |says| (JobState::PrOpened, true, says);
    let failed = |says| (JobState::Failed, false, says);
    vec![
        Case {
            end: delivered("Its check passed."),
            ..Case::default()
        },
        Case {
            checks: vec![green(), status("ci/old", OURS, "success")],
            end: delivered("Its 2 checks passed."),
            ..Case::default()
        },
        Case {
            checks: vec![green(), red()],
            end: failed(
                "#8 is not delivered, and nothing is billed: its checks failed: `test`, and the change was not repaired: the agent proposed no change: it repeats itself. Nothing has changed since the checks failed. Correct the change, then submit again.; it stays open",
            ),
            ..Case::default()
        },
        Case {
            checks: vec![green(), status("ci/old", OURS, "error")],
            policy: "[pull]\non_red = 'fail'\n",
            end: failed("; it was closed"),
            pull: "closed",
            ..Case::default()
        },
        // What fails without the change too is not its fault.
        Case {
            checks: vec![green(), run("lint", EVERYWHERE, Some(30), "failure")],
            end: delivered("Its checks passed, except what fails without the change too: `lint`."),
            ..Case::default()
        },
        Case {
            checks: vec![run("lint", EVERYWHERE, Some(30), "failure"), red()],
            end: failed("its checks failed: `test`, and the change was not repaired"),
            ..Case::default()
        },
        Case {
            checks: vec![],
            has_workflow: true,
            end: delivered("It has no checks."),
            ..Case::default()
        },
        Case {
            checks: vec![green(), run("stuck", OURS, None, "success")],
            end: delivered("Its checks did not complete within an hour."),
            ..Case::default()
        },
        // A check that failed decides, although another one never completes.
        Case {
            checks: vec![green(), red(), run("stuck", OURS, None, "success")],
            end: failed("its checks failed: `test`, and the change was not repaired"),
            ..Case::default()
        },
        // Nothing on the base commit says that there would be checks, and nobody waits for any.
        Case {
            checks: vec![red()],
            waited: false,
            ..Case::default()
        },
        Case {
            checks: vec![red()],
            policy: "[pull]\nvalidate = 'checks'\n",
            end: failed("its checks failed: `test`, and the change was not repaired"),
            ..Case::default()
        },
        Case {
            checks: vec![green(), red()],
            policy: "[pull]\nvalidate = 'off'\n",
            waited: false,
            ..Case::default()
        },
    ]
}

#[tokio::test(start_paused = true)]
async fn checks_decide_whether_a_pull_request_is_delivered_and_billed() {
    for (seed, case) in (1..).zip(cases()) {
        // Each way to pay meets faults in every other case.
        let faults = FaultPlan::Seeded(seed);
        let plans = if seed % 2 == 0 {
            [
                (Pays::ByMeter, FaultPlan::None),
                (Pays::FromCredits, faults),
            ]
        } else {
            [
                (Pays::ByMeter, faults),
                (Pays::FromCredits, FaultPlan::None),
            ]
        };
        for (pays, fault_plan) in plans {
            let (world, account) = with_checks(fault_plan, pays, &case.checks).await;
            let github = &world.vendors.github;
            if !case.policy.is_empty() {
                github.push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", case.policy);
            }
            if case.has_workflow {
                github.push_file(OWNER, REPOSITORY, "main", WORKFLOW, "on: push\n");
            }
            world.skip(Duration::from_secs(7_200));
            println!("case {seed}, {pays:?}, {fault_plan:?}");
            world.github_sends("issues.opened").await;
            world.settle().await;
            let job = assert_ended(&world, &account, pays, case.end).await;
            let waited = World::states(&job).contains(&JobState::Validating);
            assert_eq!(waited, case.waited);
            assert_eq!(the_pull(&world).state, case.pull);
            world.done().await;
        }
    }
}

/// Nothing moves while the checks run: not the money, and not the issue.
#[tokio::test(start_paused = true)]
async fn nothing_is_billed_before_the_checks_have_completed() {
    for pays in [Pays::ByMeter, Pays::FromCredits] {
        let checks = [green(), run("slow", OURS, Some(1_800), "success")];
        let (world, account) = with_checks(FaultPlan::None, pays, &checks).await;
        world.github_sends("issues.opened").await;
        until_waiting(&world).await;
        let polls = |world: &World| {
            let log = world.stack.faults.log();
            log.iter()
                .filter(|call| call.ends_with("/check-runs"))
                .count()
        };
        let before = polls(&world);
        for _ in 0..20 {
            world.elapse(Duration::from_secs(61)).await;
            while world.turn_all().await > 0 {}
            world.sweep().await;
        }
        let job = world.present_job().await;
        assert_eq!(job.state, JobState::Validating);
        assert!(
            world
                .comment()
                .contains("#8 is open and waits for its checks")
        );
        assert_eq!(world.vendors.stripe.meter_events().len(), 0);
        let kinds = world.kinds(&account).await;
        assert!(
            !kinds.contains(&"capture") && !kinds.contains(&"release"),
            "{kinds:?}"
        );
        let polled = polls(&world) - before;
        assert!((5..=15).contains(&polled), "{polled} polls in 20 minutes");
        world.settle().await;
        let end = (JobState::PrOpened, true, "Its 2 checks passed.");
        assert_ended(&world, &account, pays, end).await;
        world.done().await;
    }
}

/// An installation that has not approved the permissions gets what it got before, and the pull
/// request says what is missing.
#[tokio::test(start_paused = true)]
async fn without_the_right_to_read_checks_nobody_waits() {
    for has_workflow in [true, false] {
        for pays in [Pays::ByMeter, Pays::FromCredits] {
            let (world, account) = with_checks(FaultPlan::Seeded(5), pays, &[green(), red()]).await;
            let github = &world.vendors.github;
            github.set_permissions(INSTALLATION_ID, &BEFORE_CHECKS);
            if has_workflow {
                github.push_file(OWNER, REPOSITORY, "main", WORKFLOW, "on: push\n");
            }
            world.github_sends("issues.opened").await;
            world.settle().await;
            let end = (JobState::PrOpened, true, "The pull request is ready");
            let job = assert_ended(&world, &account, pays, end).await;
            assert!(!World::states(&job).contains(&JobState::Validating));
            let body = the_pull(&world).body;
            assert_eq!(
                body.contains("it may not read them"),
                has_workflow,
                "{body}"
            );
            world.done().await;
        }
    }
}

/// The permissions are withdrawn while the job waits.
#[tokio::test(start_paused = true)]
async fn checks_that_may_no_longer_be_read_are_not_waited_for() {
    let pays = Pays::FromCredits;
    let checks = [green(), run("slow", OURS, Some(1_800), "failure")];
    let (world, account) = with_checks(FaultPlan::None, pays, &checks).await;
    world.github_sends("issues.opened").await;
    until_waiting(&world).await;
    world.skip(Duration::from_secs(4_000));
    world
        .vendors
        .github
        .set_permissions(INSTALLATION_ID, &BEFORE_CHECKS);
    // The token for checks has expired.
    world.settle().await;
    let end = (JobState::PrOpened, true, "lacks the permissions for that");
    assert_ended(&world, &account, pays, end).await;
    world.done().await;
}

/// A server that does not know checks, and one that does not answer about them, take no longer than
/// it takes to notice, and bill as if there were none.
#[tokio::test(start_paused = true)]
async fn a_server_without_checks_delivers_as_before() {
    for status in [400, 401, 404, 405, 406, 410, 422, 451, 500, 501, 503] {
        let (world, account) = World::on_plan(FaultPlan::None, "payg", &WIRED).await;
        let refused = Reply::json(status, json!({ "message": "no" }));
        world.wire.answer("/check-runs", ALWAYS, refused);
        world.github_sends("issues.opened").await;
        world.settle().await;
        let end = (JobState::PrOpened, true, "The pull request is ready: #8");
        let job = assert_ended(&world, &account, Pays::ByMeter, end).await;
        let waited = job
            .timeline
            .iter()
            .any(|at| at.state == JobState::Validating);
        assert!(!waited, "{status}: {:?}", job.timeline);
        let (first, last) = (job.timeline.first(), job.timeline.last());
        let took = last.zip(first).map(|(last, first)| last.at.since(first.at));
        let most = Duration::from_secs(if status >= 500 && status != 501 {
            1_800
        } else {
            60
        });
        assert!(took.is_some_and(|took| took < most), "{status}: {took:?}");
        world.done().await;
    }
}
