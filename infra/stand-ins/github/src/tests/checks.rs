//! Check runs and statuses follow the push that they belong to.

use super::*;
use crate::{Check, CheckKind};

fn check(name: &str, kind: CheckKind, takes: Option<i64>, result: &str) -> Check {
    Check {
        name: name.to_owned(),
        kind,
        branches: "fix".to_owned(),
        starts_after: 5,
        takes,
        result: result.to_owned(),
        ..Check::default()
    }
}

#[tokio::test]
async fn checks_appear_run_and_complete() {
    let scene = scene();
    let token = scene.token(json!({})).await;
    scene.github.set_checks(
        "acme",
        "widget",
        vec![
            check("test", CheckKind::Run, Some(10), "failure"),
            check("slow", CheckKind::Run, None, "success"),
            check("ci/old", CheckKind::Status, Some(10), "success"),
        ],
    );
    let sha = scene.branch(&token, "fix", "a.txt", "one").await;
    let runs = format!("/repos/acme/widget/commits/{sha}/check-runs");
    let status = format!("/repos/acme/widget/commits/{sha}/status");
    let none = scene.get(&runs, &token).await.expect(200);
    assert_eq!(none, json!({ "total_count": 0, "check_runs": [] }));
    let none = scene.get(&status, &token).await.expect(200);
    assert_eq!(
        (&none["state"], &none["total_count"]),
        (&json!("pending"), &json!(0))
    );
    scene.pass_seconds(5);
    let running = scene.get(&runs, &token).await.expect(200);
    assert_eq!(running["total_count"], 2);
    assert_eq!(running["check_runs"][0]["status"], "in_progress");
    assert_eq!(running["check_runs"][0]["conclusion"], Value::Null);
    scene.pass_seconds(10);
    let page = scene
        .get(&format!("{runs}?per_page=1&page=1"), &token)
        .await
        .expect(200);
    assert_eq!(page["total_count"], 2, "of all pages");
    let run = &page["check_runs"][0];
    assert_eq!(
        (&run["conclusion"], &run["head_sha"]),
        (&json!("failure"), &json!(sha))
    );
    let done = scene.get(&status, &token).await.expect(200);
    assert_eq!(done["state"], "success");
    assert_eq!(done["statuses"][0]["context"], "ci/old");
    let main = "/repos/acme/widget/commits/main/check-runs";
    assert_eq!(scene.get(main, &token).await.expect(200)["total_count"], 0);
}

#[tokio::test]
async fn checks_and_statuses_are_two_permissions() {
    let scene = scene();
    for (granted, path, other) in [
        ("checks", "check-runs", "status"),
        ("statuses", "status", "check-runs"),
    ] {
        let token = scene
            .token(json!({ "permissions": { granted: "read" } }))
            .await;
        let at = |path: &str| format!("/repos/acme/widget/commits/main/{path}");
        scene.get(&at(path), &token).await.expect(200);
        let refused = scene.get(&at(other), &token).await;
        refused.refuse(403, "Resource not accessible by integration");
    }
}
