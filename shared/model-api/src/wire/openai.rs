//! OpenAI's Chat Completions API, which many other providers and gateways support.

use super::{malformed, read};
use crate::conversation::{Conversation, Message, Reply, Tool};
use crate::{ModelError, Prompt, Stop};
use domain::billing::usage::Tokens;
use domain::jobs::turns::{ToolCall, ToolResult};
use serde::Deserialize;
use serde_json::{Value, json};

pub const PATH: &str = "/v1/chat/completions";

#[derive(Deserialize)]
struct CompletionShape {
    model: String,
    choices: Vec<ChoiceShape>,
    usage: UsageShape,
}

#[derive(Deserialize)]
struct ChoiceShape {
    message: MessageShape,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct MessageShape {
    content: Option<String>,
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<CallShape>>,
}

#[derive(Deserialize)]
struct CallShape {
    id: String,
    function: FunctionShape,
}

#[derive(Deserialize)]
struct FunctionShape {
    name: String,
    arguments: String,
}

/// The token counts. Cached tokens are included in the prompt's count, and reasoning tokens in the
/// completion's.
#[derive(Deserialize)]
struct UsageShape {
    prompt_tokens: u64,
    completion_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<DetailsShape>,
}

#[derive(Deserialize)]
struct DetailsShape {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

/// The headers that are specific to this protocol.
pub fn headers(key: &str) -> Vec<(&'static str, String)> {
    vec![("authorization", format!("Bearer {key}"))]
}

/// The body of a request.
pub fn question(model: &str, prompt: &Prompt<'_>) -> Value {
    let user = json!({ "role": "user", "content": prompt.user });
    let messages = if prompt.system.is_empty() {
        vec![user]
    } else {
        vec![json!({ "role": "system", "content": prompt.system }), user]
    };
    json!({ "model": model, "max_completion_tokens": prompt.tokens_max, "messages": messages })
}

/// The body of a request with tools.
pub fn conversation(model: &str, conversation: &Conversation<'_>) -> Value {
    let mut messages = vec![json!({ "role": "system", "content": conversation.system })];
    messages.extend(conversation.messages.iter().flat_map(message));
    let tool = |tool: &Tool| {
        json!({ "type": "function", "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.schema(),
        }})
    };
    json!({
        "model": model,
        "max_completion_tokens": conversation.tokens_max,
        "tools": conversation.tools.iter().map(tool).collect::<Vec<_>>(),
        "messages": messages,
    })
}

/// Each result is a message of its own. The API has no mark for a failed call, so its text says it.
fn message(message: &Message<'_>) -> Vec<Value> {
    let user = |text: &str| json!({ "role": "user", "content": text });
    match message {
        Message::User(text) => vec![user(text)],
        Message::Model { text, calls } => {
            let mut message = json!({ "role": "assistant", "content": text });
            if !calls.is_empty() {
                let call = |call: &ToolCall| {
                    json!({ "id": call.id, "type": "function",
                        "function": { "name": call.name, "arguments": call.input } })
                };
                message["tool_calls"] = calls.iter().map(call).collect();
            }
            vec![message]
        }
        Message::Results {
            calls,
            results,
            told,
        } => {
            let results = calls.iter().zip(*results).map(|(call, result)| {
                let ToolResult { text, failed } = result;
                let content = if *failed {
                    format!("Error: {text}")
                } else {
                    text.clone()
                };
                json!({ "role": "tool", "tool_call_id": call.id, "content": content })
            });
            results.chain(told.map(user)).collect()
        }
    }
}

/// Parses a successful response. We request one choice, so the first one is the
/// reply.
pub fn reply(body: &[u8]) -> Result<Reply, ModelError> {
    let CompletionShape {
        model,
        choices,
        usage,
    } = read(body)?;
    let Some(ChoiceShape {
        message,
        finish_reason,
    }) = choices.into_iter().next()
    else {
        return Err(malformed("it has no choice"));
    };
    let declines = message.refusal.is_some_and(|words| !words.is_empty());
    let stop = match finish_reason.as_deref() {
        Some("content_filter") => return Err(ModelError::Declined),
        Some(_) if declines => return Err(ModelError::Declined),
        Some("length") => Stop::CutOff,
        Some(_) => Stop::Finished,
        None => return Err(malformed("it does not say why it ends")),
    };
    let call = |call: CallShape| ToolCall {
        id: call.id,
        name: call.function.name,
        input: call.function.arguments,
    };
    let cached = usage
        .prompt_tokens_details
        .and_then(|details| details.cached_tokens);
    Ok(Reply {
        text: message.content.unwrap_or_default(),
        calls: message.tool_calls.into_iter().flatten().map(call).collect(),
        model,
        tokens: Tokens {
            input: usage.prompt_tokens,
            cache_read: cached.unwrap_or_default().min(usage.prompt_tokens),
            cache_write: 0,
            output: usage.completion_tokens,
        },
        stop,
    })
}
