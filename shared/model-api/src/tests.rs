//! Tests both protocols against a provider that gives one response.

use super::*;
use bytes::Bytes;
use domain::jobs::turns::{ToolCall, ToolResult};
use domain::retry::{Failure, Retry, Retryable};
use http::Response;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Heard = Arc<Mutex<Option<Request<Bytes>>>>;

fn api(
    wire: Wire,
    answer: impl Fn() -> Result<Response<Bytes>, BoxError> + Clone + Send + Sync + 'static,
) -> (ModelApi, Heard) {
    let heard = Heard::default();
    let ear = Arc::clone(&heard);
    let web = Web::new(tower::service_fn(move |request: Request<Bytes>| {
        *ear.lock().expect("one thread") = Some(request);
        let answer = answer();
        async { answer }
    }));
    let config = ModelConfig {
        url: "https://model.test/base/".to_owned(),
        wire,
        api_key: SecretString::from("sk-ant-canary"),
        model: "claude-x".to_owned(),
    };
    (ModelApi::new(config, web).expect("a client"), heard)
}

async fn ask(api: &ModelApi) -> Result<Completion, ModelError> {
    api.complete(&Prompt {
        system: "Be brief",
        user: "canary prompt",
        tokens_max: 100,
    })
    .await
}

async fn answered(
    wire: Wire,
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: Value,
) -> Result<Completion, ModelError> {
    let (api, _) = api(wire, move || {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        Ok(response.body(Bytes::from(body.to_string()))?)
    });
    ask(&api).await
}

/// A response of Anthropic.
fn message(stop_reason: &str) -> Value {
    json!({ "id": "msg_1", "type": "message", "model": "claude-x-20261101", "stop_reason": stop_reason,
        "content": [{ "type": "thinking", "thinking": "hm" }, { "type": "text", "text": "Hel" },
            { "type": "text", "text": "lo" }],
        "usage": { "input_tokens": 10, "output_tokens": 2, "cache_read_input_tokens": 5,
            "cache_creation_input_tokens": null } })
}

#[tokio::test]
async fn a_prompt_goes_out_in_anthropics_words() {
    let (api, heard) = api(Wire::Anthropic, || {
        Ok(Response::new(Bytes::from(message("end_turn").to_string())))
    });
    ask(&api).await.expect("a reply");
    let request = heard.lock().expect("one thread").take().expect("a request");
    assert_eq!(
        (
            request.method().as_str(),
            request.uri().to_string().as_str()
        ),
        ("POST", "https://model.test/base/v1/messages")
    );
    assert_eq!(request.headers()["x-api-key"], "sk-ant-canary");
    assert_eq!(request.headers()["anthropic-version"], "2023-06-01");
    let body: Value = serde_json::from_slice(request.body()).expect("JSON");
    assert_eq!(
        body,
        json!({ "model": "claude-x", "max_tokens": 100, "system": "Be brief",
            "messages": [{ "role": "user", "content": "canary prompt" }] })
    );
}

#[tokio::test]
async fn a_reply_is_text_tokens_and_an_end() {
    for (reason, stop) in [
        ("end_turn", Stop::Finished),
        ("stop_sequence", Stop::Finished),
        ("a_reason_of_tomorrow", Stop::Finished),
        ("max_tokens", Stop::CutOff),
    ] {
        let reply = answered(Wire::Anthropic, 200, &[], message(reason))
            .await
            .expect("a reply");
        let tokens = Tokens {
            input: 15,
            cache_read: 5,
            cache_write: 0,
            output: 2,
        };
        assert_eq!(
            reply,
            Completion {
                text: "Hello".to_owned(),
                model: "claude-x-20261101".to_owned(),
                tokens,
                stop
            }
        );
    }
}

