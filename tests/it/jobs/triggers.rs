//! The events that make an issue a job, and those that do not.

use crate::world::verbs::together;
use crate::world::{FaultPlan, World, fixture};
use domain::inbox::{EventSource, EventState};
use domain::jobs::JobState;
use http::StatusCode;
use local_stack::world::{APP_ID, OWNER, REPOSITORY};
use serde_json::{Value, json};

/// Sends a changed sample, completes all work, and returns the event's outcome.
async fn sent(
    world: &World,
    sample: &str,
    change: impl FnOnce(&mut Value),
) -> (EventState, String) {
    let delivery = world.github_sends_changed(sample, change).await;
    world.settle().await;
    world.outcome(EventSource::Github, &delivery).await
}

/// Asserts that a changed sample creates no job, for a reason that contains these words.
async fn assert_ignored(world: &World, sample: &str, words: &str, change: impl FnOnce(&mut Value)) {
    let (state, says) = sent(world, sample, change).await;
    assert!(
        state == EventState::Ignored && says.contains(words),
        "{sample} is {state:?}: {says:?}, not {words:?}"
    );
    assert_eq!(world.open_job().await, None, "{sample}, {words}");
}

#[tokio::test(start_paused = true)]
async fn an_issue_a_label_and_a_command_each_make_a_job() {
    for sample in ["issues.opened", "issues.labeled", "issue_comment.created"] {
        let world = World::start().await;
        world.github_sends(sample).await;
        world.settle().await;
        let job = world.commented_job().await;
        assert_eq!(
            (job.state, job.facts.asked_by.as_str()),
            (JobState::PrOpened, "acme-dev"),
            "{sample}"
        );
        world.assert_delivered_once();
        world.done().await;
    }
}

