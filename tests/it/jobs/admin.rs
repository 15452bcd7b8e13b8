//! `/api/v1/admin/jobs`.

use crate::world::operator::assert_problem;
use crate::world::{FaultPlan, World};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn a_job_shows_all_it_knows() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.vendors.model.script(
        "review",
        vec![json!({ "verdict": "rework", "notes": "mind the comma" }).to_string()],
    );
    world.github_sends("issues.labeled").await;
    world.settle().await;
    let job = world.commented_job().await;
    let shown = world.shown_job(&job.facts.id).await;
    let expected = json!({
        "id": job.facts.id.as_str(),
        "state": "PR_OPENED",
        "account": world.account().await.as_str(),
        "repository": { "id": 5001, "owner": "acme", "name": "greeter", "installation": 7001 },
        "issue": { "number": 7, "title": "The greeting is misspelled" },
        "asked_by": "acme-dev",
        "branch": format!("tallyhook/{}", job.facts.id),
        "rounds": 1,
        "attempts": 0,
        "pull": { "number": 8, "url": "http://github.test/acme/greeter/pull/8" },
        "reason": null,
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&shown[field], value, "{field} of {shown:#}");
    }
    assert!(
        shown["trigger"]
            .as_str()
            .is_some_and(|trigger| trigger.contains("label")),
        "{shown:#}"
    );
    assert_eq!(shown["base"]["branch"], "main");
    assert!(shown["comment"].is_u64());

    let words = |list: &Value, field: &str| -> Vec<String> {
        let all = list.as_array().expect("a list").iter();
        all.map(|one| one[field].as_str().expect("a word").to_owned())
            .collect()
    };
    let way = [
        "QUEUED",
        "PLANNING",
        "CODING",
        "REVIEWING",
        "CODING",
        "REVIEWING",
        "REVIEW_APPROVED",
        "PR_CREATION_INITIATED",
        "PR_OPENED",
    ];
    assert_eq!(words(&shown["timeline"], "state"), way);
    assert!(
        shown["timeline"][0]["at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z'))
    );

    let steps = shown["steps"].as_array().expect("a list");
    assert_eq!(
        words(&shown["steps"], "kind"),
        ["order", "plan", "code", "review", "code", "review"]
    );
    assert!(
        steps[0]["output"]["body"]
            .as_str()
            .is_some_and(|body| body.contains("Helo"))
    );
    assert_eq!(steps[1]["output"]["files"], json!(["src/greeting.rs"]));
    assert_eq!(
        steps[3]["output"],
        json!({ "verdict": "rework", "notes": "mind the comma" })
    );
    let change = &steps[4]["output"]["changes"][0];
    assert_eq!(change["path"], "src/greeting.rs");
    assert!(
        change["content"]
            .as_str()
            .is_some_and(|content| content.contains("Hello, {name}!"))
    );
    assert_eq!(steps[1]["model"], "stand-in-1");

    let sum = |field: &str| -> u64 {
        steps
            .iter()
            .filter_map(|step| step["tokens"][field].as_u64())
            .sum()
    };
    assert_eq!(
        shown["tokens"],
        json!({ "input": sum("input"), "cached": sum("cached"), "output": sum("output") }),
        "the parts make the whole"
    );
    let calls = world.vendors.model.calls();
    let counted: u64 = calls.iter().map(|call| call.input_tokens).sum();
    assert_eq!(sum("input"), counted, "and it is what the provider counted");
    assert_eq!(shown["payment"]["usage"][0]["meter"], "pull_requests");
    assert!(
        shown["payment"]["usage"][0]["reported_at"]
            .as_str()
            .is_some(),
        "{shown:#}"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_failed_says_why() {
    let world = World::with(FaultPlan::None, &[]).await;
    let changes = json!([{ "path": "../x", "content": "x" }]);
    world.vendors.model.script(
        "code",
        vec![json!({ "title": "t", "body": "b", "changes": changes }).to_string(); 3],
    );
    world.github_sends("issues.opened").await;
    world.settle().await;
    let shown = world.shown_job(&world.commented_job().await.facts.id).await;
    assert_eq!(shown["state"], "FAILED");
    let reason = shown["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("\"../x\", which it may not touch"),
        "{reason}"
    );
    assert_eq!(
        (&shown["pull"], &shown["payment"]["usage"][0]["reported_at"]),
        (&Value::Null, &Value::Null)
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_job_is_not_found() {
    let world = World::bare(FaultPlan::None, &[]).await;
    for id in [
        "x",
        "job_",
        "acc_01hf7yat00zzzzzzzzzzzzzzzz",
        "job_01hf7yat00zzzzzzzzzzzzzzzz",
        "job_01HF7YAT00ZZZZZZZZZZZZZZZZ",
        "%23",
    ] {
        let response = world
            .admin_request(
                "GET",
                &format!("/api/v1/admin/jobs/{id}"),
                Some("local-token"),
                None,
            )
            .await;
        assert_problem(id, &response, 404, "not_found");
    }
    world.done().await;
}
