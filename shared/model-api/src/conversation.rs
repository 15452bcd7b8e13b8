//! A conversation in which the model can call tools.
//!
//! Each request repeats the conversation so far, so what comes first never changes: the provider
//! reads it from its cache. Anthropic caches what a request marks, OpenAI what was sent before.

use crate::Stop;
use domain::billing::usage::Tokens;
use domain::jobs::turns::{ToolCall, ToolResult};
use serde_json::{Value, json};
use std::fmt;

/// A tool that the model can call.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    pub name: &'static str,
    pub description: &'static str,
    /// The arguments: each a name, its JSON type and what it is for.
    pub arguments: &'static [Argument],
}

#[derive(Debug, Clone, Copy)]
pub struct Argument {
    pub name: &'static str,
    /// `string` or `integer`.
    pub kind: &'static str,
    pub description: &'static str,
    pub required: bool,
}

impl Tool {
    /// The JSON schema of the arguments.
    pub(crate) fn schema(&self) -> Value {
        let properties = self.arguments.iter().map(|argument| {
            let shape = json!({ "type": argument.kind, "description": argument.description });
            (argument.name.to_owned(), shape)
        });
        let properties: serde_json::Map<String, Value> = properties.collect();
        let required = self.arguments.iter().filter(|argument| argument.required);
        let required: Vec<&str> = required.map(|argument| argument.name).collect();
        json!({ "type": "object", "properties": properties, "required": required })
    }
}

/// What a request asks.
pub struct Conversation<'a> {
    pub system: &'a str,
    pub tools: &'a [Tool],
    /// The user's first message, then what the model and its tools said in turn. Begins and ends
    /// with a message that is not the model's.
    pub messages: Vec<Message<'a>>,
    pub tokens_max: u32,
}

/// One message.
pub enum Message<'a> {
    User(&'a str),
    Model {
        text: &'a str,
        calls: &'a [ToolCall],
    },
    /// The results of the model's last calls, in their order, and what the user says after them.
    Results {
        calls: &'a [ToolCall],
        results: &'a [ToolResult],
        told: Option<&'a str>,
    },
}

/// The model's next message.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    pub text: String,
    pub calls: Vec<ToolCall>,
    /// The model's full name.
    pub model: String,
    pub tokens: Tokens,
    pub stop: Stop,
}

/// Omits the texts, which belong to a customer.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("text", &format_args!("{} bytes", self.text.len()))
            .field("calls", &self.calls.len())
            .field("model", &self.model)
            .field("tokens", &self.tokens)
            .field("stop", &self.stop)
            .finish()
    }
}
