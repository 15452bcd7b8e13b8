//! The errors of model requests, and whether to retry.

use domain::retry::{Retry, Retryable};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why the model did not reply.
#[derive(Debug)]
pub enum ModelError {
    /// The configured URL is invalid.
    Url,
    ApiKey,
    Unclear {
        source: Box<dyn Error + Send + Sync>,
    },
    Malformed {
        /// The cause, without any part of the response.
        why: String,
    },
    /// The provider is overloaded or failed.
    Unavailable {
        status: u16,
        wait: Option<Duration>,
    },
    /// The provider limits our requests.
    Limited {
        wait: Duration,
    },
    /// The provider rejects our key: it is wrong, lacks permission or credit, or its model does not
    /// exist.
    Credentials {
        status: u16,
        message: String,
    },
    /// The provider rejects this prompt permanently.
    Refused {
        status: u16,
        message: String,
    },
    /// The model refuses to answer.
    Declined,
}

impl ModelError {
    /// Whether the request has cost nothing: the provider refused it, or it was not sent.
    pub const fn is_free(&self) -> bool {
        match self {
            Self::Url
            | Self::ApiKey
            | Self::Unavailable { .. }
            | Self::Limited { .. }
            | Self::Credentials { .. }
            | Self::Refused { .. } => true,
            Self::Unclear { .. } | Self::Malformed { .. } | Self::Declined => false,
        }
    }
}

const CREDENTIALS_WAIT: Duration = Duration::from_secs(300);

impl Retryable for ModelError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unclear { .. } | Self::Unavailable { wait: None, .. } => Retry::Outage,
            Self::Malformed { .. } => Retry::Soon,
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
