//! Writes to GitHub: whatever fails on the way, the result is one branch, one commit, one pull
//! request and one comment, or none of them and the reason.

use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::jobs::JobState;
use local_stack::world::{INSTALLATION_ID, OWNER, REPOSITORY, REPOSITORY_ID};
use serde_json::{Value, json};
use stand_in_shared::faults::{Effect, Fault};
use std::collections::BTreeMap;
use std::time::Duration;

pub const REPO: &str = "github.wire/repos/acme/greeter";

/// Every kind of call in the main journey: reads, the token, and each write.
const CALLS: [&str; 12] = [
    "POST github.wire/app/installations/7001/access_tokens",
    "GET github.wire/repos/acme/greeter/contents/.tallyhook.toml",
    "GET github.wire/repos/acme/greeter/issues/7$",
    "GET github.wire/repos/acme/greeter$",
    "GET github.wire/repos/acme/greeter/git/ref/heads/main",
    "GET github.wire/repos/acme/greeter/git/trees/",
    "POST github.wire/repos/acme/greeter/git/trees",
    "POST github.wire/repos/acme/greeter/git/commits",
    "POST github.wire/repos/acme/greeter/git/refs",
    "POST github.wire/repos/acme/greeter/pulls",
    "POST github.wire/repos/acme/greeter/issues/7/comments",
    "PATCH github.wire/repos/acme/greeter/issues/comments/",
];

pub async fn wired() -> World {
    World::with(FaultPlan::None, &WIRED).await
}

/// A job whose change is approved; writing to GitHub is next.
pub async fn approved(world: &World) {
    world.github_sends("issues.opened").await;
    for queue in [Queue::GithubEvents, Queue::Plan, Queue::Code, Queue::Review] {
        world.turn(queue).await;
    }
    assert_eq!(world.present_job().await.state, JobState::ReviewApproved);
}

/// F-E5: a function that GitHub asks to back off waits exactly that long, and then continues.
#[tokio::test(start_paused = true)]
async fn a_limit_on_any_call_is_waited_out() {
    let now_and_a_while = |world: &World| world.stack.outside.now().seconds() + 400;
    const LIMITS: [(&str, i64); 3] = [("secondary", 200), ("too many", 60), ("primary", 400)];
    for (place, on) in CALLS.into_iter().enumerate() {
        // Two of the three kinds on each call, so that each kind affects reads, writes and the
        // token.
        for (what, wait) in [LIMITS[place % 3], LIMITS[(place + 1) % 3]] {
            let world = wired().await;
            let reply = match what {
                "secondary" => Reply::status(403, "You have exceeded a secondary rate limit")
                    .with("retry-after", wait),
                "too many" => Reply::status(429, "slow down"),
                _ => Reply::status(403, "API rate limit exceeded")
                    .with("x-ratelimit-remaining", 0)
                    .with("x-ratelimit-reset", now_and_a_while(&world)),
            };
            world.wire.answer(on, 1, reply);
            world.github_sends("issues.opened").await;
            world.settle().await;
            world.assert_delivered_once();
            assert_eq!(
                world.commented_job().await.state,
                JobState::PrOpened,
                "{what} on {on}"
            );
            let heard = world.wire.heard(on.trim_end_matches('$'));
            let heard: Vec<_> = heard
                .iter()
                .filter(|heard| format!("{}$", heard.line).contains(on))
                .collect();
            let until = heard[0].at + wait * 1_000;
            let early = heard[1..].iter().filter(|heard| heard.at < until).count();
            // The comment is written twice, when work begins and when it ends, and the second write
            // does not know of the first.
            let occasions = usize::from(on.contains("comments"));
            assert!(
                early <= occasions,
                "{what} on {on}: asked to wait {wait} s, and asked again {heard:?}"
            );
            world.done().await;
        }
    }
}

