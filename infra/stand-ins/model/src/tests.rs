//! The behavior of the model providers' APIs that the product relies on.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::Model;

async fn send(model: &Model, key: &str, body: Value) -> (u16, Value) {
    let request = Request::post("/v1/messages")
        .header("x-api-key", key)
        .header("anthropic-version", "2023-06-01")
        .body(Body::from(body.to_string()))
        .expect("a request");
    let response = model.router().oneshot(request).await.expect("infallible");
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("in memory");
    (status, serde_json::from_slice(&bytes).expect("JSON"))
}

fn question(step: &str, content: &Value) -> Value {
    json!({"model": "m", "max_tokens": 4096, "system": format!("step: {step}\nBe brief."),
        "messages": [{"role": "user", "content": content.to_string()}]})
}

/// Asks one question and returns the answer's text parsed as JSON.
async fn ask(model: &Model, step: &str, content: Value) -> Value {
    let (status, message) = send(model, "key", question(step, &content)).await;
    assert_eq!(status, 200, "{message}");
    let text = message["content"][0]["text"].as_str().expect("a text");
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

#[tokio::test]
async fn a_plan_names_the_files_the_issue_names() {
    let model = Model::new();
    let issue = json!({"number": 3, "title": "Fix src/a.rs", "body": "and docs/b.md"});
    let tree = json!(["README.md", "docs/b.md", "src/a.rs", "src/c.rs"]);
    let asked = json!({"issue": issue, "repository": {}, "instructions": null, "tree": tree});
    assert_eq!(
        ask(&model, "plan", asked).await["files"],
        json!(["docs/b.md", "src/a.rs"])
    );
    let vague = json!({"number": 3, "title": "Fix it", "body": null});
    let asked = json!({"issue": vague, "tree": ["LICENSE", "README.md"]});
    assert_eq!(
        ask(&model, "plan", asked).await["files"],
        json!(["README.md"])
    );
    assert_eq!(
        ask(&model, "plan", json!({"issue": vague, "tree": ["LICENSE"]})).await["files"],
        json!(["LICENSE"])
    );
}

#[tokio::test]
async fn code_replaces_what_the_issue_says_or_leaves_a_note() {
    let model = Model::new();
    let issue = |body: &str| json!({"number": 3, "title": "Color", "body": body});
    let files = json!([{"path": "a", "content": "red red"}, {"path": "b", "content": "green"}]);
    let both = "Please replace `red` with `blue`. Replace `green` with `<b>`.";
    let answer = ask(
        &model,
        "code",
        json!({"issue": issue(both), "plan": "p", "files": files, "notes": "typo"}),
    )
    .await;
    assert_eq!(
        answer["changes"],
        json!([{"path": "a", "content": "blue blue"}, {"path": "b", "old": "green", "new": "<b>"}]),
        "an edit where the text stands once, else the whole file"
    );
    let problems = json!([{"path": "b", "problem": "`old` does not occur."}]);
    let answer = ask(
        &model,
        "code",
        json!({"issue": issue(both), "plan": "p", "files": files, "problems": problems}),
    )
    .await;
    assert_eq!(
        answer["changes"][1],
        json!({"path": "b", "content": "<b>"}),
        "edits that could not be made become whole files"
    );
    let answer = ask(
        &model,
        "code",
        json!({"issue": issue(both), "plan": "p", "files": files, "notes": "typo"}),
    )
    .await;
    assert!(
        answer["body"]
            .as_str()
            .is_some_and(|body| body.contains("typo") && body.contains("#3"))
    );
    let answer = ask(
        &model,
        "code",
        json!({"issue": issue("Replace `x` with"), "plan": "p", "files": files}),
    )
    .await;
    assert_eq!(answer["changes"][0]["path"], "docs/notes/issue-3.md");
}

#[tokio::test]
async fn a_review_approves_a_diff_and_nothing_else() {
    let model = Model::new();
    let asked = |diff: &str| json!({"issue": {}, "plan": "p", "diff": diff});
    assert_eq!(
        ask(&model, "review", asked("+x")).await["verdict"],
        "approve"
    );
    assert_eq!(
        ask(&model, "review", asked("\n")).await["verdict"],
        "rework"
    );
}

#[tokio::test]
async fn the_same_question_costs_the_same() {
    let model = Model::new();
    let asked = question("review", &json!({"diff": "+x"}));
    let (_, one) = send(&model, "key", asked.clone()).await;
    let (_, two) = send(&model, "key", asked).await;
    assert_eq!(
        (&one["content"], &one["usage"]),
        (&two["content"], &two["usage"])
    );
    // 22 characters of system text and 13 of content, four per token, each rounded up.
    assert_eq!(one["usage"]["input_tokens"], 6 + 4);
    let call = &model.calls()[0];
    assert_eq!((call.step.as_str(), call.input_tokens), ("review", 10));
    assert_eq!(one["stop_reason"], "end_turn");
    let mut short = question("review", &json!({"diff": "+x"}));
    short["max_tokens"] = json!(2);
    let (_, cut) = send(&model, "key", short).await;
    assert_eq!(
        (&cut["stop_reason"], &cut["usage"]["output_tokens"]),
        (&json!("max_tokens"), &json!(2))
    );
}

#[tokio::test]
async fn scripts_come_first_and_failures_before_them() {
    let model = Model::new();
    model.script(
        "review",
        vec![
            "not JSON".to_owned(),
            r#"{"verdict":"reject","notes":"no"}"#.to_owned(),
        ],
    );
    model.fail_next(529);
    let (status, body) = send(&model, "key", question("review", &json!({"diff": "+x"}))).await;
    assert_eq!(
        (status, &body["error"]["type"]),
        (529, &json!("overloaded_error"))
    );
    assert_eq!(
        ask(&model, "review", json!({"diff": "+x"})).await,
        json!("not JSON")
    );
    assert_eq!(
        ask(&model, "review", json!({"diff": "+x"})).await["verdict"],
        "reject"
    );
    assert_eq!(
        ask(&model, "review", json!({"diff": "+x"})).await["verdict"],
        "approve"
    );
    assert_eq!(model.calls().len(), 3);
    assert_eq!(send(&model, "", json!({})).await.0, 401);
    assert_eq!(send(&model, "key", json!({})).await.0, 400);
    let copy = Model::new();
    copy.import(model.export()).expect("our own export");
    assert_eq!(copy.calls(), model.calls());
}

#[tokio::test]
async fn both_wires_reach_the_same_agent() {
    let model = Model::new();
    let user = json!({"diff": "+x"}).to_string();
    let mut body = json!({"model": "m", "max_completion_tokens": 4096, "messages": [
        {"role": "system", "content": "step: review\nBe brief."}, {"role": "user", "content": user}]});
    let chat = async |authorization: &str, body: &Value| {
        let request = Request::post("/v1/chat/completions").header("authorization", authorization);
        let request = request
            .body(Body::from(body.to_string()))
            .expect("a request");
        let response = model.router().oneshot(request).await.expect("infallible");
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("in memory");
        (
            status,
            serde_json::from_slice::<Value>(&bytes).expect("JSON"),
        )
    };
    let (_, message) = send(&model, "key", question("review", &json!({"diff": "+x"}))).await;
    let (status, completion) = chat("Bearer key", &body).await;
    let choice = &completion["choices"][0];
    assert_eq!((status, &choice["finish_reason"]), (200, &json!("stop")));
    assert_eq!(choice["message"]["content"], message["content"][0]["text"]);
    assert_eq!(
        completion["usage"]["prompt_tokens"],
        message["usage"]["input_tokens"]
    );
    assert_eq!(
        completion["usage"]["completion_tokens"],
        message["usage"]["output_tokens"]
    );
    assert_eq!(model.calls()[0], model.calls()[1]);
    body["max_completion_tokens"] = json!(2);
    assert_eq!(
        chat("Bearer key", &body).await.1["choices"][0]["finish_reason"],
        "length"
    );
    model.fail_next(429);
    let (status, refusal) = chat("Bearer key", &body).await;
    assert_eq!(
        (status, &refusal["error"]["code"]),
        (429, &json!("rate_limit_exceeded"))
    );
    assert_eq!(chat("key", &body).await.0, 401);
    assert_eq!(chat("Bearer key", &json!({})).await.0, 400);
}
