//! The steps of a job: the model's valid and invalid answers, its failures, and workers that die or
//! are late.

mod workers;

use super::calls;
use crate::world::wire::{Reply, WIRED};
use crate::world::{FaultPlan, World};
use ::queues::{Message, Queue};
use domain::jobs::steps::ORDER_BYTES_MAX;
use domain::jobs::{JobState, JobWork};
use domain::retry::ATTEMPTS_MAX;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::{Value, json};
use stand_in_shared::faults::Moment;
use std::time::Duration;

fn review(verdict: &str, notes: &str) -> String {
    json!({ "verdict": verdict, "notes": notes }).to_string()
}

/// A model's answer to the coding step that writes these files.
fn code(changes: Value) -> String {
    json!({ "title": "A title", "body": "A body", "changes": changes }).to_string()
}

/// A model's answer to the planning step that names these files.
fn plan_of(files: &[&str]) -> String {
    json!({ "plan": "A plan", "files": files }).to_string()
}

async fn job_with(step: &str, answers: Vec<String>) -> World {
    let world = World::with(FaultPlan::None, &[]).await;
    world.vendors.model.script(step, answers);
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
}

// --- the review ---

#[tokio::test(start_paused = true)]
async fn a_change_that_is_sent_back_once_is_corrected_and_delivered() {
    let world = job_with("review", vec![review("rework", "mind the comma")]).await;
    let job = world.commented_job().await;
    assert_eq!((job.state, job.rounds), (JobState::PrOpened, 1));
    let [queued, planning, coding, reviewing] = [
        JobState::Queued,
        JobState::Planning,
        JobState::Coding,
        JobState::Reviewing,
    ];
    let [approved, opening, opened] = [
        JobState::ReviewApproved,
        JobState::PrCreationInitiated,
        JobState::PrOpened,
    ];
    let expected = [
        queued, planning, coding, reviewing, coding, reviewing, approved, opening, opened,
    ];
    assert_eq!(World::states(&job), expected);
    let calls = world.vendors.model.calls();
    assert!(
        calls[3].step == "code" && calls[3].content.contains("mind the comma"),
        "the coder reads the notes"
    );
    assert!(!calls[1].content.contains("mind the comma"));
    let counted = calls.iter().fold((0, 0), |(input, output), call| {
        (input + call.input_tokens, output + call.output_tokens)
    });
    assert_eq!(
        (job.tokens.input, job.tokens.output),
        counted,
        "every call is counted"
    );
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_may_be_sent_back_twice_and_not_three_times() {
    let world = job_with(
        "review",
        vec![review("rework", "one"), review("rework", "two")],
    )
    .await;
    assert_eq!(world.commented_job().await.rounds, 2);
    world.assert_delivered_once();
    world.done().await;

    let world = job_with(
        "review",
        vec![
            review("rework", "one"),
            review("rework", "two"),
            review("rework", "@all three"),
        ],
    )
    .await;
    world
        .assert_not_delivered(JobState::Failed, "the review sent the change back 3 times")
        .await;
    assert!(
        !world.comment().contains("@all"),
        "a model mentions no person: {}",
        world.comment()
    );
    assert_eq!((world.asked("code"), world.asked("review")), (3, 3));
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_rejected_ends_the_job() {
    let world = job_with("review", vec![review("reject", "It deletes the license.")]).await;
    world
        .assert_not_delivered(JobState::Rejected, "It deletes the license.")
        .await;
    assert_eq!(world.asked("code"), 1);
    world.done().await;
}

// --- invalid answers ---

#[tokio::test(start_paused = true)]
async fn nonsense_from_the_model_is_asked_again() {
    for (step, nonsense, times) in [
        ("plan", "I am a teapot.", 1),
        ("plan", "{}", 1),
        ("plan", r#"{"plan":17,"files":[]}"#, 1),
        ("code", r#"{"title":"t","body":"b"}"#, 2),
        ("code", r#"{"calls":[{"name":"fly","input":{}}]}"#, 2),
        ("review", r#"{"verdict":"perhaps"}"#, 1),
        ("review", "}{", 1),
    ] {
        let world = job_with(step, vec![nonsense.to_owned(); times]).await;
        let job = world.commented_job().await;
        assert_eq!(job.state, JobState::PrOpened, "{step}: {nonsense}");
        assert_eq!(world.asked(step), times + 1, "{step}: {nonsense}");
        // An answer that cannot be used costs us, and not the customer. A turn is part of the work.
        assert_eq!(job.lost.is_zero(), step == "code", "{step}: {nonsense}");
        world.assert_delivered_once();
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_never_makes_sense_ends_the_job() {
    for (step, words, times) in [
        (
            "plan",
            "the model did not answer in the form it was asked for",
            2,
        ),
        ("code", "the agent proposed no change: it repeats itself", 3),
        (
            "review",
            "the model did not answer in the form it was asked for",
            2,
        ),
    ] {
        let world = job_with(step, vec!["hm".to_owned(); 40]).await;
        world.assert_not_delivered(JobState::Failed, words).await;
        assert_eq!(world.asked(step), times, "{step}");
        let job = world.commented_job().await;
        assert!(!job.spent().is_zero() && job.in_flight.is_zero());
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_off_ends_the_job() {
    let world = job_with(
        "plan",
        vec![format!(r#"{{"plan":"{}"}}"#, "x".repeat(20_000))],
    )
    .await;
    world
        .assert_not_delivered(
            JobState::Failed,
            "the model's answer was longer than it may be",
        )
        .await;
    assert_eq!(
        world.asked("plan"),
        1,
        "the same question gets the same answer"
    );
    world.done().await;
}

/// F-E8, F-D7: the issue's text manipulates the model.
#[tokio::test(start_paused = true)]
async fn changes_that_we_do_not_make_are_refused_with_the_reason() {
    let write = |path: &str| json!([{ "path": path, "content": "x" }]);
    let many: Vec<Value> = (0..101)
        .map(|n| json!({ "path": format!("f{n}"), "content": "" }))
        .collect();
    for (changes, words) in [
        (write(".github/workflows/ci.yml"), "which it may not touch"),
        (write(".GITHUB/actions/x.yml"), "which it may not touch"),
        (write("../outside"), "which it may not touch"),
        (write("src/../../outside"), "which it may not touch"),
        (write("/etc/passwd"), "which it may not touch"),
        (write(".git/config"), "which it may not touch"),
        (write(".tallyhook.toml"), "which it may not touch"),
        (write("a\\b"), "which it may not touch"),
        (write(""), "which it may not touch"),
        (
            json!([{ "path": ".github/CODEOWNERS", "delete": true }]),
            "which it may not touch",
        ),
        (json!(many), "101 files; the limit is 100"),
        (json!([]), "the agent proposed no change"),
    ] {
        // The model sees why, and a model that insists ends the job.
        let world = job_with("code", vec![code(changes); 3]).await;
        world.assert_not_delivered(JobState::Failed, words).await;
        assert_eq!(world.asked("code"), 3, "{words}");
        assert_eq!(
            world.vendors.github.branches(OWNER, REPOSITORY).len(),
            1,
            "nothing was written"
        );
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_changes_nothing_is_not_submitted() {
    let same = world_file("README.md").await;
    for changes in [
        json!([{ "path": "README.md", "content": same }]),
        json!([{ "path": "not/there", "delete": true }]),
    ] {
        for (times, state) in [(1, JobState::PrOpened), (3, JobState::Failed)] {
            let world = World::with(FaultPlan::None, &[]).await;
            let model = &world.vendors.model;
            model.script("plan", vec![plan_of(&["README.md"])]);
            model.script("code", vec![code(changes.clone()); times]);
            world.github_sends("issues.opened").await;
            world.settle().await;
            let job = world.commented_job().await;
            assert_eq!((job.state, job.rounds), (state, 0), "{:?}", job.reason);
            world.done().await;
        }
    }
}

async fn world_file(path: &str) -> String {
    let world = World::bare(FaultPlan::None, &[]).await;
    let text = world
        .vendors
        .github
        .file(OWNER, REPOSITORY, "main", path)
        .expect("it is there");
    world.done().await;
    text
}

/// The largest change has 100 files and 262,144 bytes. It takes more than one answer.
#[tokio::test(start_paused = true)]
async fn the_largest_change_we_make_is_delivered() {
    for (bytes, delivered) in [(256 * 1024, true), (256 * 1024 + 400, false)] {
        let file = |n: usize| {
            let content = "🦀".repeat(bytes / 4 / 100);
            (
                "write",
                json!({ "path": format!("big/{n}.txt"), "content": content }),
            )
        };
        let submit = ("submit", json!({ "title": "A title", "body": "A body" }));
        let first: Vec<_> = (0..50).map(file).collect();
        let second: Vec<_> = (50..100).map(file).chain([submit.clone()]).collect();
        let insists = calls(&[submit]);
        let answers = vec![
            calls(&first),
            calls(&second),
            insists.clone(),
            insists.clone(),
            insists,
        ];
        let world = job_with("code", answers).await;
        if delivered {
            world.assert_delivered_once();
            let branch = &world.vendors.github.pulls(OWNER, REPOSITORY)[0].head;
            let last = world
                .vendors
                .github
                .file(OWNER, REPOSITORY, branch, "big/99.txt");
            assert!(last.is_some());
        } else {
            let words = "the limit is 262144";
            world.assert_not_delivered(JobState::Failed, words).await;
        }
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_model_is_shown_is_bounded() {
    let world = World::with(FaultPlan::None, &[]).await;
    for n in 0..30 {
        let path = format!("{n}/{}", "long".repeat(60));
        world
            .vendors
            .github
            .push_file(OWNER, REPOSITORY, "main", &path, &"x".repeat(64 * 1024));
    }
    world.vendors.github.push_file(
        OWNER,
        REPOSITORY,
        "main",
        ".github/workflows/ci.yml",
        "secret: yes",
    );
    let files: Vec<String> = (0..30)
        .map(|n| format!("{n}/{}", "long".repeat(60)))
        .chain([
            ".github/workflows/ci.yml".to_owned(),
            "not/there".to_owned(),
        ])
        .collect();
    world.vendors.model.script(
        "plan",
        vec![json!({ "plan": "p".repeat(2_000), "files": files }).to_string()],
    );
    let small = code(json!([{ "path": "new.txt", "content": "x" }]));
    world.vendors.model.script("code", vec![small]);
    world
        .github_sends_changed("issues.opened", |event| {
            event["issue"]["body"] = "y".repeat(200_000).into()
        })
        .await;
    world.settle().await;
    let calls = world.vendors.model.calls();
    let asked: Value = serde_json::from_str(&calls[0].content).expect("a question in JSON");
    assert_eq!(
        asked["issue"]["body"].as_str().map(str::len),
        Some(ORDER_BYTES_MAX)
    );
    assert!(
        !calls[0].content.contains("workflows"),
        "what it may not touch it need not see"
    );
    let asked: Value = serde_json::from_str(&calls[1].content).expect("a question in JSON");
    let shown = asked["files"].as_array().expect("files");
    assert_eq!(
        shown.len(),
        6,
        "400 KB of 64 KB files, of the 20 that a plan may name"
    );
    let job = world.commented_job().await;
    assert_eq!(job.state, JobState::PrOpened, "{:?}", job.reason);
    world.done().await;
}

// --- a model that fails ---

#[tokio::test(start_paused = true)]
async fn a_model_that_stays_down_for_days_ends_the_job_with_one_comment() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world.wire.answer(
        "model.wire",
        crate::world::wire::ALWAYS,
        Reply::status(500, "down"),
    );
    world.github_sends("issues.opened").await;
    world.outage(Duration::from_secs(2 * 86_400 - 3_600)).await;
    assert_eq!(world.present_job().await.attempts, 0);
    world.outage(Duration::from_secs(16 * 3_600)).await;
    world.settle().await;
    let words = format!(
        "gave up after {ATTEMPTS_MAX} attempts: could not ask the model: the provider failed with 500"
    );
    world.assert_not_delivered(JobState::Failed, &words).await;
    world.done().await;
}

/// A model that is down for a day delays the job and ends nothing.
#[tokio::test(start_paused = true)]
async fn a_model_that_is_down_for_a_day_is_waited_for() {
    let world = World::with(FaultPlan::Seeded(44), &WIRED).await;
    world.wire.cut("model.wire", crate::world::wire::ALWAYS);
    world.github_sends("issues.opened").await;
    world.outage(Duration::from_secs(86_400)).await;
    let calls = world.wire.heard("model.wire").len();
    assert!((20..100).contains(&calls), "{calls} calls in a day");
    world.wire.clear();
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// A failure that the work did not cause does not count as an attempt.
#[tokio::test(start_paused = true)]
async fn a_model_that_is_busy_or_refuses_our_key_is_waited_for() {
    // One more than a job has attempts, and a few of the other kinds.
    let many = usize::try_from(ATTEMPTS_MAX).expect("few") + 1;
    for (reply, wait, times) in [
        (
            Reply::status(429, "slow down").with("retry-after", 90),
            90,
            2,
        ),
        (Reply::status(429, "slow down"), 60, many),
        (
            Reply::status(529, "overloaded").with("retry-after", 120),
            120,
            2,
        ),
        (Reply::status(401, "bad key"), 300, many),
        (Reply::status(403, "no rights"), 300, 2),
    ] {
        let world = World::with(FaultPlan::None, &WIRED).await;
        world
            .wire
            .answer("model.wire", u32::try_from(times).expect("few"), reply);
        world.github_sends("issues.opened").await;
        world.settle().await;
        world.assert_delivered_once();
        let heard = world.wire.heard("model.wire");
        assert_eq!(heard.len(), times + 3, "each was asked for once");
        for pair in heard[..=times].windows(2) {
            assert!(
                pair[1].at - pair[0].at >= wait * 1_000,
                "asked again after {} ms, not {wait} s",
                pair[1].at - pair[0].at
            );
        }
        world.done().await;
    }
}

/// One job meets a one-minute limit for an hour: one call per minute, and the number of messages
/// does not grow.
#[tokio::test(start_paused = true)]
async fn a_limit_that_lasts_is_not_answered_with_a_storm() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world.wire.answer(
        "model.wire",
        crate::world::wire::ALWAYS,
        Reply::status(429, "slow down").with("retry-after", 60),
    );
    world.github_sends("issues.opened").await;
    for _ in 0..60 {
        world.drain(Queue::GithubEvents).await;
        world.drain(Queue::Plan).await;
        world.elapse(Duration::from_secs(60)).await;
        world.sweep().await;
    }
    let (calls, waiting) = (
        world.wire.heard("model.wire").len(),
        world.waiting(Queue::Plan).await,
    );
    assert!(
        calls <= 65 && waiting <= 5,
        "{calls} calls in 60 minutes, and {waiting} messages about one job"
    );
    world.wire.clear();
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_prompt_the_provider_refuses_ends_the_job() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world.wire.answer(
        "model.wire",
        1,
        Reply::json(400, json!({ "error": { "message": "prompt is too long" } })),
    );
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_not_delivered(JobState::Failed, "refused with 400: prompt is too long")
        .await;
    world.done().await;
}

// --- workers that die or are late ---
