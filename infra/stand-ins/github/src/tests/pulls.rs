//! Pull requests and comparisons.

use serde_json::json;

use super::*;

const PULLS: &str = "/repos/acme/widget/pulls";

async fn opened(scene: &Scene, token: &str, head: &str) -> Value {
    let new = json!({"title": "Fix", "head": head, "base": "main", "body": "by hook"});
    scene.post(PULLS, token, new).await.expect(201)
}

#[tokio::test]
async fn a_second_pull_request_for_a_branch_is_refused_in_githubs_words() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let sha = scene
        .branch(&token, "bot/3", "README.md", "# Widget\n\nColor: blue\n")
        .await;
    let pull = opened(&scene, &token, "bot/3").await;
    assert_eq!(
        (&pull["number"], &pull["head"]["sha"], &pull["state"]),
        (&json!(4), &json!(sha), &json!("open"))
    );
    assert_eq!(
        (&pull["user"]["login"], &pull["user"]["type"]),
        (&json!("tallyhook[bot]"), &json!("Bot"))
    );
    // The description of pull requests has no `performed_via_github_app`, unlike that of issues.
    assert_eq!(pull.get("performed_via_github_app"), None);
    assert_eq!(
        (&pull["commits"], &pull["additions"], &pull["changed_files"]),
        (&json!(1), &json!(1), &json!(1))
    );

    let again = json!({"title": "Fix", "head": "acme:bot/3", "base": "main"});
    let answer = scene.post(PULLS, &token, again).await.expect(422);
    assert_eq!(answer["message"], "Validation Failed");
    assert_eq!(
        answer["errors"][0]["message"],
        "A pull request already exists for acme:bot/3."
    );

    scene.github.close_pull("acme", "widget", 4);
    assert_eq!(opened(&scene, &token, "bot/3").await["number"], 5);
}

#[tokio::test]
async fn a_pull_request_needs_two_branches_and_something_between_them() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let sha = scene.head("main");
    let new = json!({"ref": "refs/heads/same", "sha": sha});
    scene
        .post("/repos/acme/widget/git/refs", &token, new)
        .await
        .expect(201);
    for (head, base, field, message) in [
        ("nowhere", "main", json!("head"), Value::Null),
        ("someone:same", "main", json!("head"), Value::Null),
        ("same", "nowhere", json!("base"), Value::Null),
        (
            "same",
            "main",
            Value::Null,
            json!("No commits between main and same"),
        ),
    ] {
        let answer = scene
            .post(
                PULLS,
                &token,
                json!({"title": "x", "head": head, "base": base}),
            )
            .await
            .expect(422);
        assert_eq!(
            (
                &answer["errors"][0]["field"],
                &answer["errors"][0]["message"]
            ),
            (&field, &message)
        );
    }
    let untitled = scene
        .post(PULLS, &token, json!({"head": "same", "base": "main"}))
        .await
        .expect(422);
    assert_eq!(untitled["errors"][0]["code"], "missing_field");
}

#[tokio::test]
async fn lists_filter_by_head_and_lag_when_told_to() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    scene.branch(&token, "one", "a", "1").await;
    scene.branch(&token, "two", "a", "2").await;
    opened(&scene, &token, "one").await;
    opened(&scene, &token, "two").await;
    let numbers = async |query: &str| {
        let list = scene
            .get(&format!("{PULLS}{query}"), &token)
            .await
            .expect(200);
        list.as_array()
            .into_iter()
            .flatten()
            .filter_map(|pull| pull["number"].as_u64())
            .collect::<Vec<_>>()
    };
    assert_eq!(numbers("").await, [5, 4]);
    assert_eq!(numbers("?head=acme:one").await, [4]);
    assert_eq!(
        numbers("?head=one").await,
        [5, 4],
        "a head without an owner filters nothing"
    );
    scene.github.set_read_lag(2);
    assert_eq!(numbers("?head=acme:two&state=all").await, [0; 0]);
    assert_eq!(numbers("").await, [4]);
    assert_eq!(numbers("?head=acme:two&state=all").await, [5]);
    scene.github.close_pull("acme", "widget", 5);
    assert_eq!(numbers("").await, [4]);
    assert_eq!(numbers("?state=closed").await, [5]);
    assert_eq!(numbers("?base=other&state=all").await, [0; 0]);
}

