//! Anthropic's Messages API.

use super::{malformed, read};
use crate::{Completion, ModelError, Prompt, Stop};
use domain::billing::usage::Tokens;
use serde::Deserialize;
use serde_json::json;

pub const PATH: &str = "/v1/messages";

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

/// The headers that are specific to this protocol.
pub fn headers(key: &str) -> Vec<(&'static str, String)> {
    vec![
        ("x-api-key", key.to_owned()),
        ("anthropic-version", "2023-06-01".to_owned()),
    ]
}

/// The body of a request.
pub fn question(model: &str, prompt: &Prompt<'_>) -> serde_json::Value {
    let mut body = json!({
        "model": model,
        "max_tokens": prompt.tokens_max,
        "messages": [{ "role": "user", "content": prompt.user }],
    });
    if !prompt.system.is_empty() {
        body["system"] = json!(prompt.system);
    }
    body
}

/// Parses a successful response.
pub fn completion(body: &[u8]) -> Result<Completion, ModelError> {
    let message: MessageShape = read(body)?;
    let stop = match message.stop_reason.as_deref() {
        Some("max_tokens" | "model_context_window_exceeded") => Stop::CutOff,
        Some("refusal") => return Err(ModelError::Declined),
        Some(_) => Stop::Finished,
        None => return Err(malformed("it does not say why it ends")),
    };
    let text = message
        .content
        .into_iter()
        .filter(|block| block.kind == "text")
        .map(|block| block.text)
        .collect();
    let usage = message.usage;
    let cached = [
        usage.cache_creation_input_tokens,
        usage.cache_read_input_tokens,
    ];
    let input = cached
        .into_iter()
        .flatten()
        .fold(usage.input_tokens, u64::saturating_add);
    Ok(Completion {
        text,
        model: message.model,
        tokens: Tokens {
            input,
            output: usage.output_tokens,
        },
        stop,
    })
}
