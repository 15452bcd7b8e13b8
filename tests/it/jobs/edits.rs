//! How a model's changes are made: edits of what it was shown, each at one place, and what becomes of
//! changes that do not fit.

use crate::world::{FaultPlan, World};
use domain::jobs::JobState;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::{Value, json};

const PATH: &str = "src/lib.py";
const TEXT: &str = "def a():\r\n    return 1\r\n\r\n\r\ndef b():\r\n    return 1\r\n";

/// A job on a repository with this file, whose model plans to change it and gives these answers.
async fn job_with(files: &[&str], answers: &[Value]) -> World {
    let world = World::with(FaultPlan::None, &[]).await;
    let (github, model) = (&world.vendors.github, &world.vendors.model);
    github.push_file(OWNER, REPOSITORY, "main", PATH, TEXT);
    let plan = json!({ "plan": "A plan", "files": files });
    model.script("plan", vec![plan.to_string()]);
    let code = |changes: &Value| {
        json!({ "title": "A title", "body": "A body", "changes": changes }).to_string()
    };
    model.script("code", answers.iter().map(code).collect());
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
}

fn delivered(world: &World) -> Option<String> {
    let github = &world.vendors.github;
    let head = github.pulls(OWNER, REPOSITORY)[0].head.clone();
    github.file(OWNER, REPOSITORY, &head, PATH)
}

/// One pull request, billed once, in a repository to which people have pushed too.
fn assert_one_pull_request(world: &World) {
    let pulls = world.vendors.github.pulls(OWNER, REPOSITORY);
    let billed = world.vendors.stripe.meter_events();
    assert_eq!((pulls.len(), billed.len()), (1, 1), "{}", world.comment());
}

fn edit(old: &str, new: &str) -> Value {
    json!({ "path": PATH, "old": old, "new": new })
}

/// What the model was shown when it wrote the change for this time, from zero.
fn asked(world: &World, time: usize) -> String {
    let calls = world.vendors.model.calls();
    let call = calls.iter().filter(|call| call.step == "code").nth(time);
    call.expect("it was asked").content.clone()
}

#[tokio::test(start_paused = true)]
async fn edits_are_made_in_their_order_and_keep_the_line_endings() {
    let changes = json!([
        edit("def a():\n    return 1", "def a():\n    return 2"),
        edit("return 2", "return 3"),
        { "path": "new.txt", "content": "new\n" },
    ]);
    let world = job_with(&[PATH], &[changes]).await;
    assert_eq!(world.asked("code"), 1);
    let expected = TEXT.replacen("return 1", "return 3", 1);
    assert_eq!(delivered(&world).as_deref(), Some(expected.as_str()));
    assert_one_pull_request(&world);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_does_not_fit_is_asked_for_again_with_the_reason() {
    for (files, changes, problem) in [
        (
            vec![PATH],
            json!([edit("return 1", "return 2")]),
            "lines 2, 6",
        ),
        (
            vec![PATH],
            json!([edit("return 7", "return 2")]),
            "does not occur",
        ),
        (
            vec![PATH],
            json!([edit("    return 1\n\n\ndef b():", "    return (1\n")]),
            "line",
        ),
        (
            vec!["README.md"],
            json!([edit("def a():", "def c():")]),
            "not shown",
        ),
        (
            vec!["README.md"],
            json!([{ "path": PATH, "content": "gone" }]),
            "not shown",
        ),
        (
            vec!["README.md"],
            json!([{ "path": PATH, "delete": true }]),
            "not shown",
        ),
    ] {
        let good = json!([{ "path": "new.txt", "content": "new\n" }]);
        let world = job_with(&files, &[changes.clone(), good]).await;
        let again = asked(&world, 1);
        let whole = asked(&world, 0);
        let added = again.strip_prefix(&whole).expect("the same conversation");
        assert!(added.contains(PATH) && added.contains(problem), "{added}");
        assert_eq!(
            delivered(&world).as_deref(),
            Some(TEXT),
            "nothing was changed"
        );
        // Both answers were used, so both are paid for.
        let calls = world.vendors.model.calls();
        let output: u64 = calls.iter().map(|call| call.output_tokens).sum();
        assert_eq!(world.commented_job().await.tokens.output, output);
        assert_one_pull_request(&world);
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_never_corrects_itself_ends_the_job() {
    let wrong = json!([edit("return 7", "return 2")]);
    let world = job_with(&[PATH], &vec![wrong; 9]).await;
    world
        .assert_not_delivered(JobState::Failed, "it repeats itself")
        .await;
    assert_eq!(world.asked("code"), 3);
    world.done().await;
}

/// Findings go back to the model; the review judges those that stay.
#[tokio::test(start_paused = true)]
async fn what_the_lint_finds_is_corrected_or_reviewed() {
    let marked = json!([{ "path": "new.txt", "content": "<<<<<<< ours\n" }]);
    let good = json!([{ "path": "new.txt", "content": "new\n" }]);
    let world = job_with(&[PATH], &[marked.clone(), good]).await;
    let text = asked(&world, 1);
    assert!(text.contains("conflict-marker"), "{text}");
    assert_eq!(world.asked("code"), 2);
    assert_one_pull_request(&world);
    world.done().await;

    let world = job_with(&[PATH], &vec![marked; 3]).await;
    assert_eq!(world.asked("code"), 2, "the same answer again is meant");
    let calls = world.vendors.model.calls();
    let review = calls.iter().find(|call| call.step == "review");
    assert!(
        review
            .expect("it is reviewed")
            .content
            .contains("conflict-marker")
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_reworked_change_begins_with_the_last_one() {
    let world = World::with(FaultPlan::None, &[]).await;
    let review = json!({ "verdict": "rework", "notes": "mind the comma" });
    world
        .vendors
        .model
        .script("review", vec![review.to_string()]);
    world.github_sends("issues.opened").await;
    world.settle().await;
    let (first, second) = (asked(&world, 0), asked(&world, 1));
    let added = second.strip_prefix(&first).expect("the same conversation");
    assert!(added.contains("mind the comma"), "{added}");
    world.assert_delivered_once();
    world.done().await;
}