#[tokio::test]
async fn drafts_are_kept_and_reviews_asked_of_collaborators_only() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    scene.branch(&token, "one", "a", "1").await;
    let new = json!({"title": "Fix", "head": "one", "base": "main", "draft": true});
    assert_eq!(
        scene.post(PULLS, &token, new).await.expect(201)["draft"],
        json!(true)
    );
    scene.github.set_role("acme", "widget", "grace", "write");
    let path = format!("{PULLS}/4/requested_reviewers");
    for _ in 0..2 {
        let pull = scene
            .post(&path, &token, json!({"reviewers": ["grace", "acme"]}))
            .await
            .expect(201);
        assert_eq!(pull["requested_reviewers"][0]["login"], "grace");
    }
    let unknown = scene
        .post(&path, &token, json!({"reviewers": ["grace", "unknown"]}))
        .await
        .expect(422);
    assert!(
        unknown["message"]
            .as_str()
            .is_some_and(|words| words.contains("collaborator")),
        "{unknown}"
    );
    let view = scene.github.pulls("acme", "widget").remove(0);
    assert_eq!(
        (view.draft, view.reviewers),
        (true, vec!["grace".to_owned(), "acme".to_owned()])
    );
    scene
        .post(
            &format!("{PULLS}/77/requested_reviewers"),
            &token,
            json!({"reviewers": []}),
        )
        .await
        .expect(404);
}

#[tokio::test]
async fn people_merge_close_and_delete() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    scene.branch(&token, "one", "new.txt", "new\n").await;
    scene.branch(&token, "two", "a", "2").await;
    opened(&scene, &token, "one").await;
    opened(&scene, &token, "two").await;
    scene
        .github
        .push_file("acme", "widget", "main", "other.txt", "other\n");
    scene.github.merge_pull("acme", "widget", 4);
    let merged = scene.get(&format!("{PULLS}/4"), &token).await.expect(200);
    assert_eq!(
        (&merged["state"], &merged["merged"]),
        (&json!("closed"), &json!(true))
    );
    assert_eq!(merged["changed_files"], 1);
    for path in ["new.txt", "other.txt", "README.md"] {
        assert!(
            scene.github.file("acme", "widget", "main", path).is_some(),
            "{path}"
        );
    }
    scene.github.delete_branch("acme", "widget", "two");
    let views = scene.github.pulls("acme", "widget");
    assert_eq!(
        (views[1].state.as_str(), views[1].merged),
        ("closed", false)
    );
    let reopen = scene
        .call(
            "PATCH",
            &format!("{PULLS}/5"),
            &token,
            json!({"state": "open"}),
        )
        .await;
    assert_eq!(reopen.expect(422)["errors"][0]["field"], "state");
}

#[tokio::test]
async fn a_pull_request_follows_its_branch_and_takes_edits() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let first = scene.branch(&token, "one", "a", "1\n").await;
    opened(&scene, &token, "one").await;
    scene
        .github
        .push_file("acme", "widget", "one", "a", "1\n2\n");
    let edit = json!({"title": "Better", "state": "closed"});
    let pull = scene
        .call("PATCH", &format!("{PULLS}/4"), &token, edit)
        .await
        .expect(200);
    assert_ne!(pull["head"]["sha"], json!(first));
    assert_eq!(
        (&pull["title"], &pull["body"], &pull["commits"]),
        (&json!("Better"), &json!("by hook"), &json!(2))
    );
    let files = scene
        .get(&format!("{PULLS}/4/files"), &token)
        .await
        .expect(200);
    assert_eq!(
        (&files[0]["status"], &files[0]["patch"]),
        (&json!("added"), &json!("@@ -0,0 +1,2 @@\n+1\n+2"))
    );
}

#[tokio::test]
async fn a_comparison_starts_where_the_two_parted() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    scene
        .branch(&token, "bot/3", "README.md", "# Widget\n\nColor: blue\n")
        .await;
    scene
        .github
        .push_file("acme", "widget", "main", "other.txt", "other\n");
    let diff = scene
        .get("/repos/acme/widget/compare/main...acme:bot/3", &token)
        .await
        .expect(200);
    assert_eq!(
        (&diff["status"], &diff["ahead_by"], &diff["behind_by"]),
        (&json!("diverged"), &json!(1), &json!(1))
    );
    assert_eq!(diff["files"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        diff["files"][0]["patch"],
        "@@ -1,3 +1,3 @@\n # Widget\n \n-Color: red\n+Color: blue"
    );
    scene
        .get("/repos/acme/widget/compare/main...nowhere", &token)
        .await
        .refuse(404, "Not Found");
}
