//! A stand-in for the model providers: Anthropic's and OpenAI's APIs with one small agent behind
//! both.
//!
//! The agent plans over a file list, replaces one text with another and approves a diff, so a whole
//! job runs without a network. The same question gets the same answer, and tokens have a fixed
//! size. Tests can script any answer, including invalid JSON. Where a request has tools, an answer
//! `{"title", "body", "changes"}` becomes calls that make the changes and submit them, and
//! `{"calls": [{"name", "input"}]}` becomes these calls.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{DefaultBodyLimit, State as From};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use stand_in_shared::html::{all, classed, page, tag, text};

mod answers;
mod anthropic;
mod openai;
#[cfg(test)]
mod tests;

/// A model provider. Clones share it.
#[derive(Clone, Default)]
pub struct Model {
    state: Arc<Mutex<State>>,
}

/// One answered call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallView {
    /// `plan`, `code` or `review`; empty if the system text names no step.
    pub step: String,
    /// The requested model.
    pub model: String,
    /// The system text.
    pub system: String,
    /// The user's text.
    pub content: String,
    /// The text of the answer. Calls of tools are in it as JSON.
    pub answer: String,
    /// Tokens charged for input, including those of the cache.
    pub input_tokens: u64,
    /// Tokens that were read from the cache.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Tokens charged for output.
    pub output_tokens: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    calls: Vec<CallView>,
    scripts: BTreeMap<String, VecDeque<String>>,
    /// Answers by the step and the number of answers before.
    #[serde(default)]
    turns: BTreeMap<String, Vec<String>>,
    failures: VecDeque<u16>,
    arrived: u64,
    /// How many tokens of each conversation are in the cache.
    #[serde(default)]
    cached: BTreeMap<String, u64>,
}

impl Model {
    pub fn new() -> Self {
        Self::default()
    }

    /// The API.
    pub fn router(&self) -> Router {
        let unknown =
            async || anthropic::refused(&Refusal::new(StatusCode::NOT_FOUND, "Not found"));
        Router::new()
            .route("/v1/messages", post(anthropic::messages))
            .route("/v1/chat/completions", post(openai::chat_completions))
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
            .layer(DefaultBodyLimit::disable())
            .with_state(self.clone())
    }

    /// A page that shows every call with its answer.
    pub fn pages(&self) -> Router {
        let state = async |From(model): From<Self>| Json(model.export());
        Router::new()
            .route("/", get(overview))
            .route("/state.json", get(state))
            .with_state(self.clone())
    }

    /// The whole state, to keep across a restart.
    pub fn export(&self) -> Value {
        serde_json::to_value(&*self.lock()).expect("the state has text keys and no floats")
    }

    /// Restores an exported state.
    pub fn import(&self, exported: Value) -> Result<(), serde_json::Error> {
        *self.lock() = serde_json::from_value(exported)?;
        Ok(())
    }

    /// Scripts the answers of the next calls of this step.
    pub fn script(&self, step: &str, answers: Vec<String>) {
        self.lock()
            .scripts
            .entry(step.to_owned())
            .or_default()
            .extend(answers);
    }

    /// Scripts the answers of every conversation of this step, one for each turn. A turn that is asked
    /// for again has the same answer.
    pub fn script_turns(&self, step: &str, answers: Vec<String>) {
        self.lock().turns.insert(step.to_owned(), answers);
    }

    /// Makes the next call fail with this status. Several failures affect one call each.
    pub fn fail_next(&self, status: u16) {
        self.lock().failures.push_back(status);
    }

