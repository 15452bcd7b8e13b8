//! Refs, commits, trees and blobs.

use serde_json::json;

use super::*;

const ROOT: &str = "/repos/acme/widget/git";

#[tokio::test]
async fn a_ref_is_created_once() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let (refs, sha) = (format!("{ROOT}/refs"), scene.head("main"));
    let new = |name: &str, sha: &str| json!({"ref": name, "sha": sha});
    let made = scene
        .post(&refs, &token, new("refs/heads/bot/3", &sha))
        .await
        .expect(201);
    assert_eq!(
        (&made["ref"], &made["object"]["sha"]),
        (&json!("refs/heads/bot/3"), &json!(sha))
    );
    scene
        .post(&refs, &token, new("refs/heads/bot/3", &sha))
        .await
        .refuse(422, "Reference already exists");
    scene
        .post(&refs, &token, new("refs/heads/bot", &sha))
        .await
        .refuse(422, "Reference update failed");
    scene
        .post(&refs, &token, new("refs/heads/x", "0000"))
        .await
        .refuse(422, "Object does not exist");
    let bad = scene
        .post(&refs, &token, new("refs/heads/a..b", &sha))
        .await;
    bad.refuse(422, "refs/heads/a..b is not a valid ref name.");
    scene
        .get(&format!("{ROOT}/ref/heads/bot/3"), &token)
        .await
        .expect(200);
    scene
        .get(&format!("{ROOT}/ref/heads/bot"), &token)
        .await
        .refuse(404, "Not Found");
    let matching = scene
        .get(&format!("{ROOT}/matching-refs/heads/bo"), &token)
        .await
        .expect(200);
    assert_eq!(matching.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_commit_is_verified_only_without_an_explicit_author_and_committer() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let base = scene.head("main");
    let tree = scene
        .get(&format!("{ROOT}/commits/{base}"), &token)
        .await
        .expect(200)["tree"]["sha"]
        .clone();
    let person = json!({"name": "Somebody", "email": "somebody@example.com"});
    for (field, verified) in [
        (None, true),
        (Some("author"), false),
        (Some("committer"), false),
    ] {
        let mut new = json!({"message": "x", "tree": tree, "parents": [base]});
        if let Some(field) = field {
            new[field] = person.clone();
        }
        let path = format!("{ROOT}/commits");
        let made = scene.post(&path, &token, new).await.expect(201);
        assert_eq!(made["verification"]["verified"], verified, "{field:?}");
        assert_eq!(made["committer"]["name"] == "GitHub", verified, "{field:?}");
    }
}

#[tokio::test]
async fn a_ref_moves_forward_only_unless_forced() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let base = scene.head("main");
    let newer = scene.branch(&token, "fix", "a.txt", "a\n").await;
    let path = format!("{ROOT}/refs/heads/fix");
    let to = |sha: &str, force: bool| json!({"sha": sha, "force": force});
    scene
        .call("PATCH", &path, &token, to(&base, false))
        .await
        .refuse(422, "Update is not a fast forward");
    scene
        .call("PATCH", &path, &token, to(&base, true))
        .await
        .expect(200);
    scene
        .call("PATCH", &path, &token, to(&newer, false))
        .await
        .expect(200);
    let missing = format!("{ROOT}/refs/heads/missing");
    scene
        .call("PATCH", &missing, &token, to(&base, true))
        .await
        .refuse(422, "Reference does not exist");
    assert_eq!(
        scene
            .call("DELETE", &path, &token, Value::Null)
            .await
            .status,
        204
    );
    scene
        .call("DELETE", &path, &token, Value::Null)
        .await
        .refuse(422, "Reference does not exist");
}

