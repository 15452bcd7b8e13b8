//! The providers' protocols, and their common error format.

mod anthropic;
mod openai;

use crate::conversation::{Conversation, Reply};
use crate::{Completion, ModelError, Prompt, Stop};
use bytes::Bytes;
use http::Response;
use http::header::RETRY_AFTER;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// A provider's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Anthropic,
    OpenAi,
}

impl Wire {
    pub const ALL: [Self; 2] = [Self::Anthropic, Self::OpenAi];

    /// The protocol's name in the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wire| wire.as_str() == text)
    }

    /// The path below the provider's URL.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Anthropic => anthropic::PATH,
            Self::OpenAi => openai::PATH,
        }
    }

    /// The headers that differ between protocols; one of them contains the key.
    pub(crate) fn headers(self, key: &str) -> Vec<(&'static str, String)> {
        match self {
            Self::Anthropic => anthropic::headers(key),
            Self::OpenAi => openai::headers(key),
        }
    }

    /// The body of a request.
    pub(crate) fn question(self, model: &str, prompt: &Prompt<'_>) -> Bytes {
        let body = match self {
            Self::Anthropic => anthropic::question(model, prompt),
            Self::OpenAi => openai::question(model, prompt),
        };
        Bytes::from(body.to_string())
    }

    /// The body of a request with tools.
    pub(crate) fn conversation(self, model: &str, conversation: &Conversation<'_>) -> Bytes {
        let body = match self {
            Self::Anthropic => anthropic::conversation(model, conversation),
            Self::OpenAi => openai::conversation(model, conversation),
        };
        Bytes::from(body.to_string())
    }

    /// Parses the model's next message. It can be empty: a caller answers that too.
    pub(crate) fn reply(self, body: &[u8]) -> Result<Reply, ModelError> {
        match self {
            Self::Anthropic => anthropic::reply(body),
            Self::OpenAi => openai::reply(body),
        }
    }

    /// Parses a successful response.
    pub(crate) fn completion(self, body: &[u8]) -> Result<Completion, ModelError> {
        let Reply {
            text,
            model,
            tokens,
            stop,
            ..
        } = self.reply(body)?;
        if text.is_empty() && stop == Stop::Finished {
            return Err(malformed("it has no text"));
        }
        Ok(Completion {
            text,
            model,
            tokens,
            stop,
        })
    }
}

/// The wait if the provider limits requests without naming a time.
const LIMIT_WAIT: Duration = Duration::from_secs(60);
const RETRY_AFTER_SECONDS_MAX: u64 = 86_400;
const MESSAGE_CHARS_MAX: usize = 300;
/// OpenAI's codes for an exhausted budget. They appear in the error's code, its type, or both.
const PURSE_CODES: [&str; 3] = [
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
];

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorShape,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorShape {
    message: String,
    #[serde(rename = "type")]
    kind: Value,
    code: Value,
}

impl ErrorShape {
    /// Whether the error is about our account's balance. Anthropic reports this in the message
    /// only.
    fn is_about_our_purse(&self) -> bool {
        let said = |word: &Value| {
            word.as_str()
                .is_some_and(|word| PURSE_CODES.contains(&word))
        };
        said(&self.code) || said(&self.kind) || self.message.contains("credit balance")
    }
}

/// Parses an error of the provider or of a gateway. All use the same format.
pub(crate) fn refusal(response: &Response<Bytes>) -> ModelError {
    let status = response.status().as_u16();
    let error = serde_json::from_slice::<ErrorBody>(response.body())
        .map(|body| body.error)
        .unwrap_or_default();
    let message = bounded(&error.message);
    let seconds = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let wait = seconds.map(|count| Duration::from_secs(count.clamp(1, RETRY_AFTER_SECONDS_MAX)));
    match status {
        // An exhausted balance is reported with 400 or 429, but the prompt is not the cause and
        // waiting a minute does not help: an operator has to act. The same applies to a model that
        // does not exist.
        400 | 429 if error.is_about_our_purse() => ModelError::Credentials { status, message },
        401..=404 => ModelError::Credentials { status, message },
        408 | 409 | 425 | 500..=599 => ModelError::Unavailable { status, wait },
        429 => ModelError::Limited {
            wait: wait.unwrap_or(LIMIT_WAIT),
        },
        _ => ModelError::Refused { status, message },
    }
}

/// Parses a response. The parser's message is dropped, because it quotes the input.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(body).map_err(|error| {
        malformed(format!(
            "it has another shape at line {} column {}",
            error.line(),
            error.column()
        ))
    })
}

fn malformed(why: impl Into<String>) -> ModelError {
    ModelError::Malformed { why: why.into() }
}

fn bounded(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE_CHARS_MAX)
        .collect()
}
