//! Issues, comments, labels, reactions, roles.

use serde_json::json;

use super::*;
use crate::Creations;

const ISSUE: &str = "/repos/acme/widget/issues/3";

#[tokio::test]
async fn comments_are_the_bots_and_are_listed_in_pages() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    scene
        .github
        .add_comment("acme", "widget", 3, "somebody", "please");
    let path = format!("{ISSUE}/comments");
    for n in 0..4 {
        let comment = scene
            .post(&path, &token, json!({"body": format!("n {n}")}))
            .await
            .expect(201);
        assert_eq!(comment["user"]["type"], "Bot");
        assert_eq!(comment["performed_via_github_app"]["id"], APP);
    }
    let page = scene
        .get(&format!("{path}?per_page=2&page=2"), &token)
        .await;
    let link = page.header("link").to_owned();
    assert!(
        link.contains("</repos/acme/widget/issues/3/comments?per_page=2&page=3>; rel=\"next\""),
        "{link}"
    );
    let page = page.expect(200);
    assert_eq!(
        (&page[0]["body"], &page[1]["body"]),
        (&json!("n 1"), &json!("n 2"))
    );
    let views = scene.github.comments("acme", "widget", 3);
    assert_eq!(
        (views.len(), views[0].by_app, views[4].by_app),
        (5, false, true)
    );
    scene.github.set_read_lag(1);
    assert_eq!(
        scene
            .get(&path, &token)
            .await
            .expect(200)
            .as_array()
            .map(Vec::len),
        Some(4)
    );
    assert_eq!(
        scene
            .get(&path, &token)
            .await
            .expect(200)
            .as_array()
            .map(Vec::len),
        Some(5)
    );
    scene
        .post(&path, &token, json!({"body": " "}))
        .await
        .expect(422);
}

#[tokio::test]
async fn lists_may_lag_by_seconds_and_creations_are_limited_by_minute_and_hour() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let path = format!("{ISSUE}/comments");
    let write = async || scene.post(&path, &token, json!({"body": "one"})).await;
    let listed = async || scene.get(&path, &token).await.expect(200);
    scene.github.set_list_lag(5);
    let (minute, hour) = (2, 3);
    scene.github.set_creations_max(Creations { minute, hour });
    write().await.expect(201);
    scene.pass_seconds(4);
    assert_eq!(listed().await, json!([]));
    scene.pass_seconds(1);
    assert_eq!(listed().await.as_array().map(Vec::len), Some(1));
    write().await.expect(201);
    let refused = write().await;
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(refused.status, 403);
    scene.pass_seconds(55);
    write().await.expect(201);
    let peak = Creations { minute, hour };
    assert_eq!(scene.github.creations(), (peak, 1));
    scene.pass_seconds(60);
    write().await.expect(403);
    scene.pass_seconds(3_600);
    let token = scene.token(json!({})).await;
    let late = scene.post(&path, &token, json!({"body": "one"})).await;
    late.expect(201);
}

#[tokio::test]
async fn a_comment_changes_in_place_and_since_sees_it() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let path = format!("{ISSUE}/comments");
    let id = scene
        .post(&path, &token, json!({"body": "one"}))
        .await
        .expect(201)["id"]
        .clone();
    scene
        .post(&path, &token, json!({"body": "two"}))
        .await
        .expect(201);
    scene.pass_seconds(10);
    let edit = format!("/repos/acme/widget/issues/comments/{id}");
    scene
        .call("PATCH", &edit, &token, json!({"body": "uno"}))
        .await
        .expect(200);
    let recent = scene
        .get(&format!("{path}?since=2026-11-20T10:00:05Z"), &token)
        .await
        .expect(200);
    assert_eq!(
        (recent.as_array().map(Vec::len), &recent[0]["body"]),
        (Some(1), &json!("uno"))
    );
}

#[tokio::test]
async fn labels_and_reactions_happen_once() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    for labels in [json!({"labels": ["a", "b"]}), json!(["b"])] {
        let labels = scene
            .post(&format!("{ISSUE}/labels"), &token, labels)
            .await
            .expect(200);
        assert_eq!(labels.as_array().map(Vec::len), Some(2));
    }
    for status in [201, 200] {
        scene
            .post(
                &format!("{ISSUE}/reactions"),
                &token,
                json!({"content": "eyes"}),
            )
            .await
            .expect(status);
    }
    scene
        .post(
            &format!("{ISSUE}/reactions"),
            &token,
            json!({"content": "shrug"}),
        )
        .await
        .expect(422);
    assert_eq!(scene.github.labels("acme", "widget", 3), ["a", "b"]);
    assert_eq!(scene.github.reactions("acme", "widget", 3), ["eyes"]);
    let issue = scene.get(ISSUE, &token).await.expect(200);
    assert_eq!(
        (&issue["labels"][1]["name"], &issue["comments"]),
        (&json!("b"), &json!(0))
    );
    scene
        .get("/repos/acme/widget/issues/77", &token)
        .await
        .refuse(404, "Not Found");
}

#[tokio::test]
async fn a_person_has_a_role() {
    let scene = scene();
    let token = scene
        .token(json!({"permissions": {"metadata": "read"}}))
        .await;
    scene.github.set_role("acme", "widget", "writer", "write");
    for (login, role) in [("acme", "admin"), ("writer", "write"), ("unknown", "read")] {
        let path = format!("/repos/acme/widget/collaborators/{login}/permission");
        assert_eq!(
            scene.get(&path, &token).await.expect(200)["permission"],
            role
        );
    }
}