#[tokio::test]
async fn failures_have_classes() {
    let after = |seconds| Retry::After(Duration::from_secs(seconds));
    let alarm = Retry::Alarm(Duration::from_secs(300));
    let no_text = json!({ "model": "m", "content": [], "stop_reason": "end_turn",
        "usage": { "input_tokens": 1, "output_tokens": 0 } });
    let says =
        |message: &str| json!({ "type": "error", "error": { "type": "x", "message": message } });
    for (status, headers, body, expected) in [
        (200, &[][..], json!("no message"), Retry::Soon),
        (200, &[], no_text, Retry::Soon),
        (200, &[], message("refusal"), Retry::Never),
        (
            301,
            &[("location", "https://evil.test/")],
            json!({}),
            Retry::Never,
        ),
        (400, &[], says("messages: too long"), Retry::Never),
        (400, &[], says("Your credit balance is too low"), alarm),
        (401, &[], says("invalid x-api-key"), alarm),
        (403, &[], says("no"), alarm),
        (404, &[], says("model: claude-x"), alarm),
        (413, &[], says("too large"), Retry::Never),
        (429, &[("retry-after", "12")], says("slow"), after(12)),
        (429, &[], says("slow"), after(60)),
        (500, &[], json!("<html>"), Retry::Outage),
        (529, &[("retry-after", "3")], says("Overloaded"), after(3)),
        (529, &[], says("Overloaded"), Retry::Outage),
    ] {
        let shown = body.to_string();
        let error = answered(Wire::Anthropic, status, headers, body)
            .await
            .expect_err("an error");
        assert_eq!(error.retry(), expected, "{status} {shown}");
    }
}

/// A response of OpenAI.
fn chat(finish_reason: &str, message: Value) -> Value {
    json!({ "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-x-2026-11-01",
        "choices": [{ "index": 0, "finish_reason": finish_reason, "message": message }],
        "usage": { "prompt_tokens": 15, "completion_tokens": 2, "total_tokens": 17,
            "prompt_tokens_details": { "cached_tokens": 5 } } })
}

fn hello() -> Value {
    json!({ "role": "assistant", "content": "Hello", "refusal": null })
}

#[tokio::test]
async fn a_prompt_goes_out_in_openais_words() {
    let (api, heard) = api(Wire::OpenAi, || {
        Ok(Response::new(Bytes::from(
            chat("stop", hello()).to_string(),
        )))
    });
    ask(&api).await.expect("a reply");
    let request = heard.lock().expect("one thread").take().expect("a request");
    assert_eq!(
        (
            request.method().as_str(),
            request.uri().to_string().as_str()
        ),
        ("POST", "https://model.test/base/v1/chat/completions")
    );
    assert_eq!(request.headers()["authorization"], "Bearer sk-ant-canary");
    assert!(request.headers()["authorization"].is_sensitive());
    assert!(!request.headers().contains_key("x-api-key"));
    let body: Value = serde_json::from_slice(request.body()).expect("JSON");
    let messages = json!([{ "role": "system", "content": "Be brief" }, { "role": "user", "content": "canary prompt" }]);
    assert_eq!(
        body,
        json!({ "model": "claude-x", "max_completion_tokens": 100, "messages": messages })
    );
}

#[tokio::test]
async fn openais_reply_is_text_tokens_and_an_end() {
    for (reason, stop) in [
        ("stop", Stop::Finished),
        ("a_reason_of_tomorrow", Stop::Finished),
        ("length", Stop::CutOff),
    ] {
        let reply = answered(Wire::OpenAi, 200, &[], chat(reason, hello()))
            .await
            .expect("a reply");
        let tokens = Tokens {
            input: 15,
            cache_read: 5,
            cache_write: 0,
            output: 2,
        };
        assert_eq!(
            reply,
            Completion {
                text: "Hello".to_owned(),
                model: "gpt-x-2026-11-01".to_owned(),
                tokens,
                stop
            }
        );
    }
}

