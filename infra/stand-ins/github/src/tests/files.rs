//! Reads and writes of single files.

use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::*;

const README: &str = "/repos/acme/widget/contents/README.md";

#[tokio::test]
async fn files_and_folders_are_read_at_a_revision() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let file = scene
        .get(&format!("{README}?ref=main"), &token)
        .await
        .expect(200);
    let content = file["content"].as_str().expect("content").replace('\n', "");
    assert_eq!(
        BASE64_STANDARD.decode(content).expect("base64"),
        b"# Widget\n\nColor: red\n"
    );
    for path in [
        "/repos/acme/widget/contents",
        "/repos/acme/widget/contents/",
    ] {
        let folder = scene.get(path, &token).await.expect(200);
        assert_eq!(
            (&folder[0]["name"], &folder[1]["type"]),
            (&json!("README.md"), &json!("dir"))
        );
    }
    scene
        .get("/repos/acme/widget/contents/nothing", &token)
        .await
        .refuse(404, "Not Found");
    scene
        .get(&format!("{README}?ref=nowhere"), &token)
        .await
        .refuse(404, "No commit found for the ref nowhere");
}

#[tokio::test]
async fn an_update_names_what_it_replaces() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    let sha = scene.get(README, &token).await.expect(200)["sha"].clone();
    let write = |sha: Value| json!({"message": "m", "content": BASE64_STANDARD.encode("new\n"), "sha": sha});
    let unnamed = scene.call("PUT", README, &token, write(Value::Null)).await;
    unnamed.refuse(422, "Invalid request.\n\n\"sha\" wasn't supplied.");
    scene
        .call("PUT", README, &token, write(json!("0000")))
        .await
        .refuse(409, "README.md does not match 0000");
    scene
        .call("PUT", README, &token, write(sha.clone()))
        .await
        .expect(200);
    scene
        .call("PUT", README, &token, write(sha))
        .await
        .expect(409);
    assert_eq!(
        scene
            .github
            .file("acme", "widget", "main", "README.md")
            .as_deref(),
        Some("new\n")
    );

    let created = scene
        .call(
            "PUT",
            "/repos/acme/widget/contents/a/b.txt",
            &token,
            write(Value::Null),
        )
        .await
        .expect(201);
    assert_eq!(
        created["commit"]["parents"].as_array().map(Vec::len),
        Some(1)
    );
    let gone = json!({"message": "m", "sha": created["content"]["sha"]});
    scene
        .call(
            "DELETE",
            "/repos/acme/widget/contents/a/b.txt",
            &token,
            gone,
        )
        .await
        .expect(200);
    assert_eq!(scene.github.commits_on("acme", "widget", "main").len(), 4);
}