/// F-D6: three requests for one issue create one job, whichever comes first, and they belong to
/// that job permanently.
#[tokio::test(start_paused = true)]
async fn all_requests_for_an_issue_are_one_job() {
    const WISHES: [&str; 3] = ["issues.opened", "issues.labeled", "issue_comment.created"];
    for (first, fault_plan) in [
        (0, FaultPlan::None),
        (1, FaultPlan::Seeded(11)),
        (2, FaultPlan::Seeded(12)),
    ] {
        let world = World::with(fault_plan, &[]).await;
        together((0..3).map(|place| world.github_sends(WISHES[(first + place) % 3]))).await;
        world.settle().await;
        world.assert_delivered_once();
        assert_eq!(world.commented_job().await.state, JobState::PrOpened);

        // The issue becomes free, and none of the three starts another job when it is delivered
        // again.
        let job = world.commented_job().await;
        world.vendors.github.close_pull(OWNER, REPOSITORY, 8);
        world.pull_closed(&job, |_| {}).await;
        world.settle().await;
        assert_eq!(world.commented_job().await.state, JobState::Closed);
        assert_eq!(world.open_job().await, None);
        for wish in WISHES {
            world.github_sends(wish).await;
        }
        world.settle().await;
        assert_eq!(world.asked("plan"), 1, "{fault_plan:?}");
        world.assert_delivered_once();
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_label_set_again_is_a_new_request_once_the_issue_is_free() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.vendors.model.script(
        "review",
        vec![json!({ "verdict": "reject", "notes": "no" }).to_string()],
    );
    world.github_sends("issues.labeled").await;
    world.settle().await;
    assert_eq!(world.commented_job().await.state, JobState::Rejected);
    let later = |event: &mut Value| event["issue"]["updated_at"] = "2026-11-20T09:30:00Z".into();
    let (_, says) = sent(&world, "issues.labeled", later).await;
    assert!(says.starts_with("job job_"), "{says}");
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 1);
    assert_eq!(
        world.vendors.stripe.meter_events().len(),
        1,
        "the one that was delivered"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn other_events_make_no_job() {
    let world = World::with(FaultPlan::None, &[]).await;
    assert_ignored(&world, "issues.labeled", "another label", |event| {
        event["label"]["name"] = "bug".into()
    })
    .await;
    for text in [
        "> /tallyhook fix",
        "thanks, /tallyhook fix did it",
        "    /tallyhook fix",
        "```\n/tallyhook fix\n```",
        "/tallyhook",
        "/tallyhook reboot",
        "/tallyhookfix",
        "/TALLYHOOK fix",
        "",
    ] {
        assert_ignored(&world, "issue_comment.created", "no command", |event| {
            event["comment"]["body"] = text.into()
        })
        .await;
    }
    let on_pull =
        |event: &mut Value| event["issue"]["pull_request"] = json!({ "url": "https://x" });
    assert_ignored(
        &world,
        "issue_comment.created",
        "commands work on issues only",
        on_pull,
    )
    .await;
    assert!(world.vendors.model.calls().is_empty());
    // The same issue with a valid request works, so nothing above blocked it.
    let (state, _) = sent(&world, "issue_comment.created", |event| {
        event["comment"]["body"] = "Please:\r\n/tallyhook fix now\r\n".into()
    })
    .await;
    assert_eq!(state, EventState::Processed);
    world.assert_delivered_once();
    world.done().await;
}

/// F-E6: our own actions come back as events.
#[tokio::test(start_paused = true)]
async fn our_own_actions_request_nothing() {
    let ours = json!({ "id": APP_ID, "slug": "tallyhook" });
    let others = json!({ "id": APP_ID + 1, "slug": "tallyhook-too" });
    for (sample, thing) in [
        ("issues.opened", "issue"),
        ("issue_comment.created", "comment"),
    ] {
        let world = World::with(FaultPlan::None, &[]).await;
        assert_ignored(&world, sample, "our own action", |event| {
            event[thing]["performed_via_github_app"] = ours.clone()
        })
        .await;
        let (state, _) = sent(&world, sample, |event| {
            event[thing]["performed_via_github_app"] = others.clone()
        })
        .await;
        assert_eq!(
            state,
            EventState::Processed,
            "another app may ask: {sample}"
        );
        world.done().await;
    }
    // Tallyhook's pull request as GitHub reports it, and another person's.
    let world = World::with(FaultPlan::None, &[]).await;
    assert_ignored(
        &world,
        "pull_request.opened",
        "our own pull request",
        |_| {},
    )
    .await;
    assert_ignored(
        &world,
        "pull_request.opened",
        "not a pull request of ours",
        |event| {
            event["pull_request"]["head"]["ref"] = "renovate/all".into();
        },
    )
    .await;
    world.done().await;
}

/// The policy is read from the base branch and can only narrow.
#[tokio::test(start_paused = true)]
async fn a_policy_file_narrows_what_counts() {
    let refused = "the repository's policy does not accept requests from this author";
    let policy = |text: &'static str, sample: &'static str, expected: Option<&'static str>| async move {
        let world = World::with(FaultPlan::None, &[]).await;
        world
            .vendors
            .github
            .push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", text);
        match expected {
            Some(words) => assert_ignored(&world, sample, words, |_| {}).await,
            None => {
                assert_eq!(
                    sent(&world, sample, |_| {}).await.0,
                    EventState::Processed,
                    "{text} {sample}"
                );
                assert_eq!(world.commented_job().await.state, JobState::PrOpened);
            }
        }
        world.done().await;
    };
    for (text, sample, expected) in [
        ("", "issues.opened", None),
        (
            "[triggers]\nopened = false",
            "issues.opened",
            Some("requires a label or a command"),
        ),
        ("[triggers]\nopened = false", "issues.labeled", None),
        ("[triggers]\nopened = false", "issue_comment.created", None),
        (
            "[triggers]\nlabel = 'bot'",
            "issues.labeled",
            Some("another label"),
        ),
        ("[triggers]\nlabel = 'TallyHook'", "issues.labeled", None),
        ("[triggers]\nlabel = 'bot'", "issues.opened", None),
        (
            "[triggers]\ncommands = false",
            "issue_comment.created",
            Some("disables commands"),
        ),
        ("[triggers]\ncommands = false", "issues.labeled", None),
        (
            "[triggers]\nassociations = ['OWNER']",
            "issues.opened",
            Some(refused),
        ),
        (
            "[triggers]\nassociations = ['OWNER']",
            "issue_comment.created",
            Some(refused),
        ),
        (
            "[triggers]\nassociations = ['owner', 'member']",
            "issues.opened",
            None,
        ),
        (
            "[triggers]\nassociations = ['MEMBER']",
            "issue_comment.created",
            None,
        ),
    ] {
        policy(text, sample, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_cannot_be_read_grants_nothing() {
    let deep = "[".repeat(10_000);
    for text in [
        "[triggers",
        "opened = false",
        "[triggers]\nopen = true",
        "[triggers]\nopened = 'yes'",
        "[other]",
        &deep,
        "nul\0l",
    ] {
        let world = World::with(FaultPlan::None, &[]).await;
        world
            .vendors
            .github
            .push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", text);
        for sample in ["issues.opened", "issues.labeled", "issue_comment.created"] {
            let delivery = world.github_sends(sample).await;
            world.settle().await;
            world
                .assert_outcome(&delivery, EventState::Processed, "refused")
                .await;
        }
        assert!(world.vendors.model.calls().is_empty());
        // One comment says so, whatever else happens on the issue.
        let comment = world.comment();
        assert!(
            comment.contains(".tallyhook.toml cannot be used")
                && comment.contains("nothing is billed"),
            "{comment}"
        );
        world.done().await;
    }
}

/// Each issue that asks for a job gets one comment for each way in which the file is broken, and an
/// issue that asks for nothing gets none. Once the file is mended, the next command makes a job.
#[tokio::test(start_paused = true)]
async fn a_broken_policy_gets_one_comment_on_each_issue_until_it_is_mended() {
    let world = World::with(FaultPlan::Seeded(71), &[]).await;
    let push = |text: &str| {
        let github = &world.vendors.github;
        github.push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", text);
    };
    push("[triggers]\nopen = false");
    let other = |event: &mut serde_json::Value| event["label"]["name"] = "bug".into();
    let delivery = world.github_sends_changed("issues.labeled", other).await;
    world.settle().await;
    world
        .assert_outcome(&delivery, EventState::Ignored, "another label")
        .await;
    assert_eq!(world.comments(), Vec::<String>::new());
    world.github_sends("issues.opened").await;
    world.github_sends("issue_comment.created").await;
    world.settle().await;
    assert!(world.comment().contains("line 2: unknown field `open`"));
    world.issue_opens(21).await;
    world.settle().await;
    let others = world.vendors.github.comments(OWNER, REPOSITORY, 21);
    assert_eq!(others.len(), 1, "{others:?}");
    push("[triggers]\nopened = 'no'");
    let again = |event: &mut serde_json::Value| event["comment"]["id"] = 990_001.into();
    world
        .github_sends_changed("issue_comment.created", again)
        .await;
    world.settle().await;
    assert_eq!(world.comments().len(), 2, "it is broken in another way");
    assert_eq!(world.owed().await, 0);
    world.assert_nothing_delivered();
    push("[triggers]\nopened = true");
    let last = |event: &mut serde_json::Value| event["comment"]["id"] = 990_002.into();
    world
        .github_sends_changed("issue_comment.created", last)
        .await;
    world.settle().await;
    let pulls = world.vendors.github.pulls(OWNER, REPOSITORY);
    assert_eq!((pulls.len(), world.comments().len()), (1, 3));
    assert_eq!(world.vendors.stripe.meter_events().len(), 1);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_payer_there_is_no_job() {
    let world = World::bare(FaultPlan::None, &[("AUTO_PROVISION", "false")]).await;
    assert_ignored(
        &world,
        "issues.opened",
        "nobody pays for this owner",
        |_| {},
    )
    .await;
    assert_eq!(
        world.vendors.github.token_requests(),
        [],
        "GitHub need not be asked about it"
    );
    world.provision().await;
    // The same request, delivered again, counts again, because it never became a job.
    assert_eq!(
        sent(&world, "issues.opened", |_| {}).await.0,
        EventState::Processed
    );
    // This account does not pay for another owner's events.
    let outsider = |event: &mut Value| {
        event["installation"]["id"] = 7002.into();
        event["repository"]["owner"]["id"] = 9002.into();
    };
    let (state, says) = sent(&world, "issue_comment.created", outsider).await;
    assert!(
        state == EventState::Ignored && says.contains("nobody pays"),
        "{says}"
    );
    world.assert_delivered_once();
    world.done().await;
}

/// A repository cannot claim another one's number or name: GitHub's token decides which repository
/// it is.
#[tokio::test(start_paused = true)]
async fn a_repository_the_app_may_not_read_gets_no_job() {
    let world = World::with(FaultPlan::None, &[]).await;
    let elsewhere = |event: &mut Value| event["repository"]["id"] = 5002.into();
    assert_ignored(
        &world,
        "issues.opened",
        "the App may not read this repository",
        elsewhere,
    )
    .await;
    let gone = |event: &mut Value| {
        event["installation"]["id"] = 7002.into();
        event["repository"]["name"] = "gone".into();
    };
    assert_ignored(
        &world,
        "issues.opened",
        "the App may not read this repository",
        gone,
    )
    .await;
    world.done().await;
}

/// The sample of `pull_request.closed` for a job's pull request.
pub fn pull_closed(job: &domain::jobs::JobRow) -> Value {
    let mut event = fixture("github", "pull_request.closed");
    event["pull_request"]["head"]["ref"] = format!("tallyhook/{}", job.facts.id).into();
    event["pull_request"]["merged"] = false.into();
    event
}

impl World {
    /// GitHub reports that a job's pull request was closed; unmerged, unless the test changes that.
    pub async fn pull_closed(
        &self,
        job: &domain::jobs::JobRow,
        change: impl FnOnce(&mut Value),
    ) -> String {
        let mut event = pull_closed(job);
        change(&mut event);
        let delivery = self.fresh_delivery();
        let body = serde_json::to_vec(&event).expect("JSON");
        let response = self.github_delivers("pull_request", &delivery, &body).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        delivery
    }
}
