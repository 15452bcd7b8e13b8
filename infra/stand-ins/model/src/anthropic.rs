//! Anthropic's Messages API: requests, responses and errors.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as From;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, CallView, End, Model, Refusal, State, Talk, Text};

#[derive(Deserialize)]
struct Body {
    model: String,
    max_tokens: u64,
    system: Option<Text>,
    #[serde(default)]
    tools: Vec<Tool>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    input_schema: Value,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Content,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Plain(String),
    Blocks(Vec<Value>),
}

pub(super) async fn messages(
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
    response.headers_mut().insert("request-id", id);
    response
}

fn answer(state: &mut State, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let given = |name| {
        headers
            .get(name)
            .is_some_and(|value| !value.as_bytes().is_empty())
    };
    if !given("x-api-key") {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "x-api-key header is required",
        ));
    }
    if !given("anthropic-version") {
        return Err(Refusal::invalid("anthropic-version: header is required"));
    }
    state.fail()?;
    let body: Body =
        serde_json::from_slice(body).map_err(|error| Refusal::invalid(error.to_string()))?;
    if body.max_tokens == 0 {
        return Err(Refusal::invalid(
            "max_tokens: must be greater than or equal to 1",
        ));
    }
    if body
        .messages
        .first()
        .is_none_or(|message| message.role != "user")
    {
        return Err(Refusal::invalid(
            "messages: first message must use the \"user\" role",
        ));
    }
    for tool in &body.tools {
        if tool.name.is_empty() || tool.input_schema["type"] != "object" {
            return Err(Refusal::invalid(
                "tools.0.input_schema.type: Field required",
            ));
        }
    }
    let caches = body.messages.iter().any(Message::is_cached);
    let asked = Asked {
        model: body.model,
        system: body.system.map_or(String::new(), Text::joined),
        talk: talk(body.messages)?,
        tokens_max: body.max_tokens,
        has_tools: !body.tools.is_empty(),
        caches,
    };
    let (call, end) = state.complete(asked);
    Ok(message(state.arrived, &call, end, caches))
}

fn message(number: u64, call: &CallView, end: End, caches: bool) -> Value {
    let text = json!({"type": "text", "text": call.answer});
    let (stop_reason, content) = match end {
        End::Said => ("end_turn", vec![text]),
        End::CutOff => ("max_tokens", vec![text]),
        End::Called(calls) => {
            let block = |(at, call): (usize, super::answers::Call)| {
                let id = format!("toolu_{number:014}_{at}");
                json!({"type": "tool_use", "id": id, "name": call.name, "input": call.input})
            };
            let blocks = calls.into_iter().enumerate().map(block);
            ("tool_use", blocks.collect())
        }
    };
    let (read, write) = if caches {
        (call.cached_tokens, call.input_tokens - call.cached_tokens)
    } else {
        (0, 0)
    };
    json!({
        "id": format!("msg_{number:020}"),
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": {
            "input_tokens": call.input_tokens - read - write,
            "cache_creation_input_tokens": write,
            "cache_read_input_tokens": read,
            "output_tokens": call.output_tokens,
        },
    })
}

impl Message {
    fn is_cached(&self) -> bool {
        let Content::Blocks(blocks) = &self.content else {
            return false;
        };
        blocks
            .iter()
            .any(|block| block["cache_control"].is_object())
    }
}

/// Reads the messages, and refuses what the API refuses: roles that do not alternate, empty texts,
/// and calls without their results.
fn talk(messages: Vec<Message>) -> Result<Talk, Refusal> {
    let mut talk = Talk::default();
    let mut open: Vec<String> = Vec::new();
    for (at, message) in messages.into_iter().enumerate() {
        let role = if at % 2 == 0 { "user" } else { "assistant" };
        if message.role != role {
            return Err(Refusal::invalid(format!(
                "messages.{at}: the roles have to alternate"
            )));
        }
        let blocks = match message.content {
            Content::Plain(text) => vec![json!({"type": "text", "text": text})],
            Content::Blocks(blocks) => blocks,
        };
        if blocks.is_empty() {
            return Err(Refusal::invalid(format!(
                "messages.{at}: the content is empty"
            )));
        }
        talk.failed = false;
        talk.answers += usize::from(role == "assistant");
        let mut results: Vec<String> = Vec::new();
        for block in &blocks {
            let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
            match text("type").as_str() {
                "text" if text("text").trim().is_empty() => {
                    return Err(Refusal::invalid(
                        "messages: text content blocks must contain non-whitespace text",
                    ));
                }
                "text" if role == "user" => talk.user(text("text")),
                "text" => talk.whole.push_str(&text("text")),
                "tool_use" if role == "assistant" && block["input"].is_object() => {
                    open.push(text("id"));
                    talk.whole.push_str(&block["input"].to_string());
                }
                "tool_result" if role == "user" => {
                    results.push(text("tool_use_id"));
                    talk.failed |= block["is_error"] == true;
                    talk.whole.push_str(&text("content"));
                }
                other => {
                    return Err(Refusal::invalid(format!(
                        "messages.{at}: unexpected {other:?}"
                    )));
                }
            }
        }
        if role == "user" {
            if results != open {
                return Err(Refusal::invalid(format!(
                    "messages.{at}: `tool_use` ids were found without `tool_result` blocks"
                )));
            }
            open.clear();
        }
    }
    Ok(talk)
}

pub(super) fn refused(refusal: &Refusal) -> Response {
    let kind = match refusal.status.as_u16() {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    let error = json!({"type": kind, "message": refusal.message});
    (
        refusal.status,
        Json(json!({"type": "error", "error": error})),
    )
        .into_response()
}
