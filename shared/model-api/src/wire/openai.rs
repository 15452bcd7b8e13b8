//! OpenAI's Chat Completions API, which many other providers and gateways support.

use super::{malformed, read};
use crate::{Completion, ModelError, Prompt, Stop};
use domain::billing::usage::Tokens;
use serde::Deserialize;
use serde_json::json;

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
}

/// The token counts. Cached tokens are included in the prompt's count, and reasoning tokens in the
/// completion's.
#[derive(Deserialize)]
struct UsageShape {
    prompt_tokens: u64,
    completion_tokens: u64,
}

/// The headers that are specific to this protocol.
pub fn headers(key: &str) -> Vec<(&'static str, String)> {
    vec![("authorization", format!("Bearer {key}"))]
}

/// The body of a request.
pub fn question(model: &str, prompt: &Prompt<'_>) -> serde_json::Value {
    let user = json!({ "role": "user", "content": prompt.user });
    let messages = if prompt.system.is_empty() {
        vec![user]
    } else {
        vec![json!({ "role": "system", "content": prompt.system }), user]
    };
    json!({ "model": model, "max_completion_tokens": prompt.tokens_max, "messages": messages })
}

/// Parses a successful response. We request one choice, so the first one is the reply.
pub fn completion(body: &[u8]) -> Result<Completion, ModelError> {
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
    let tokens = Tokens {
        input: usage.prompt_tokens,
        output: usage.completion_tokens,
    };
    Ok(Completion {
        text: message.content.unwrap_or_default(),
        model,
        tokens,
        stop,
    })
}
