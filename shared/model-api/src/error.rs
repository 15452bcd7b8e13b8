//! What can go wrong at the model, and whether trying again makes sense.

use domain::retry::{Retry, Retryable};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why the model did not reply.
#[derive(Debug)]
pub enum ModelError {
    /// The configured URL is none.
    Url,
    /// The configured key cannot be one.
    ApiKey,
    /// No answer: it may have been paid for.
    Unclear {
        /// What the wire said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An answer in another shape than the API's.
    Malformed {
        /// What was wrong with it; no part of it.
        why: String,
    },
    /// The provider is overloaded, or failed on its side.
    Unavailable {
        /// The answer's status.
        status: u16,
        /// How long it wants to be left alone.
        wait: Option<Duration>,
    },
    /// The provider takes no more from us for a while.
    Limited {
        /// How long.
        wait: Duration,
    },
    /// The provider does not serve our key: wrong, without rights or credit, or for a model it does not have.
    Credentials {
        /// The answer's status.
        status: u16,
        /// The provider's words.
        message: String,
    },
    /// The provider cannot take this prompt, whenever it is sent.
    Refused {
        /// The answer's status.
        status: u16,
        /// The provider's words.
        message: String,
    },
    /// The model will not answer this.
    Declined,
}

const CREDENTIALS_WAIT: Duration = Duration::from_secs(300);

impl Retryable for ModelError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unclear { .. }
            | Self::Malformed { .. }
            | Self::Unavailable { wait: None, .. } => Retry::Soon,
            Self::Unavailable {
                wait: Some(wait), ..
            }
            | Self::Limited { wait } => Retry::After(*wait),
            Self::Url | Self::ApiKey | Self::Credentials { .. } => Retry::Alarm(CREDENTIALS_WAIT),
            Self::Refused { .. } | Self::Declined => Retry::Never,
        }
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => {
                f.write_str("the model's URL is not an absolute one, as https://api.anthropic.com")
            }
            Self::ApiKey => {
                f.write_str("the model's API key is not one: create one in the provider's console")
            }
            Self::Unclear { .. } => f.write_str("could not ask the model: no clear answer"),
            Self::Malformed { why } => write!(f, "could not read the model's answer: {why}"),
            Self::Unavailable { status, .. } => write!(
                f,
                "could not ask the model: the provider failed with {status}"
            ),
            Self::Limited { wait } => write!(
                f,
                "could not ask the model: asked to wait {} s",
                wait.as_secs()
            ),
            Self::Credentials { status, message } => {
                write!(
                    f,
                    "could not ask the model: our key is refused with {status}: {message}"
                )
            }
            Self::Refused { status, message } => write!(
                f,
                "could not ask the model: refused with {status}: {message}"
            ),
            Self::Declined => f.write_str("the model declined to answer"),
        }
    }
}

impl Error for ModelError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unclear { source } => Some(source.as_ref()),
            _ => None,
        }
    }
}
