//! The main journey: from an issue to a pull request and one charge.

use crate::world::{FaultPlan, World};
use domain::jobs::JobState;
use local_stack::world::{ISSUE_BODY, ISSUE_TITLE, OWNER, PROSPECT, REPOSITORY};

const JOURNEY: [JobState; 7] = [
    JobState::Queued,
    JobState::Planning,
    JobState::Coding,
    JobState::Reviewing,
    JobState::ReviewApproved,
    JobState::PrCreationInitiated,
    JobState::PrOpened,
];

/// The acceptance criterion of the first source document: a simulated `issues.opened` passes
/// through the whole pipeline, and the job, pull request and usage are as expected.
#[tokio::test(start_paused = true)]
async fn gate_a_github_webhook_triggers_the_entire_pipeline() {
    let world = World::start().await;
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;

    let job = world.job_of(&delivery).await;
    assert_eq!(job.state, JobState::PrOpened);
    assert_eq!(World::states(&job), JOURNEY);
    let pulls = world.vendors.github.pulls(OWNER, REPOSITORY);
    let pull = job.pull.expect("the job has its pull request");
    assert_eq!(
        (pull.number, pull.url.as_str()),
        (8, "http://github.test/acme/greeter/pull/8")
    );
    assert_eq!(pulls[0].head, format!("tallyhook/{}", job.facts.id));
    assert_eq!(pulls[0].base, "main");
    assert_eq!(pulls[0].title, ISSUE_TITLE);
    assert!(pulls[0].body.contains("Closes #7"), "{}", pulls[0].body);
    let fixed = world
        .vendors
        .github
        .file(OWNER, REPOSITORY, &pulls[0].head, "src/greeting.rs")
        .expect("the file is there");
    assert!(fixed.contains("Hello, {name}!"), "{fixed}");
    let metered = &world.vendors.stripe.meter_events()[0];
    assert_eq!(
        (
            metered.event_name.as_str(),
            metered.customer.as_str(),
            metered.value
        ),
        ("pull_requests", "cus_TallyhookDemo1", 1)
    );
    assert!(job.tokens.input > 0 && job.tokens.output > 0);
    world.assert_delivered_once();

    // Repeating the delivery, or sending the same fact under another delivery, adds nothing.
    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn the_journey_without_faults_takes_the_same_way() {
    let world = World::with(FaultPlan::None, &[]).await;
    let delivery = world.github_sends("issues.labeled").await;
    world.settle().await;
    assert_eq!(World::states(&world.job_of(&delivery).await), JOURNEY);
    world.assert_delivered_once();
    world.done().await;
}

/// What people do on the pages of the stand-in GitHub arrives as its own webhooks, which
/// `.ci/contracts` compares with GitHub's schemas.
#[tokio::test(start_paused = true)]
async fn the_stand_in_s_own_webhooks_lead_to_a_pull_request() {
    let world = World::with(FaultPlan::None, &[]).await;
    let github = &world.vendors.github;
    world.vendors.add_prospect();
    assert!(github.install_app(PROSPECT).is_some());
    let number = github.open_issue(OWNER, REPOSITORY, ISSUE_TITLE, ISSUE_BODY);
    assert!(github.label_issue(OWNER, REPOSITORY, number, "tallyhook"));
    world.stack.github_webhooks().await;
    world.settle().await;
    let pulls = github.pulls(OWNER, REPOSITORY);
    assert_eq!(pulls.len(), 1, "{pulls:?}");
    let closes = format!("Closes #{number}");
    assert!(pulls[0].body.contains(&closes), "{}", pulls[0].body);
    world.done().await;
}
