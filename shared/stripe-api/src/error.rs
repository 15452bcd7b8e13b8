//! What can go wrong at Stripe, and whether trying again makes sense.

use domain::retry::{Retry, Retryable};
use std::error::Error;
use std::fmt;
use std::time::Duration;
use stripe_client_core::StripeClientErr;

/// Why Stripe did not do what it was asked.
#[derive(Debug)]
pub enum StripeError {
    /// The configured URL is none.
    Url,
    /// The configured key cannot be one.
    SecretKey,
    /// No answer: it may have been done.
    Unclear {
        /// What was asked, as "report the usage".
        operation: &'static str,
        /// What the wire said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Stripe did it, and answered in another shape than its API's version has.
    Malformed {
        /// What was wrong with it; no part of it.
        why: String,
    },
    /// Stripe failed on its side.
    Unavailable {
        /// What was asked.
        operation: &'static str,
        /// What it said.
        refusal: Refusal,
    },
    /// Too many calls, or another one on the same thing at this moment.
    Busy {
        /// What was asked.
        operation: &'static str,
        /// What it said.
        refusal: Refusal,
    },
    /// Stripe does not let our key do this.
    Credentials {
        /// What was asked.
        operation: &'static str,
        /// What it said.
        refusal: Refusal,
    },
    /// Stripe cannot do this, whenever it is asked.
    Refused {
        /// What was asked.
        operation: &'static str,
        /// What it said.
        refusal: Refusal,
    },
    /// The idempotency key was used before, for something else: whoever fixed it has changed what it stands for.
    KeyReused {
        /// What was asked.
        operation: &'static str,
        /// What it said.
        refusal: Refusal,
    },
    /// Stripe cannot be asked this.
    Unaskable {
        /// What was asked.
        operation: &'static str,
        /// Why not.
        why: &'static str,
    },
}

/// An answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its status.
    pub status: u16,
    /// Stripe's word for the error; where it has none, its word for the kind.
    pub code: Option<String>,
    /// Whose fault Stripe says it is, as far as that matters.
    pub fault: Fault,
    /// Stripe's sentence, cut to length; empty where the answer was not Stripe's.
    pub message: String,
    /// By which Stripe finds it in its log.
    pub request_id: Option<String>,
    /// How long to wait.
    pub retry_after: Option<Duration>,
    /// Whether Stripe thinks that another try makes sense.
    pub advice: Option<Advice>,
    /// Whether it is the stored answer to an earlier call with the same key.
    pub origin: Origin,
}

impl Refusal {
    /// What the path names is not there. A page without Stripe's word for it does not say that.
    pub(crate) fn is_of_missing(&self) -> bool {
        // The second word is that of /v2.
        self.status == 404 && matches!(self.code.as_deref(), Some("resource_missing" | "not_found"))
    }

    fn is_of_reused_key(&self) -> bool {
        self.status == 400 && self.fault == Fault::Key
    }

    fn is_of_card(&self) -> bool {
        self.status == 402 && self.fault == Fault::Card
    }
}

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The idempotency key's.
    Key,
    /// The card's, or its holder's.
    Card,
    /// Anybody else's.
    Other,
}

/// What `Stripe-Should-Retry` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Try again.
    Retry,
    /// Do not.
    Stop,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From this call.
    Fresh,
    /// From an earlier call with the same idempotency key.
    Replayed,
}

const CREDENTIALS_WAIT: Duration = Duration::from_secs(300);

impl Retryable for StripeError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unclear { .. } | Self::Malformed { .. } => Retry::Soon,
            Self::Unavailable { refusal, .. } | Self::Busy { refusal, .. } => {
                refusal.retry_after.map_or(Retry::Soon, Retry::After)
            }
            Self::Url | Self::SecretKey | Self::Credentials { .. } => {
                Retry::Alarm(CREDENTIALS_WAIT)
            }
            Self::Refused { .. } | Self::KeyReused { .. } | Self::Unaskable { .. } => Retry::Never,
        }
    }
}

impl StripeError {
    /// What Stripe said, if it said something.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Unavailable { refusal, .. }
            | Self::Busy { refusal, .. }
            | Self::Credentials { refusal, .. }
            | Self::Refused { refusal, .. }
            | Self::KeyReused { refusal, .. } => Some(refusal),
            Self::Url
            | Self::SecretKey
            | Self::Unclear { .. }
            | Self::Malformed { .. }
            | Self::Unaskable { .. } => None,
        }
    }

    /// The key stands for another call already.
    pub fn key_reused(&self) -> bool {
        matches!(self, Self::KeyReused { .. })
    }

    /// A failure of Stripe's that is stored with its key: with this key it will never be anything else, so look up whether
    /// it was done, and take a new key if it was not.
    pub fn failure_is_stored(&self) -> bool {
        matches!(self, Self::Unavailable { refusal, .. } if refusal.origin == Origin::Replayed)
    }

    /// The bank or the card's holder is the cause, not we.
    pub fn card_declined(&self) -> bool {
        self.refusal().is_some_and(Refusal::is_of_card)
    }

    pub(crate) fn of_refusal(operation: &'static str, refusal: Refusal) -> Self {
        if refusal.is_of_reused_key() {
            return Self::KeyReused { operation, refusal };
        }
        match (refusal.status, refusal.advice) {
            (402, _) if refusal.is_of_card() => Self::Refused { operation, refusal },
            (401..=403, _) => Self::Credentials { operation, refusal },
            (408 | 409 | 424 | 425 | 429, _) => Self::Busy { operation, refusal },
            (500..=599, _) => Self::Unavailable { operation, refusal },
            (_, Some(Advice::Retry)) => Self::Busy { operation, refusal },
            (_, Some(Advice::Stop) | None) => Self::Refused { operation, refusal },
        }
    }
}

/// async-stripe's readers report here, and they read successes only.
impl StripeClientErr for StripeError {
    fn deserialize_err(msg: impl fmt::Display) -> Self {
        Self::Malformed {
            why: msg.to_string(),
        }
    }
}

impl fmt::Display for StripeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("Stripe's URL is not an absolute one, as https://api.stripe.com"),
            Self::SecretKey => f.write_str(
                "Stripe's secret key is not one: take the one that begins with sk_ or rk_ from the dashboard's API keys",
            ),
            Self::Unclear { operation, .. } => write!(f, "could not {operation}: no clear answer"),
            Self::Malformed { why } => write!(f, "could not read Stripe's answer: {why}"),
            Self::Unavailable { operation, refusal } => write!(f, "could not {operation}: Stripe failed with {refusal}"),
            Self::Busy { operation, refusal } => write!(f, "could not {operation}: asked to wait with {refusal}"),
            Self::Credentials { operation, refusal } => {
                write!(f, "could not {operation}: Stripe refuses our key with {refusal}")
            }
            Self::Refused { operation, refusal } => write!(f, "could not {operation}: refused with {refusal}"),
            Self::KeyReused { operation, refusal } => {
                write!(f, "could not {operation}: its idempotency key stands for something else: {refusal}")
            }
            Self::Unaskable { operation, why } => write!(f, "could not {operation}: {why}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match &self.request_id {
            Some(id) => write!(f, " ({id})"),
            None => Ok(()),
        }
    }
}

impl Error for StripeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unclear { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}
