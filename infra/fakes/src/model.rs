//! The model provider, standing in: the Messages API with answers that follow from the question.
//! Owns a tiny, honest "agent": it can plan over a file list, replace one text by another, and approve a diff, so a whole
//! job runs without a network. Promises the same answer to the same question and a fixed price per character; tests can
//! put any text before that, invalid JSON included.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State as From};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::pages::{all, classed, page, tag, text};

mod answers;
#[cfg(test)]
mod tests;

/// A handle on one model provider; clones share it.
#[derive(Clone, Default)]
pub struct Model {
    state: Arc<Mutex<State>>,
}

/// One call that was answered with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallView {
    /// `plan`, `code` or `review`; empty if the system text names none.
    pub step: String,
    /// The model asked for.
    pub model: String,
    /// The system text.
    pub system: String,
    /// The user's text.
    pub content: String,
    /// The text answered.
    pub answer: String,
    /// Tokens charged for reading.
    pub input_tokens: u64,
    /// Tokens charged for writing.
    pub output_tokens: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    calls: Vec<CallView>,
    scripts: BTreeMap<String, VecDeque<String>>,
    failures: VecDeque<u16>,
    arrived: u64,
}

impl Model {
    /// A provider nobody has asked anything yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The API.
    pub fn router(&self) -> Router {
        let unknown = async || Refusal::new(StatusCode::NOT_FOUND, "Not found");
        Router::new()
            .route("/v1/messages", post(messages))
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
            .layer(DefaultBodyLimit::disable())
            .with_state(self.clone())
    }

    /// A page for people: every call with its answer.
    pub fn pages(&self) -> Router {
        let state = async |From(model): From<Self>| Json(model.export());
        Router::new().route("/", get(overview)).route("/state.json", get(state)).with_state(self.clone())
    }

    /// Everything it knows, to be kept across a restart.
    pub fn export(&self) -> Value {
        serde_json::to_value(&*self.lock()).expect("the state has text keys and no floats")
    }

    /// Becomes what was exported.
    pub fn import(&self, exported: Value) -> Result<(), serde_json::Error> {
        *self.lock() = serde_json::from_value(exported)?;
        Ok(())
    }

    /// The next calls of this step get these texts, as they are, before answers are made up again.
    pub fn script(&self, step: &str, answers: Vec<String>) {
        self.lock().scripts.entry(step.to_owned()).or_default().extend(answers);
    }

    /// The next call fails with this status; several orders are filled one call each.
    pub fn fail_next(&self, status: u16) {
        self.lock().failures.push_back(status);
    }

    /// Every call that got a message, in order.
    pub fn calls(&self) -> Vec<CallView> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Asked {
    model: String,
    max_tokens: u64,
    #[serde(default)]
    system: Text,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Text,
}

/// A text, or blocks of text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Blocks(Vec<Block>),
}

#[derive(Deserialize)]
struct Block {
    text: String,
}

impl Default for Text {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

impl Text {
    fn joined(self) -> String {
        match self {
            Self::Plain(text) => text,
            Self::Blocks(blocks) => blocks.into_iter().map(|block| block.text).collect(),
        }
    }
}

async fn messages(From(model): From<Model>, headers: HeaderMap, body: Bytes) -> Response {
    let mut state = model.lock();
    state.arrived += 1;
    let id = format!("req_{:014}", state.arrived).parse().expect("letters and digits");
    let mut response = answer(&mut state, &headers, &body).map(Json).into_response();
    response.headers_mut().insert("request-id", id);
    response
}

fn answer(state: &mut State, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let given = |name| headers.get(name).is_some_and(|value| !value.as_bytes().is_empty());
    if !given("x-api-key") {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "x-api-key header is required"));
    }
    if !given("anthropic-version") {
        return Err(Refusal::invalid("anthropic-version: header is required"));
    }
    if let Some(status) = state.failures.pop_front() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Err(Refusal::new(status, "ordered by a test"));
    }
    let asked: Asked = serde_json::from_slice(body).map_err(|error| Refusal::invalid(error.to_string()))?;
    if asked.max_tokens == 0 {
        return Err(Refusal::invalid("max_tokens: must be greater than or equal to 1"));
    }
    if asked.messages.first().is_none_or(|message| message.role != "user") {
        return Err(Refusal::invalid("messages: first message must use the \"user\" role"));
    }
    Ok(message(state, asked))
}

fn message(state: &mut State, asked: Asked) -> Value {
    let system = asked.system.joined();
    let content: String = asked.messages.into_iter().map(|message| message.content.joined()).collect();
    let step = system.lines().next().and_then(|line| line.strip_prefix("step:")).map(str::trim).unwrap_or_default();
    let scripted = state.scripts.get_mut(step).and_then(VecDeque::pop_front);
    let whole = scripted.unwrap_or_else(|| answers::made_up(step, &content));
    let (answer, stop_reason) = cut(whole, asked.max_tokens);
    let call = CallView {
        step: step.to_owned(),
        model: asked.model,
        input_tokens: tokens(&system) + tokens(&content),
        output_tokens: tokens(&answer),
        system,
        content,
        answer,
    };
    let shape = json!({
        "id": format!("msg_{:020}", state.arrived),
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": [{"type": "text", "text": call.answer}],
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": {"input_tokens": call.input_tokens, "output_tokens": call.output_tokens},
    });
    state.calls.push(call);
    shape
}

const CHARS_PER_TOKEN: usize = 4;

fn tokens(text: &str) -> u64 {
    u64::try_from(text.chars().count().div_ceil(CHARS_PER_TOKEN)).unwrap_or(u64::MAX)
}

/// An answer longer than it may be ends in the middle of a word, as it would.
fn cut(text: String, max_tokens: u64) -> (String, &'static str) {
    if tokens(&text) <= max_tokens {
        return (text, "end_turn");
    }
    let chars = usize::try_from(max_tokens).unwrap_or(usize::MAX).saturating_mul(CHARS_PER_TOKEN);
    (text.chars().take(chars).collect(), "max_tokens")
}

struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    fn kind(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "invalid_request_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            _ => "api_error",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = json!({"type": self.kind(), "message": self.message});
        (self.status, Json(json!({"type": "error", "error": error}))).into_response()
    }
}

async fn overview(From(model): From<Model>) -> Response {
    let state = model.lock();
    let calls = state.calls.iter().enumerate().rev().map(|(at, call)| {
        let title = format!("{}. {} ({} → {} tokens)", at + 1, call.step, call.input_tokens, call.output_tokens);
        let parts = [&call.system, &call.content, &call.answer].map(|part| classed("div", "body", text(part)));
        all([tag("h2", text(title)), all(parts)])
    });
    page("Model calls", all(calls))
}
