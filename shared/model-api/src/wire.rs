//! The shapes of Anthropic's Messages API, read tolerantly.

use crate::{Completion, ModelError, Prompt, Stop};
use bytes::Bytes;
use domain::metering::Tokens;
use http::Response;
use http::header::RETRY_AFTER;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// Where the provider sets a limit without saying for how long.
const LIMIT_WAIT: Duration = Duration::from_secs(60);
const RETRY_AFTER_SECONDS_MAX: u64 = 86_400;
const MESSAGE_CHARS_MAX: usize = 300;

#[derive(Deserialize)]
struct MessageShape {
    model: String,
    content: Vec<BlockShape>,
    stop_reason: Option<String>,
    usage: UsageShape,
}

#[derive(Deserialize)]
struct BlockShape {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct UsageShape {
    input_tokens: u64,
    output_tokens: u64,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorShape,
}

#[derive(Deserialize)]
struct ErrorShape {
    #[serde(default)]
    message: String,
}

/// The body of a request.
pub fn question(model: &str, prompt: &Prompt<'_>) -> Bytes {
    let mut body = json!({
        "model": model,
        "max_tokens": prompt.tokens_max,
        "messages": [{ "role": "user", "content": prompt.user }],
    });
    if !prompt.system.is_empty() {
        body["system"] = json!(prompt.system);
    }
    Bytes::from(body.to_string())
}

/// Reads a success. The reader's own words are not kept, because they quote what they stumbled over.
pub fn completion(body: &[u8]) -> Result<Completion, ModelError> {
    let message: MessageShape = serde_json::from_slice(body).map_err(|error| {
        malformed(format!("it has another shape at line {} column {}", error.line(), error.column()))
    })?;
    let stop = match message.stop_reason.as_deref() {
        Some("max_tokens" | "model_context_window_exceeded") => Stop::CutOff,
        Some("refusal") => return Err(ModelError::Declined),
        Some(_) => Stop::Finished,
        None => return Err(malformed("it does not say why it ends".to_owned())),
    };
    let text: String =
        message.content.into_iter().filter(|block| block.kind == "text").map(|block| block.text).collect();
    if text.is_empty() && stop == Stop::Finished {
        return Err(malformed("it has no text".to_owned()));
    }
    let usage = message.usage;
    let cached = [usage.cache_creation_input_tokens, usage.cache_read_input_tokens];
    let input = cached.into_iter().flatten().fold(usage.input_tokens, u64::saturating_add);
    Ok(Completion { text, model: message.model, tokens: Tokens { input, output: usage.output_tokens }, stop })
}

/// Reads what is no success, the provider's or a gateway's.
pub fn refusal(response: &Response<Bytes>) -> ModelError {
    let status = response.status().as_u16();
    let message = serde_json::from_slice::<ErrorBody>(response.body()).map(|body| bounded(&body.error.message));
    let message = message.unwrap_or_default();
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let wait = seconds.map(|count| Duration::from_secs(count.clamp(1, RETRY_AFTER_SECONDS_MAX)));
    match status {
        // An empty purse comes as a 400; it is our own matter, not the prompt's. So is a model that is not there.
        400 if message.contains("credit balance") => ModelError::Credentials { status, message },
        401..=404 => ModelError::Credentials { status, message },
        408 | 409 | 425 | 500..=599 => ModelError::Unavailable { status, wait },
        429 => ModelError::Limited { wait: wait.unwrap_or(LIMIT_WAIT) },
        _ => ModelError::Refused { status, message },
    }
}

fn malformed(why: String) -> ModelError {
    ModelError::Malformed { why }
}

fn bounded(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_CHARS_MAX).collect()
}