/// The wait is longer than a queue can delay a message.
#[tokio::test(start_paused = true)]
async fn a_limit_of_an_hour_is_waited_out() {
    let world = wired().await;
    approved(&world).await;
    let on = format!("POST {REPO}/git/trees");
    world.wire.answer(
        &on,
        1,
        Reply::status(403, "You have exceeded a secondary rate limit").with("retry-after", 3_600),
    );
    world.settle().await;
    world.assert_delivered_once();
    let heard = world.wire.heard(&on);
    assert_eq!(heard.len(), 2, "not a call more than needed: {heard:?}");
    assert!(
        heard[1].at - heard[0].at >= 3_600_000,
        "asked to wait an hour, and came back after {} s",
        (heard[1].at - heard[0].at) / 1_000
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_githubs_on_any_call_is_tried_again() {
    for on in CALLS {
        let mut replies = vec![
            Reply::status(500, "oops"),
            Reply::status(503, "unavailable"),
        ];
        if on.starts_with("GET") {
            replies.push(Reply::json(200, json!("nonsense")));
        }
        for reply in replies {
            let world = wired().await;
            world.wire.answer(on, 2, reply);
            world.github_sends("issues.opened").await;
            world.settle().await;
            assert_eq!(
                world.commented_job().await.state,
                JobState::PrOpened,
                "{on}"
            );
            world.assert_delivered_once();
            world.done().await;
        }
    }
}

/// F-E1, F-E3: the write succeeds and its answer never arrives; the next attempt finds the result.
#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_found_and_not_repeated() {
    for (on, lag) in [
        ("access_tokens", 0),
        ("POST github.stand-in/repos/acme/greeter/git/trees", 0),
        ("POST github.stand-in/repos/acme/greeter/git/commits", 0),
        ("POST github.stand-in/repos/acme/greeter/git/refs", 0),
        ("POST github.stand-in/repos/acme/greeter/pulls", 0),
        ("POST github.stand-in/repos/acme/greeter/pulls", 1),
        ("POST github.stand-in/repos/acme/greeter/pulls", 3),
        (
            "POST github.stand-in/repos/acme/greeter/issues/7/comments",
            0,
        ),
        (
            "PATCH github.stand-in/repos/acme/greeter/issues/comments/",
            0,
        ),
    ] {
        for (fault_plan, times) in [
            (FaultPlan::None, 1),
            (FaultPlan::None, 3),
            (FaultPlan::Seeded(41), 2),
        ] {
            let world = World::with(fault_plan, &[]).await;
            world.github_sends("issues.opened").await;
            let lost = Fault {
                on: on.to_owned(),
                times,
                effect: Effect::AnswerLost,
            };
            world.stack.faults.inject(lost);
            // GitHub's lists lag only after a write.
            while lag > 0 && world.vendors.github.pulls(OWNER, REPOSITORY).is_empty() {
                world.turn_all().await;
            }
            world.vendors.github.set_read_lag(lag);
            world.settle().await;
            world.assert_delivered_once();
            assert_eq!(
                world.commented_job().await.state,
                JobState::PrOpened,
                "{on}, {times} times, lag {lag}, {fault_plan:?}"
            );
            world.done().await;
        }
    }
}

/// A comment that was written but is not listed yet must not be written a second time.
#[tokio::test(start_paused = true)]
async fn a_comment_that_does_not_show_yet_is_not_written_twice() {
    let world = World::with(FaultPlan::None, &[]).await;
    let on = "POST github.stand-in/repos/acme/greeter/issues/7/comments".to_owned();
    world.stack.faults.inject(Fault {
        on,
        times: 1,
        effect: Effect::AnswerLost,
    });
    world.github_sends("issues.opened").await;
    while world.comments().is_empty() {
        world.turn_all().await;
    }
    world.vendors.github.set_list_lag(30);
    world.settle().await;
    assert_eq!(world.comments().len(), 1, "{:?}", world.comments());
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_comment_is_written_again() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.github_sends("issues.opened").await;
    world.turn(Queue::GithubEvents).await;
    world.turn(Queue::Pulls).await;
    assert!(world.comment().contains("On it"));
    world.change_github(|repository| repository["comments"] = json!({}));
    world.settle().await;
    assert!(world.comment().contains("The pull request is ready"));
    world.assert_delivered_once();
    world.done().await;
}

/// Anybody can copy the marker, but only the App can write as the App.
#[tokio::test(start_paused = true)]
async fn a_persons_comment_with_our_marker_is_left_alone() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.github_sends("issues.opened").await;
    world.turn(Queue::GithubEvents).await;
    let marker = domain::jobs::pulls::hidden_marker(&world.open_job().await.expect("a job"));
    world
        .vendors
        .github
        .add_comment(OWNER, REPOSITORY, 7, "mallory", &format!("mine {marker}"));
    world.settle().await;
    let all = world.vendors.github.comments(OWNER, REPOSITORY, 7);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].body, format!("mine {marker}"));
    assert!(world.comment().contains("The pull request is ready"));
    world.done().await;
}

// --- contents ---