#[tokio::test]
async fn many_files_change_in_one_commit_that_nobody_sees_before_the_ref_moves() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let base = scene.head("main");
    let blob = scene
        .post(
            &format!("{ROOT}/blobs"),
            &token,
            json!({"content": "aGk=", "encoding": "base64"}),
        )
        .await;
    let blob = blob.expect(201)["sha"].clone();
    let tree = scene
        .get(&format!("{ROOT}/trees/main?recursive=1"), &token)
        .await
        .expect(200);
    let paths: Vec<&str> = tree["tree"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|e| e["path"].as_str())
        .collect();
    assert_eq!(paths, ["README.md", "src", "src/lib.rs"]);

    let change = json!({"base_tree": tree["sha"], "tree": [
        {"path": "src/hi.txt", "mode": "100644", "type": "blob", "sha": blob},
        {"path": "docs/a/b.md", "mode": "100644", "type": "blob", "content": "# B\n"},
        {"path": "README.md", "mode": "100644", "type": "blob", "sha": null},
    ]});
    let tree = scene
        .post(&format!("{ROOT}/trees"), &token, change.clone())
        .await
        .expect(201)["sha"]
        .clone();
    assert_eq!(
        scene
            .post(&format!("{ROOT}/trees"), &token, change)
            .await
            .expect(201)["sha"],
        tree
    );
    let commit = json!({"message": "Fix", "tree": tree, "parents": [base],
        "author": {"name": "A", "email": "a@example.com", "date": "2026-11-20T10:00:00Z"}});
    let first = scene
        .post(&format!("{ROOT}/commits"), &token, commit.clone())
        .await
        .expect(201);
    scene.pass_seconds(60);
    let again = scene
        .post(&format!("{ROOT}/commits"), &token, commit)
        .await
        .expect(201);
    assert_eq!(first["sha"], again["sha"]);
    assert_eq!(scene.head("main"), base);

    scene
        .call(
            "PATCH",
            &format!("{ROOT}/refs/heads/main"),
            &token,
            json!({"sha": first["sha"]}),
        )
        .await
        .expect(200);
    let file = |path| scene.github.file("acme", "widget", "main", path);
    assert_eq!(file("src/hi.txt").as_deref(), Some("hi"));
    assert_eq!(file("docs/a/b.md").as_deref(), Some("# B\n"));
    assert_eq!(file("README.md"), None);
    assert!(file("src/lib.rs").is_some());
    let commits = scene.github.commits_on("acme", "widget", "main");
    assert_eq!(
        (
            commits.len(),
            commits[0].parents.as_slice(),
            commits[0].author.as_str()
        ),
        (2, &[base][..], "A")
    );
}

#[tokio::test]
async fn bad_trees_and_commits_are_refused() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    for path in ["../x", "/x", "a//b", ".git/config", ""] {
        let tree =
            json!({"tree": [{"path": path, "mode": "100644", "type": "blob", "content": "x"}]});
        let answer = scene.post(&format!("{ROOT}/trees"), &token, tree).await;
        answer.refuse(422, "tree.path contains a malformed path component");
    }
    let nothing = json!({"base_tree": scene.head("main"), "tree": [{"path": "no", "mode": "100644", "sha": null}]});
    scene
        .post(&format!("{ROOT}/trees"), &token, nothing)
        .await
        .refuse(422, "GitRPC::BadObjectState");
    let commit = json!({"message": "x", "tree": scene.head("main")});
    scene
        .post(&format!("{ROOT}/commits"), &token, commit)
        .await
        .refuse(422, "Tree SHA does not exist");
    scene
        .call("POST", &format!("{ROOT}/commits"), &token, json!("text"))
        .await
        .expect(422);
}

#[tokio::test]
async fn a_commit_without_an_author_is_the_bots() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let tree = scene.github.commits_on("acme", "widget", "main")[0]
        .tree
        .clone();
    let commit = scene
        .post(
            &format!("{ROOT}/commits"),
            &token,
            json!({"message": "x", "tree": tree}),
        )
        .await
        .expect(201);
    assert_eq!(commit["author"]["name"], "tallyhook[bot]");
    assert_eq!(commit["committer"]["name"], "GitHub");
    assert_eq!(commit["author"]["date"], "2026-11-20T10:00:00Z");
}