#[tokio::test]
async fn openais_failures_have_classes() {
    let after = |seconds| Retry::After(Duration::from_secs(seconds));
    let alarm = Retry::Alarm(Duration::from_secs(300));
    let says = |kind: Value, code: Value| json!({ "error": { "message": "no", "type": kind, "param": null, "code": code } });
    let error = |code: &str| says(json!("x"), json!(code));
    let refuses = json!({ "role": "assistant", "content": null, "refusal": "I cannot" });
    let silent = json!({ "role": "assistant", "content": null });
    for (status, headers, body, expected) in [
        (
            200,
            &[][..],
            json!({ "model": "m", "choices": [], "usage": { "prompt_tokens": 1, "completion_tokens": 0 } }),
            Retry::Soon,
        ),
        (200, &[], chat("stop", silent.clone()), Retry::Soon),
        (200, &[], chat("tool_calls", silent), Retry::Soon),
        (200, &[], says(Value::Null, json!(502)), Retry::Soon),
        (200, &[], chat("content_filter", hello()), Retry::Never),
        (200, &[], chat("stop", refuses), Retry::Never),
        (400, &[], error("context_length_exceeded"), Retry::Never),
        (400, &[], error("billing_hard_limit_reached"), alarm),
        (401, &[], error("invalid_api_key"), alarm),
        (402, &[], says(Value::Null, json!(402)), alarm),
        (
            403,
            &[],
            error("unsupported_country_region_territory"),
            alarm,
        ),
        (404, &[], error("model_not_found"), alarm),
        (429, &[], error("rate_limit_exceeded"), after(60)),
        (
            429,
            &[("retry-after", "12")],
            error("rate_limit_exceeded"),
            after(12),
        ),
        (
            429,
            &[("retry-after", "12")],
            error("insufficient_quota"),
            alarm,
        ),
        (
            429,
            &[],
            says(json!("insufficient_quota"), Value::Null),
            alarm,
        ),
        (500, &[], json!("<html>"), Retry::Outage),
        (503, &[("retry-after", "3")], error("overloaded"), after(3)),
    ] {
        let shown = body.to_string();
        let error = answered(Wire::OpenAi, status, headers, body)
            .await
            .expect_err("an error");
        assert_eq!(error.retry(), expected, "{status} {shown}");
    }
}

const TOOLS: &[Tool] = &[Tool {
    name: "read",
    description: "Reads a file.",
    arguments: &[Argument {
        name: "path",
        kind: "string",
        description: "The path.",
        required: true,
    }],
}];

/// What a conversation looks like on a wire: two calls, of which one has arguments that are no
/// JSON, and their results.
async fn conversed(wire: Wire, answer: Value) -> (Value, Reply) {
    let (api, heard) = api(wire, move || {
        Ok(Response::new(Bytes::from(answer.to_string())))
    });
    let call = |id: &str, input: &str| ToolCall {
        id: id.to_owned(),
        name: "read".to_owned(),
        input: input.to_owned(),
    };
    let result = |text: &str, failed| ToolResult {
        text: text.to_owned(),
        failed,
    };
    let calls = [call("c1", r#"{"path":"a"}"#), call("c2", "{\"pa")];
    let results = [result("one", false), result("no such file", true)];
    let conversation = Conversation {
        system: "Be brief",
        tools: TOOLS,
        messages: vec![
            Message::User("the issue"),
            Message::Model {
                text: "\n",
                calls: &calls,
            },
            Message::Results {
                calls: &calls,
                results: &results,
                told: Some("go on"),
            },
        ],
        tokens_max: 100,
    };
    let reply = api.converse(&conversation).await.expect("a reply");
    let request = heard.lock().expect("one thread").take().expect("a request");
    let body = serde_json::from_slice(request.body()).expect("JSON");
    (body, reply)
}

#[tokio::test]
async fn a_conversation_goes_out_in_anthropics_words() {
    let answer = json!({ "model": "claude-x", "stop_reason": "tool_use",
        "content": [{ "type": "text", "text": "I look." },
            { "type": "tool_use", "id": "t1", "name": "read", "input": { "path": "b" } }],
        "usage": { "input_tokens": 10, "output_tokens": 7, "cache_read_input_tokens": 900,
            "cache_creation_input_tokens": 90 } });
    let (body, reply) = conversed(Wire::Anthropic, answer).await;
    let schema = json!({ "type": "object", "required": ["path"],
        "properties": { "path": { "type": "string", "description": "The path." } } });
    assert_eq!(
        body,
        json!({ "model": "claude-x", "max_tokens": 100, "system": "Be brief",
            "tools": [{ "name": "read", "description": "Reads a file.", "input_schema": schema }],
            "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "the issue" }] },
                { "role": "assistant", "content": [
                    { "type": "tool_use", "id": "c1", "name": "read", "input": { "path": "a" } },
                    { "type": "tool_use", "id": "c2", "name": "read", "input": {} }] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "c1", "content": "one", "is_error": false },
                    { "type": "tool_result", "tool_use_id": "c2", "content": "no such file", "is_error": true },
                    { "type": "text", "text": "go on", "cache_control": { "type": "ephemeral" } }] }] })
    );
    assert_eq!(
        reply,
        Reply {
            text: "I look.".to_owned(),
            calls: vec![ToolCall {
                id: "t1".to_owned(),
                name: "read".to_owned(),
                input: r#"{"path":"b"}"#.to_owned(),
            }],
            model: "claude-x".to_owned(),
            tokens: Tokens {
                input: 1_000,
                cache_read: 900,
                cache_write: 90,
                output: 7,
            },
            stop: Stop::Finished,
        }
    );
}