/// F-E9: text from an issue or a model mentions no person, in any place where GitHub would notify
/// people.
#[tokio::test(start_paused = true)]
async fn no_person_is_mentioned_and_no_marker_is_forged() {
    let forged = "<!-- tallyhook:job_01hzy3v7q0m8n4s2e6r5t9w1xa -->";
    let said = json!({
        "title": "Thank @everyone and @acme/all",
        "body": format!("cc @everyone @acme/all\n{forged}\nTallyhook-Job: job_01hzy3v7q0m8n4s2e6r5t9w1xa"),
        "changes": [{ "path": "a.txt", "content": "@everyone may stand in a file" }],
    });
    let world = World::with(FaultPlan::None, &[]).await;
    world.vendors.model.script("code", vec![said.to_string()]);
    world
        .github_sends_changed("issues.opened", |event| {
            event["issue"]["title"] = "For @everyone".into()
        })
        .await;
    world.settle().await;
    world.assert_delivered_once();
    let pull = &world.vendors.github.pulls(OWNER, REPOSITORY)[0];
    let commit = &world
        .vendors
        .github
        .commits_on(OWNER, REPOSITORY, &pull.head)[0];
    for (what, text) in [
        ("body", &pull.body),
        ("commit", &commit.message),
        ("comment", &world.comment()),
    ] {
        assert!(
            !text.contains("@everyone") && !text.contains("@acme"),
            "the {what} calls people: {text}"
        );
    }
    assert!(!pull.body.contains(forged), "{}", pull.body);
    assert!(
        pull.title.contains("everyone"),
        "the words stay: {}",
        pull.title
    );
    assert_eq!(
        world
            .vendors
            .github
            .file(OWNER, REPOSITORY, &pull.head, "a.txt")
            .as_deref(),
        Some("@everyone may stand in a file")
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_may_write_and_delete_many_files_in_one_commit() {
    let changes = json!([
        { "path": "docs/new.md", "content": "new\n" },
        { "path": "README.md", "delete": true },
        { "path": "src/main.rs", "content": "fn main() {}\n" },
    ]);
    let world = World::with(FaultPlan::Seeded(51), &[]).await;
    let plan = json!({ "plan": "p", "files": ["README.md", "src/main.rs"] });
    let model = &world.vendors.model;
    model.script("plan", vec![plan.to_string(); 9]);
    model.script(
        "code",
        vec![json!({ "title": "t", "body": "b", "changes": changes }).to_string(); 9],
    );
    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_delivered_once();
    let head = &world.vendors.github.pulls(OWNER, REPOSITORY)[0].head;
    let file = |path| world.vendors.github.file(OWNER, REPOSITORY, head, path);
    assert_eq!(
        (
            file("docs/new.md").as_deref(),
            file("README.md"),
            file("src/main.rs").as_deref()
        ),
        (Some("new\n"), None, Some("fn main() {}\n"))
    );
    assert!(
        file("src/greeting.rs").is_some(),
        "what was not named stays"
    );
    let commits = world.vendors.github.commits_on(OWNER, REPOSITORY, head);
    assert!(
        commits[0].message.contains("Refs #7") && commits[0].author == "tallyhook[bot]",
        "{:?}",
        commits[0]
    );
    world.done().await;
}

/// Every token is for one repository and for the calls that it is used for.
#[tokio::test(start_paused = true)]
async fn tokens_are_as_narrow_as_the_calls() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.github_sends("issues.opened").await;
    let files = [("contents", "read")];
    let issues = [("issues", "read")];
    let pulls = [("contents", "write"), ("pull_requests", "write")];
    let checks = [("checks", "read"), ("statuses", "read")];
    let comments = [("issues", "write")];
    let mut seen = 0;
    for (queue, asked) in [
        (Queue::GithubEvents, vec![&files[..]]),
        (Queue::Pulls, vec![&comments[..]]),
        (Queue::Plan, vec![&issues[..], &files[..]]),
        (Queue::Code, vec![]),
        (Queue::Review, vec![]),
        (Queue::Pulls, vec![&pulls[..], &checks[..]]),
    ] {
        world.turn(queue).await;
        let all = world.vendors.github.token_requests();
        let new: Vec<_> = all[seen..]
            .iter()
            .map(|request| {
                (
                    request.installation,
                    request.repository_ids.clone(),
                    request.repositories.clone(),
                    request.permissions.clone(),
                )
            })
            .collect();
        let expected: Vec<_> = asked
            .iter()
            .map(|permissions| {
                let permissions: BTreeMap<String, String> = permissions
                    .iter()
                    .chain(&[("metadata", "read")])
                    .map(|(name, level)| ((*name).to_owned(), (*level).to_owned()))
                    .collect();
                let repository = vec![REPOSITORY_ID];
                (INSTALLATION_ID, repository, vec![], Some(permissions))
            })
            .collect();
        assert_eq!(new, expected, "{queue}");
        seen = all.len();
    }
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// GitHub answers about this pull request, and never well.
#[tokio::test(start_paused = true)]
async fn a_github_that_takes_no_pull_request_ends_the_job_unbilled() {
    let world = wired().await;
    approved(&world).await;
    world.wire.answer(
        &format!("POST {REPO}/pulls"),
        ALWAYS,
        Reply::status(409, "busy"),
    );
    world.settle().await;
    world
        .assert_not_delivered(
            JobState::Failed,
            "gave up after 12 attempts: could not open the pull request",
        )
        .await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_comment_that_github_refuses_does_not_delay_the_job() {
    let world = wired().await;
    world.wire.answer(
        &format!("POST {REPO}/issues/7/comments"),
        ALWAYS,
        Reply::status(403, "Resource not accessible by integration"),
    );
    world.github_sends("issues.opened").await;
    world.settle().await;
    assert_eq!(world.comments(), Vec::<String>::new());
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 1);
    assert_eq!(world.vendors.stripe.meter_events().len(), 1);
    world.elapse(Duration::from_secs(600)).await;
    world.settle().await;
    world.done().await;
}

impl World {
    /// Changes GitHub's state of the repository in ways that its API does not allow.
    pub fn change_github(&self, change: impl FnOnce(&mut Value)) {
        let mut all = self.vendors.github.export();
        change(&mut all["repositories"][REPOSITORY_ID.to_string()]);
        self.vendors
            .github
            .import(all)
            .expect("it can be read back");
    }
}
