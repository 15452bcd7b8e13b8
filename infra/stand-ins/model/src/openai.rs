//! OpenAI's Chat Completions API: requests, responses and errors.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as From;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, End, Model, Refusal, State, Talk, Text};

#[derive(Deserialize)]
struct Body {
    model: String,
    max_completion_tokens: u64,
    #[serde(default)]
    tools: Vec<Value>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Option<Text>,
    #[serde(default)]
    tool_calls: Vec<Call>,
    tool_call_id: Option<String>,
}

#[derive(Deserialize)]
struct Call {
    id: String,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    arguments: String,
}

pub(super) async fn chat_completions(
    From(model): From<Model>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = model.lock();
    let id = state.arrive();
    let answered = answer(&mut state, &headers, &body)
        .map(Json)
        .map_err(|refusal| refused(&refusal));
    let mut response = answered.into_response();
    response.headers_mut().insert("x-request-id", id);
    response
}

fn answer(state: &mut State, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let shown = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if shown.is_none_or(|key| key.trim().is_empty()) {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "You didn't provide an API key.",
        ));
    }
    state.fail()?;
    let body: Body =
        serde_json::from_slice(body).map_err(|error| Refusal::invalid(error.to_string()))?;
    if body.max_completion_tokens == 0 {
        return Err(Refusal::invalid("max_completion_tokens is too small"));
    }
    if body.messages.is_empty() {
        return Err(Refusal::invalid("messages: expected at least one"));
    }
    let (system, others): (Vec<_>, Vec<_>) = body
        .messages
        .into_iter()
        .partition(|message| message.role == "system");
    let has_tools = !body.tools.is_empty();
    let asked = Asked {
        model: body.model,
        system: system.into_iter().map(Message::text).collect(),
        talk: talk(others)?,
        tokens_max: body.max_completion_tokens,
        has_tools,
        // OpenAI caches prompts automatically.
        caches: has_tools,
    };
    let (call, end) = state.complete(asked);
    let mut message = json!({"role": "assistant", "content": call.answer, "refusal": null});
    let finish_reason = match end {
        End::Said => "stop",
        End::CutOff => "length",
        End::Called(calls) => {
            let shown = |(at, call): (usize, super::answers::Call)| {
                let id = format!("call_{:014}_{at}", state.arrived);
                let function = json!({"name": call.name, "arguments": call.input.to_string()});
                json!({"id": id, "type": "function", "function": function})
            };
            message["content"] = Value::Null;
            message["tool_calls"] = calls.into_iter().enumerate().map(shown).collect();
            "tool_calls"
        }
    };
    Ok(json!({
        "id": format!("chatcmpl-{:020}", state.arrived),
        "object": "chat.completion",
        "model": call.model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": finish_reason,
        }],
        "usage": {
            "prompt_tokens": call.input_tokens,
            "completion_tokens": call.output_tokens,
            "total_tokens": call.input_tokens + call.output_tokens,
            "prompt_tokens_details": {"cached_tokens": call.cached_tokens},
        },
    }))
}

impl Message {
    fn text(self) -> String {
        self.content.map_or(String::new(), Text::joined)
    }
}

/// Reads the messages, and refuses calls without their results, as the API does.
fn talk(messages: Vec<Message>) -> Result<Talk, Refusal> {
    let mut talk = Talk::default();
    let mut open: Vec<String> = Vec::new();
    for message in messages {
        match message.role.as_str() {
            "tool" => {
                let id = message.tool_call_id.clone().unwrap_or_default();
                if !open.contains(&id) {
                    return Err(Refusal::invalid(
                        "messages with role 'tool' must be a response",
                    ));
                }
                open.retain(|call| *call != id);
                let text = message.text();
                talk.failed |= text.starts_with("Error: ");
                talk.whole.push_str(&text);
            }
            _ if !open.is_empty() => {
                return Err(Refusal::invalid(
                    "an assistant message with 'tool_calls' must be followed by tool messages",
                ));
            }
            "user" => talk.user(message.text()),
            "assistant" => {
                talk.failed = false;
                talk.answers += 1;
                for call in &message.tool_calls {
                    open.push(call.id.clone());
                    talk.whole.push_str(&call.function.arguments);
                }
                talk.whole.push_str(&message.text());
            }
            other => {
                return Err(Refusal::invalid(format!(
                    "messages: unknown role {other:?}"
                )));
            }
        }
    }
    if !open.is_empty() {
        return Err(Refusal::invalid(
            "an assistant message with 'tool_calls' must be followed by tool messages",
        ));
    }
    Ok(talk)
}

fn refused(refusal: &Refusal) -> Response {
    let (kind, code) = match refusal.status.as_u16() {
        401 => ("invalid_request_error", json!("invalid_api_key")),
        429 => ("requests", json!("rate_limit_exceeded")),
        400..=499 => ("invalid_request_error", Value::Null),
        _ => ("server_error", Value::Null),
    };
    let error = json!({"message": refusal.message, "type": kind, "param": null, "code": code});
    (refusal.status, Json(json!({"error": error}))).into_response()
}
