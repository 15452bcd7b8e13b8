//! The tree is looked at before it is written: links, submodules, modes, folders and pointers of Git
//! LFS stay what they are, or the job ends with the reason and nothing is written.

use crate::world::{FaultPlan, World};
use domain::jobs::JobState;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::{Value, json};

const MODULE: &str = "0123456789abcdef0123456789abcdef01234567";
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

/// A repository with one of everything, and a model that proposes these changes.
async fn proposed(fault_plan: FaultPlan, changes: Value) -> World {
    let world = World::with(fault_plan, &[]).await;
    for (path, entry) in [
        ("link", ("120000", "README.md")),
        ("modules/lib", ("160000", MODULE)),
        ("run.sh", ("100755", "#!/bin/sh\n")),
        ("logo.png", ("100644", POINTER)),
        ("docs/deep/a.md", ("100644", "a\n")),
    ] {
        let github = &world.vendors.github;
        github.push_entry((OWNER, REPOSITORY), "main", path, entry);
    }
    let plan =
        json!({ "plan": "A plan", "files": ["README.md", "run.sh", "logo.png", "docs/deep/a.md"] });
    let code = json!({ "title": "A title", "body": "A body", "changes": changes });
    let review = json!({ "verdict": "approve", "notes": "" });
    let model = &world.vendors.model;
    model.script("plan", vec![plan.to_string()]);
    model.script("code", vec![code.to_string()]);
    model.script("review", vec![review.to_string()]);
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
}

/// One pull request, billed once, in a repository to which people have pushed too.
fn assert_one_pull_request(world: &World) {
    let pulls = world.vendors.github.pulls(OWNER, REPOSITORY);
    let billed = world.vendors.stripe.meter_events();
    assert_eq!((pulls.len(), billed.len()), (1, 1), "{}", world.comment());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_does_not_fit_the_tree_ends_the_job_and_writes_nothing() {
    let write = |path: &str| json!({ "path": path, "content": "text\n" });
    let delete = |path: &str| json!({ "path": path, "delete": true });
    for (changes, words) in [
        (json!([write("docs")]), r#""docs" is a folder"#),
        (json!([delete("docs/deep")]), r#""docs/deep" is a folder"#),
        (json!([write("link")]), r#""link" is a symbolic link"#),
        (json!([write("modules/lib")]), "is a submodule"),
        (
            json!([write("README.md/more.md")]),
            r#"cannot be below "README.md", which is a file"#,
        ),
        (json!([write("link/x")]), "which is a symbolic link"),
        (json!([write("modules/lib/x")]), "which is a submodule"),
        (json!([write("logo.png")]), "is kept in Git LFS"),
        (
            json!([write("new"), write("new/x")]),
            r#""new" as a file and as a folder"#,
        ),
        (
            json!([write("docs"), delete("docs/other.md")]),
            r#""docs" as a file and as a folder"#,
        ),
    ] {
        let world = proposed(FaultPlan::None, changes).await;
        world.assert_not_delivered(JobState::Failed, words).await;
        let github = &world.vendors.github;
        assert_eq!(github.branches(OWNER, REPOSITORY).len(), 1, "{words}");
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn everything_else_stays_what_it_is() {
    let changes = json!([
        { "path": "run.sh", "content": "#!/bin/sh\nexit 1\n" },
        { "path": "docs/new/b.md", "content": "b\n" },
        { "path": "docs/deep/a.md", "delete": true },
        { "path": "docs/deep", "content": "now a file\n" },
        { "path": "link", "delete": true },
    ]);
    let world = proposed(FaultPlan::Seeded(61), changes).await;
    assert_one_pull_request(&world);
    let github = &world.vendors.github;
    let head = github.pulls(OWNER, REPOSITORY)[0].head.clone();
    let (before, after) = (
        github.modes(OWNER, REPOSITORY, "main"),
        github.modes(OWNER, REPOSITORY, &head),
    );
    let mode = |path: &str| after.get(path).map(String::as_str);
    assert_eq!(mode("run.sh"), Some("100755"));
    assert_eq!(mode("docs/new/b.md"), Some("100644"));
    assert_eq!(mode("docs/deep"), Some("100644"));
    assert_eq!(mode("link"), None);
    for path in ["modules/lib", "logo.png", "README.md"] {
        assert_eq!(mode(path), before.get(path).map(String::as_str), "{path}");
    }
    assert_eq!(
        github.file(OWNER, REPOSITORY, &head, "logo.png").as_deref(),
        Some(POINTER)
    );
    world.done().await;
}

/// 60,000 lines of which most change: the review's diff is bounded work.
#[tokio::test(start_paused = true)]
async fn a_file_of_60_000_lines_is_reviewed() {
    let world = World::with(FaultPlan::None, &[]).await;
    let old: String = (0..60_000).map(|n| format!("{n}\n")).collect();
    let new: String = (0..4_500).map(|n| format!("{:>11}\n", n * 12)).collect();
    world
        .vendors
        .github
        .push_file(OWNER, REPOSITORY, "main", "big.txt", &old);
    let change = json!([{ "path": "big.txt", "content": new }]);
    let code = json!({ "title": "A title", "body": "A body", "changes": change });
    let plan = json!({ "plan": "A plan", "files": ["big.txt"] });
    world.vendors.model.script("plan", vec![plan.to_string()]);
    world.vendors.model.script("code", vec![code.to_string()]);
    world.github_sends("issues.opened").await;
    world.settle().await;
    assert_one_pull_request(&world);
    let calls = world.vendors.model.calls();
    let review = calls.iter().find(|call| call.step == "review");
    let shown = &review.expect("it is reviewed").content;
    assert!(shown.contains("--- a/big.txt") && shown.len() < 1_000_000);
    world.done().await;
}
