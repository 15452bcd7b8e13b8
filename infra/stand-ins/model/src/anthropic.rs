//! Anthropic's Messages API: requests, responses and errors.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as From;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, End, Message, Model, Refusal, State, Text};

#[derive(Deserialize)]
struct Body {
    model: String,
    max_tokens: u64,
    #[serde(default)]
    system: Text,
    messages: Vec<Message>,
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
    let content = body
        .messages
        .into_iter()
        .map(|message| message.content.joined())
        .collect();
    let asked = Asked {
        model: body.model,
        system: body.system.joined(),
        content,
        tokens_max: body.max_tokens,
    };
    let (call, end) = state.complete(asked);
    Ok(json!({
        "id": format!("msg_{:020}", state.arrived),
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": [{"type": "text", "text": call.answer}],
        "stop_reason": match end { End::Said => "end_turn", End::CutOff => "max_tokens" },
        "stop_sequence": null,
        "usage": {"input_tokens": call.input_tokens, "output_tokens": call.output_tokens},
    }))
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