    /// Every call that was answered with a message, in order.
    pub fn calls(&self) -> Vec<CallView> {
        self.lock().calls.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, independent of the API that it came through.
struct Asked {
    model: String,
    system: String,
    talk: Talk,
    tokens_max: u64,
    has_tools: bool,
    /// Whether the prompt is written to the cache.
    caches: bool,
}

/// What users, the model and its tools have said.
#[derive(Default)]
struct Talk {
    /// The user's first message.
    question: String,
    /// The user's other messages.
    told: Vec<String>,
    /// How often the model has answered.
    answers: usize,
    /// Whether one of the last calls has failed.
    failed: bool,
    /// All of it.
    whole: String,
}

impl Talk {
    fn user(&mut self, text: String) {
        self.whole.push_str(&text);
        if self.question.is_empty() {
            self.question = text;
        } else {
            self.told.push(text);
        }
    }
}

/// How an answer ends.
enum End {
    Said,
    Called(Vec<answers::Call>),
    CutOff,
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
    #[serde(default)]
    text: String,
}

impl Text {
    fn joined(self) -> String {
        match self {
            Self::Plain(text) => text,
            Self::Blocks(blocks) => blocks.into_iter().map(|block| block.text).collect(),
        }
    }
}

impl State {
    /// Counts a request and returns its id.
    fn arrive(&mut self) -> HeaderValue {
        self.arrived += 1;
        HeaderValue::from_str(&format!("req_{:014}", self.arrived)).expect("letters and digits")
    }

    /// Fails if a test ordered a failure.
    fn fail(&mut self) -> Result<(), Refusal> {
        let Some(status) = self.failures.pop_front() else {
            return Ok(());
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Err(Refusal::new(status, "ordered by a test"))
    }

    fn complete(&mut self, asked: Asked) -> (CallView, End) {
        let Asked {
            model,
            system,
            talk,
            tokens_max,
            has_tools,
            caches,
        } = asked;
        let step = system
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("step:"))
            .map(str::trim)
            .unwrap_or_default();
        let scripted = self.scripts.get_mut(step).and_then(VecDeque::pop_front);
        let turns = self.turns.get(step);
        let scripted = scripted.or_else(|| turns?.get(talk.answers).cloned());
        let whole = scripted.unwrap_or_else(|| answers::made_up(step, &talk));
        let (answer, mut end) = cut(whole, tokens_max);
        if let End::Said = end
            && has_tools
            && let Some(calls) = answers::calls(&answer)
        {
            end = End::Called(calls);
        }
        let input_tokens = tokens(&system) + tokens(&talk.whole);
        let cached_tokens = if caches {
            let key = format!("{model} {} {}", step, digest(&talk.question));
            let before = self.cached.insert(key, input_tokens);
            before.unwrap_or_default().min(input_tokens)
        } else {
            0
        };
        let call = CallView {
            step: step.to_owned(),
            model,
            input_tokens,
            cached_tokens,
            output_tokens: tokens(&answer),
            system,
            content: talk.whole,
            answer,
        };
        self.calls.push(call.clone());
        (call, end)
    }
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

const CHARS_PER_TOKEN: usize = 4;

fn tokens(text: &str) -> u64 {
    u64::try_from(text.chars().count().div_ceil(CHARS_PER_TOKEN)).unwrap_or(u64::MAX)
}

/// Cuts an answer off at the token limit.
fn cut(text: String, tokens_max: u64) -> (String, End) {
    if tokens(&text) <= tokens_max {
        return (text, End::Said);
    }
    let chars = usize::try_from(tokens_max)
        .unwrap_or(usize::MAX)
        .saturating_mul(CHARS_PER_TOKEN);
    (text.chars().take(chars).collect(), End::CutOff)
}

struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

async fn overview(From(model): From<Model>) -> Response {
    let state = model.lock();
    let calls = state.calls.iter().enumerate().rev().map(|(at, call)| {
        let title = format!(
            "{}. {} ({} → {} tokens)",
            at + 1,
            call.step,
            call.input_tokens,
            call.output_tokens
        );
        let parts = [&call.system, &call.content, &call.answer]
            .map(|part| classed("div", "body", text(part)));
        all([tag("h2", text(title)), all(parts)])
    });
    page("Model calls", all(calls))
}
