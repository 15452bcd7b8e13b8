//! OpenAI's Chat Completions API: requests, responses and errors.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as From;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, End, Message, Model, Refusal, State};

#[derive(Deserialize)]
struct Body {
    model: String,
    max_completion_tokens: u64,
    messages: Vec<Message>,
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
    let joined = |messages: Vec<Message>| {
        messages
            .into_iter()
            .map(|message| message.content.joined())
            .collect()
    };
    let (system, content) = (joined(system), joined(others));
    let asked = Asked {
        model: body.model,
        system,
        content,
        tokens_max: body.max_completion_tokens,
    };
    let (call, end) = state.complete(asked);
    let finish_reason = match end {
        End::Said => "stop",
        End::CutOff => "length",
    };
    Ok(json!({
        "id": format!("chatcmpl-{:020}", state.arrived),
        "object": "chat.completion",
        "model": call.model,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": call.answer, "refusal": null},
            "logprobs": null,
            "finish_reason": finish_reason,
        }],
        "usage": {
            "prompt_tokens": call.input_tokens,
            "completion_tokens": call.output_tokens,
            "total_tokens": call.input_tokens + call.output_tokens,
        },
    }))
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
