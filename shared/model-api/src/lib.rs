//! The client for the model: a prompt or a conversation, one reply, and the tokens used.
//!
//! The crate owns the provider's key and its [`Wire`]: Anthropic's Messages API or OpenAI's Chat
//! Completions, at any URL that supports it. Each call is one attempt with a bounded response. The
//! key, the prompt and the reply are never printed. Callers write the prompts and price the
//! replies.
//!
//! Repeating a call has no effect except a second fee; the lease of a step makes that rare.

mod conversation;
mod error;
mod wire;

pub use conversation::{Argument, Conversation, Message, Reply, Tool};
pub use error::ModelError;
pub use wire::Wire;

use bytes::Bytes;
use domain::billing::usage::Tokens;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::time::Duration;
use tower::ServiceExt;

/// The HTTP transport: absolute URLs, no redirects, bounded time and size. After an error, the
/// request may or may not have been carried out.
pub type Web = tower::util::BoxCloneSyncService<
    http::Request<bytes::Bytes>,
    http::Response<bytes::Bytes>,
    BoxError,
>;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub struct ModelConfig {
    /// For example `https://api.anthropic.com`.
    pub url: String,
    pub wire: Wire,
    pub api_key: SecretString,
    pub model: String,
}

/// The client for the model.
#[derive(Clone)]
pub struct ModelApi {
    wire: Wire,
    address: Uri,
    headers: HeaderMap,
    model: String,
    web: Web,
}

pub struct Prompt<'a> {
    /// The system prompt; may be empty.
    pub system: &'a str,
    pub user: &'a str,
    pub tokens_max: u32,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Completion {
    pub text: String,
    /// The model's full name.
    pub model: String,
    pub tokens: Tokens,
    pub stop: Stop,
}

/// Why the reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Finished,
    /// The token limit was reached.
    CutOff,
}

/// The maximum time for a response.
pub const ANSWER_MAX: Duration = Duration::from_secs(240);

impl ModelApi {
    /// Creates the client without sending a request.
    pub fn new(config: ModelConfig, web: Web) -> Result<Self, ModelError> {
        let address = format!("{}{}", config.url.trim_end_matches('/'), config.wire.path());
        let address: Uri = address.parse().map_err(|_| ModelError::Url)?;
        if address.scheme().is_none() || address.authority().is_none() {
            return Err(ModelError::Url);
        }
        let headers = headers(config.wire, config.api_key.expose_secret().trim())?;
        Ok(Self {
            wire: config.wire,
            address,
            headers,
            model: config.model,
            web,
        })
    }

    /// Sends one prompt. The caller decides whether to retry.
    pub async fn complete(&self, prompt: &Prompt<'_>) -> Result<Completion, ModelError> {
        let body = self.send(self.wire.question(&self.model, prompt)).await?;
        self.wire.completion(&body)
    }

    /// Sends a conversation, and returns the model's next message.
    pub async fn converse(&self, conversation: &Conversation<'_>) -> Result<Reply, ModelError> {
        let question = self.wire.conversation(&self.model, conversation);
        self.wire.reply(&self.send(question).await?)
    }

    /// Sends one request, and returns the body of a successful response.
    async fn send(&self, body: Bytes) -> Result<Bytes, ModelError> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.address.clone();
        *request.headers_mut() = self.headers.clone();
        // A long reply takes minutes, and the transport's default limit is for services that
        // respond immediately.
        request.extensions_mut().insert(ANSWER_MAX);
        let response = self
            .web
            .clone()
            .oneshot(request)
            .await
            .map_err(|source| ModelError::Unclear { source })?;
        if response.status().is_success() {
            Ok(response.into_body())
        } else {
            Err(wire::refusal(&response))
        }
    }
}

fn headers(wire: Wire, key: &str) -> Result<HeaderMap, ModelError> {
    if key.is_empty() {
        return Err(ModelError::ApiKey);
    }
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("tallyhook/", env!("CARGO_PKG_VERSION"))),
    );
    for (name, text) in wire.headers(key) {
        let mut value = HeaderValue::try_from(text).map_err(|_| ModelError::ApiKey)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Omits the text, which belongs to a customer.
impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format_args!("{} bytes", self.text.len());
        f.debug_struct("Completion")
            .field("text", &text)
            .field("model", &self.model)
            .field("tokens", &self.tokens)
            .field("stop", &self.stop)
            .finish()
    }
}

#[cfg(test)]
mod tests;
