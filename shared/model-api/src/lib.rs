//! The wall to the model: one prompt, one reply, its tokens.
//!
//! Owns the provider's key and wire (Anthropic's Messages API, at whatever URL speaks it). Promises one try per call, a
//! bounded answer, and that neither key, prompt nor reply is ever printed. Decides nothing about what is asked or what
//! the reply is worth.
//!
//! Running it twice costs twice and does nothing else; a step's lease is what keeps that rare.

mod error;
mod wire;

pub use error::ModelError;

use domain::metering::Tokens;
use http::{HeaderValue, Request, Uri};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use tower::ServiceExt;

/// The house's way out: absolute URLs in, no redirects followed, time and size bounded. Its errors leave open whether
/// the call was carried out.
pub type Web = tower::util::BoxCloneSyncService<http::Request<bytes::Bytes>, http::Response<bytes::Bytes>, BoxError>;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which model, and who we are there.
pub struct ModelConfig {
    /// `https://api.anthropic.com`, or another one.
    pub url: String,
    /// The key.
    pub api_key: SecretString,
    /// The model's name.
    pub model: String,
}

/// The model.
#[derive(Clone)]
pub struct ModelApi {
    messages: Uri,
    api_key: HeaderValue,
    model: String,
    web: Web,
}

/// What the model is asked.
pub struct Prompt<'a> {
    /// What it is to be and to obey; may be empty.
    pub system: &'a str,
    /// What it is to answer.
    pub user: &'a str,
    /// How long its reply may get.
    pub tokens_max: u32,
}

/// What it replied.
#[derive(Clone, PartialEq, Eq)]
pub struct Completion {
    /// The reply.
    pub text: String,
    /// The model that gave it, by its full name.
    pub model: String,
    /// What it cost.
    pub tokens: Tokens,
    /// Whether that is all of it.
    pub stop: Stop,
}

/// Why a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The model had nothing to add.
    Finished,
    /// There was no more room.
    CutOff,
}

impl ModelApi {
    /// A client; it calls nobody.
    pub fn new(config: ModelConfig, web: Web) -> Result<Self, ModelError> {
        let address = format!("{}/v1/messages", config.url.trim_end_matches('/'));
        let messages: Uri = address.parse().map_err(|_| ModelError::Url)?;
        if messages.scheme().is_none() || messages.authority().is_none() {
            return Err(ModelError::Url);
        }
        let key = config.api_key.expose_secret().trim();
        let mut api_key = HeaderValue::try_from(key).map_err(|_| ModelError::ApiKey)?;
        if key.is_empty() {
            return Err(ModelError::ApiKey);
        }
        api_key.set_sensitive(true);
        Ok(Self { messages, api_key, model: config.model, web })
    }

    /// Asks once.
    pub async fn complete(&self, prompt: &Prompt<'_>) -> Result<Completion, ModelError> {
        let request = Request::post(self.messages.clone())
            .header("x-api-key", self.api_key.clone())
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
            .header("user-agent", concat!("tallyhook/", env!("CARGO_PKG_VERSION")))
            .body(wire::question(&self.model, prompt))
            .map_err(|source| ModelError::Unclear { source: source.into() })?;
        let response = self.web.clone().oneshot(request).await.map_err(|source| ModelError::Unclear { source })?;
        if response.status().is_success() { wire::completion(response.body()) } else { Err(wire::refusal(&response)) }
    }
}

/// Without the text, which is a customer's.
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
