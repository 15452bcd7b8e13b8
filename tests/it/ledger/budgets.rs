//! People set what a job may cost, in the issue, in a comment or in the repository's policy. They can
//! only lower what the plan allows.

use super::jobs::prepaid;
use crate::world::{FaultPlan, World};
use domain::jobs::JobState;
use domain::units::Credits;
use local_stack::world::{ISSUE_BODY, OWNER, REPOSITORY};
use queues::Queue;

/// What a new job reserves.
struct Case {
    issue: &'static str,
    comment: Option<&'static str>,
    policy: &'static str,
    held: &'static str,
}

/// Asks for a job, and returns what is held before the model is asked.
async fn held(world: &World, case: &Case) -> Credits {
    if !case.policy.is_empty() {
        let github = &world.vendors.github;
        github.push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", case.policy);
    }
    let body = format!("{ISSUE_BODY}\n{}", case.issue);
    match case.comment {
        None => {
            let opened = |event: &mut serde_json::Value| event["issue"]["body"] = body.into();
            world.github_sends_changed("issues.opened", opened).await
        }
        Some(comment) => {
            let said = |event: &mut serde_json::Value| {
                event["issue"]["body"] = body.into();
                event["comment"]["body"] = comment.into();
            };
            world
                .github_sends_changed("issue_comment.created", said)
                .await
        }
    };
    world.turn(Queue::GithubEvents).await;
    let job = world.present_job().await;
    world.balance(&job.facts.account).await.held
}

#[tokio::test(start_paused = true)]
async fn the_lowest_budget_is_reserved() {
    let usual = Case {
        issue: "",
        comment: None,
        policy: "",
        held: "600",
    };
    for case in [
        Case { issue: "", ..usual },
        Case {
            issue: "/tallyhook budget 250.5",
            held: "250.5",
            ..usual
        },
        Case {
            issue: "/tallyhook budget 5000",
            ..usual
        },
        Case {
            issue: "> /tallyhook budget 250",
            ..usual
        },
        Case {
            policy: "[limits]\nbudget = 300",
            held: "300",
            ..usual
        },
        Case {
            issue: "/tallyhook budget 250",
            policy: "[limits]\nbudget = '299.5'",
            held: "250",
            ..usual
        },
        Case {
            issue: "/tallyhook budget 250",
            comment: Some("/tallyhook fix\n/tallyhook budget 240"),
            held: "240",
            ..usual
        },
        Case {
            issue: "/tallyhook budget 250",
            comment: Some("/tallyhook fix\n/tallyhook budget 5000"),
            held: "250",
            ..usual
        },
    ] {
        let (world, account) = prepaid(FaultPlan::Seeded(3), "1000", &[]).await;
        let found = held(&world, &case).await;
        let expected = Credits::parse(case.held).expect("credits");
        assert_eq!(found, expected, "{} {:?}", case.issue, case.comment);
        world.settle().await;
        let job = world.commented_job().await;
        assert_eq!(job.state, JobState::PrOpened, "{:?}", job.reason);
        assert_eq!(world.balance(&account).await.held, Credits::ZERO);
        assert_eq!(
            world.kinds(&account).await,
            ["adjustment", "hold", "capture"]
        );
        world.assert_ledger_agrees().await;
        world.done().await;
    }
}

/// A budget that does not pay for the first question costs nothing. Its amount is not on GitHub.
#[tokio::test(start_paused = true)]
async fn a_budget_that_is_too_low_costs_nothing() {
    let (world, account) = prepaid(FaultPlan::Seeded(4), "1000", &[]).await;
    let case = Case {
        issue: "/tallyhook budget 1.5",
        comment: None,
        policy: "",
        held: "1.5",
    };
    assert_eq!(
        held(&world, &case).await,
        Credits::parse("1.5").expect("credits")
    );
    world.settle().await;
    world
        .assert_not_delivered(JobState::Failed, "the job's budget does not suffice")
        .await;
    assert!(!world.comment().contains("1.5"), "{}", world.comment());
    assert_eq!(world.vendors.model.calls().len(), 0);
    assert_eq!(
        world.kinds(&account).await,
        ["adjustment", "hold", "release"]
    );
    world.done().await;
}

/// A comment with nothing but a budget asks for nothing.
#[tokio::test(start_paused = true)]
async fn a_budget_alone_starts_no_job() {
    let (world, _) = prepaid(FaultPlan::None, "1000", &[]).await;
    let said =
        |event: &mut serde_json::Value| event["comment"]["body"] = "/tallyhook budget 5".into();
    world
        .github_sends_changed("issue_comment.created", said)
        .await;
    world.settle().await;
    assert!(world.open_job().await.is_none());
    world.done().await;
}
