//! The wall to the model: one prompt, one reply, its tokens.
//!
//! Owns the provider's key and its [`Wire`] (Anthropic's Messages API or OpenAI's Chat Completions, at whatever URL speaks
//! it). Promises one try per call, a bounded answer, and that neither key, prompt nor reply is ever printed. Decides
//! nothing about what is asked or what the reply is worth.
//!
//! Running it twice costs twice and does nothing else; a step's lease is what keeps that rare.

mod error;
mod wire;

pub use error::ModelError;
pub use wire::Wire;

use domain::billing::usage::Tokens;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::time::Duration;
use tower::ServiceExt;

/// The house's way out: absolute URLs in, no redirects followed, time and size bounded. Its errors leave open whether
/// the call was carried out.
pub type Web = tower::util::BoxCloneSyncService<
    http::Request<bytes::Bytes>,
    http::Response<bytes::Bytes>,
    BoxError,
>;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which model, and who we are there.
pub struct ModelConfig {
    /// `https://api.anthropic.com`, or another one.
    pub url: String,
    /// The language spoken there.
    pub wire: Wire,
    /// The key.
    pub api_key: SecretString,
    /// The model's name.
    pub model: String,
}

/// The model.
#[derive(Clone)]
pub struct ModelApi {
    wire: Wire,
    address: Uri,
    headers: HeaderMap,
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

/// How long an answer may take; the functions that ask have five minutes.
const ANSWER_MAX: Duration = Duration::from_secs(240);

impl ModelApi {
    /// A client; it calls nobody.
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

    /// Asks once.
    pub async fn complete(&self, prompt: &Prompt<'_>) -> Result<Completion, ModelError> {
        let mut request = Request::new(self.wire.question(&self.model, prompt));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.address.clone();
        *request.headers_mut() = self.headers.clone();
        // A long answer takes minutes; the client's usual limit is for services that answer at once.
        request.extensions_mut().insert(ANSWER_MAX);
        let response = self
            .web
            .clone()
            .oneshot(request)
            .await
            .map_err(|source| ModelError::Unclear { source })?;
        if response.status().is_success() {
            self.wire.completion(response.body())
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
