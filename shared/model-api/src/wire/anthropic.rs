//! Anthropic's Messages API.

use super::{malformed, read};
use crate::conversation::{Conversation, Message, Reply, Tool};
use crate::{ModelError, Prompt, Stop};
use domain::billing::usage::Tokens;
use domain::jobs::turns::{ToolCall, ToolResult};
use serde::Deserialize;
use serde_json::{Value, json};

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
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    input: Value,
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
pub fn question(model: &str, prompt: &Prompt<'_>) -> Value {
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

/// The body of a request with tools. Everything up to the last block is written to the cache, and
/// the next request reads it from there.
pub fn conversation(model: &str, conversation: &Conversation<'_>) -> Value {
    let mut messages: Vec<Value> = conversation.messages.iter().map(message).collect();
    if let Some(block) = messages
        .last_mut()
        .and_then(|last| last["content"].as_array_mut()?.last_mut())
    {
        block["cache_control"] = json!({ "type": "ephemeral" });
    }
    let tool = |tool: &Tool| {
        json!({
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.schema(),
        })
    };
    json!({
        "model": model,
        "max_tokens": conversation.tokens_max,
        "system": conversation.system,
        "tools": conversation.tools.iter().map(tool).collect::<Vec<_>>(),
        "messages": messages,
    })
}

fn message(message: &Message<'_>) -> Value {
    match message {
        Message::User(text) => json!({ "role": "user", "content": [text_block(text)] }),
        Message::Model { text, calls } => {
            // The API takes no text without a visible character.
            let text = (!text.trim().is_empty()).then(|| text_block(text));
            let calls = calls.iter().map(|call| {
                // The API takes objects only.
                let input: Value = serde_json::from_str(&call.input).unwrap_or_default();
                let input = if input.is_object() { input } else { json!({}) };
                json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
            });
            let content: Vec<Value> = text.into_iter().chain(calls).collect();
            json!({ "role": "assistant", "content": content })
        }
        Message::Results {
            calls,
            results,
            told,
        } => {
            let results = calls.iter().zip(*results).map(|(call, result)| {
                let ToolResult { text, failed } = result;
                json!({ "type": "tool_result", "tool_use_id": call.id, "content": text, "is_error": failed })
            });
            let content: Vec<Value> = results.chain(told.map(text_block)).collect();
            json!({ "role": "user", "content": content })
        }
    }
}

fn text_block(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// Parses a successful response.
pub fn reply(body: &[u8]) -> Result<Reply, ModelError> {
    let message: MessageShape = read(body)?;
    let stop = match message.stop_reason.as_deref() {
        Some("max_tokens" | "model_context_window_exceeded") => Stop::CutOff,
        Some("refusal") => return Err(ModelError::Declined),
        Some(_) => Stop::Finished,
        None => return Err(malformed("it does not say why it ends")),
    };
    let (mut text, mut calls) = (String::new(), Vec::new());
    for block in message.content {
        match block.kind.as_str() {
            "text" => text.push_str(&block.text),
            "tool_use" => calls.push(ToolCall {
                id: block.id,
                name: block.name,
                input: block.input.to_string(),
            }),
            _ => {}
        }
    }
    let usage = message.usage;
    let cache_read = usage.cache_read_input_tokens.unwrap_or_default();
    let cache_write = usage.cache_creation_input_tokens.unwrap_or_default();
    let cached = cache_read.saturating_add(cache_write);
    Ok(Reply {
        text,
        calls,
        model: message.model,
        tokens: Tokens {
            input: usage.input_tokens.saturating_add(cached),
            cache_read,
            cache_write,
            output: usage.output_tokens,
        },
        stop,
    })
}