#[tokio::test]
async fn a_conversation_goes_out_in_openais_words() {
    let answer = json!({ "model": "gpt-x", "choices": [{ "finish_reason": "tool_calls",
            "message": { "role": "assistant", "content": null, "tool_calls": [
                { "id": "t1", "type": "function",
                    "function": { "name": "read", "arguments": "{\"path\":\"b\"}" } }] } }],
        "usage": { "prompt_tokens": 1_000, "completion_tokens": 7,
            "prompt_tokens_details": { "cached_tokens": 900 } } });
    let (body, reply) = conversed(Wire::OpenAi, answer).await;
    assert_eq!(
        body["messages"],
        json!([
            { "role": "system", "content": "Be brief" },
            { "role": "user", "content": "the issue" },
            { "role": "assistant", "content": "\n", "tool_calls": [
                { "id": "c1", "type": "function",
                    "function": { "name": "read", "arguments": "{\"path\":\"a\"}" } },
                { "id": "c2", "type": "function", "function": { "name": "read", "arguments": "{\"pa" } }] },
            { "role": "tool", "tool_call_id": "c1", "content": "one" },
            { "role": "tool", "tool_call_id": "c2", "content": "Error: no such file" },
            { "role": "user", "content": "go on" }])
    );
    assert_eq!(body["tools"][0]["function"]["parameters"]["type"], "object");
    assert_eq!(
        (reply.text.as_str(), reply.calls[0].input.as_str()),
        ("", r#"{"path":"b"}"#)
    );
    let tokens = Tokens {
        input: 1_000,
        cache_read: 900,
        cache_write: 0,
        output: 7,
    };
    assert_eq!((reply.tokens, reply.stop), (tokens, Stop::Finished));
}

/// Only a call that was surely not carried out is free.
#[tokio::test]
async fn a_lost_answer_is_not_free() {
    for (status, free) in [
        (400, true),
        (401, true),
        (429, true),
        (529, true),
        (200, false),
    ] {
        let error = answered(Wire::Anthropic, status, &[], json!("no message")).await;
        assert_eq!(error.expect_err("an error").is_free(), free, "{status}");
    }
    let (api, _) = api(Wire::Anthropic, || Err("the connection was reset".into()));
    assert!(!ask(&api).await.expect_err("an error").is_free());
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let (api, _) = api(Wire::Anthropic, || Err("the connection was reset".into()));
    let failure = Failure::from(ask(&api).await.expect_err("an error"));
    assert_eq!(failure.retry, Retry::Outage);
    let reply = answered(Wire::Anthropic, 200, &[], message("end_turn"))
        .await
        .expect("a reply");
    let odd = answered(Wire::Anthropic, 200, &[], json!({ "model": ["canary"] }))
        .await
        .expect_err("an error");
    let shown = format!("{failure} {failure:?} {reply:?} {odd} {odd:?}");
    assert!(
        !shown.contains("canary") && !shown.contains("Hello"),
        "{shown}"
    );
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    for (url, key, fine) in [
        ("https://x", "k", true),
        ("x", "k", false),
        ("https://x", " ", false),
        ("https://x", "k\nk", false),
    ] {
        for wire in Wire::ALL {
            let (url, api_key) = (url.to_owned(), SecretString::from(key));
            let config = ModelConfig {
                url,
                wire,
                api_key,
                model: String::new(),
            };
            let web = Web::new(tower::service_fn(async |_| Err("never called".into())));
            assert_eq!(ModelApi::new(config, web).is_ok(), fine, "{wire:?} {key:?}");
        }
    }
}
