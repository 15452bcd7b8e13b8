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

/// The calls of the answer to a conversation.
async fn calls(model: &Model, messages: Value) -> (Value, Vec<(String, Value)>) {
    let tools = json!([{ "name": "write", "input_schema": { "type": "object" } }]);
    let body = json!({ "model": "m", "max_tokens": 4096, "system": "step: code",
        "tools": tools, "messages": messages });
    let (status, message) = send(model, "key", body).await;
    assert_eq!(status, 200, "{message}");
    let blocks = message["content"].as_array().expect("blocks").iter();
    let made = blocks.map(|block| {
        let name = block["name"].as_str().unwrap_or_default().to_owned();
        (name, block["input"].clone())
    });
    (message.clone(), made.collect())
}

#[tokio::test]
async fn code_replaces_what_the_issue_says_or_leaves_a_note() {
    let model = Model::new();
    let issue = |body: &str| json!({"number": 3, "title": "Color", "body": body});
    let files = json!([{"path": "a", "content": "red red"}, {"path": "b", "content": "green"}]);
    let both = "Please replace `red` with `blue`. Replace `green` with `<b>`.";
    let question = json!({"issue": issue(both), "plan": "p", "files": files}).to_string();
    let first = json!({"role": "user", "content": question});
    let (message, made) = calls(&model, json!([first])).await;
    assert_eq!(message["stop_reason"], "tool_use");
    let names: Vec<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["write", "edit", "submit"],
        "an edit where the text stands once"
    );
    assert_eq!(made[0].1, json!({"path": "a", "content": "blue blue"}));

    let answered = |failed: bool, told: Option<&str>| {
        let results = message["content"].as_array().expect("blocks").iter();
        let mut content: Vec<Value> = results
            .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "x", "is_error": failed}))
            .collect();
        content.extend(told.map(|text| json!({"type": "text", "text": text})));
        json!([first, {"role": "assistant", "content": message["content"]}, {"role": "user", "content": content}])
    };
    let (_, made) = calls(&model, answered(true, None)).await;
    assert_eq!(
        made[1].1,
        json!({"path": "b", "content": "<b>"}),
        "edits that failed become whole files"
    );
    let (_, made) = calls(&model, answered(false, Some("A reviewer says: typo"))).await;
    assert_eq!((made.len(), made[0].0.as_str()), (1, "submit"));
    let body = made[0].1["body"].as_str().expect("a body");
    assert!(body.contains("typo") && body.contains("#3"), "{body}");

    let vague = json!({"issue": issue("Replace `x` with"), "plan": "p", "files": files});
    let vague = json!([{"role": "user", "content": vague.to_string()}]);
    let (_, made) = calls(&model, vague).await;
    assert_eq!(made[0].1["path"], "docs/notes/issue-3.md");
}

/// As at Anthropic: what a request marks is written to the cache, and the next one reads it.
#[tokio::test]
async fn a_longer_conversation_reads_its_beginning_from_the_cache() {
    let model = Model::new();
    let text =
        |text: &str| json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}});
    let first = json!({"role": "user", "content": [text("one one one one")]});
    let (message, _) = calls(&model, json!([first])).await;
    let usage = |message: &Value, name: &str| message["usage"][name].as_u64().expect("a count");
    let written = usage(&message, "cache_creation_input_tokens");
    assert_eq!((written > 0, usage(&message, "input_tokens")), (true, 0));
    let said = json!({"role": "assistant", "content": [{"type": "text", "text": "two"}]});
    let third = json!({"role": "user", "content": [text("three")]});
    let (message, _) = calls(&model, json!([first, said, third])).await;
    assert_eq!(usage(&message, "cache_read_input_tokens"), written);
    assert!(usage(&message, "cache_creation_input_tokens") > 0);
}

#[tokio::test]
async fn calls_without_their_results_are_refused() {
    let model = Model::new();
    let call = json!({"type": "tool_use", "id": "t1", "name": "read", "input": {}});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "x"});
    for (content, status) in [
        (json!([result("t1")]), 200),
        (json!([result("t2")]), 400),
        (json!([{"type": "text", "text": "x"}]), 400),
    ] {
        let messages = json!([{"role": "user", "content": "q"},
            {"role": "assistant", "content": [call]}, {"role": "user", "content": content}]);
        let body = json!({"model": "m", "max_tokens": 9, "messages": messages});
        assert_eq!(send(&model, "key", body).await.0, status, "{content}");
    }
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
