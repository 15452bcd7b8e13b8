//! The errors of Stripe requests, and whether to retry.

use domain::retry::{Retry, Retryable};
use std::error::Error;
use std::fmt;
use std::time::Duration;
use stripe_client_core::StripeClientErr;

/// Why a request to Stripe failed.
#[derive(Debug)]
pub enum StripeError {
    /// The configured URL is invalid.
    Url,
    SecretKey,
    Unclear {
        /// The operation, such as "report the usage".
        operation: &'static str,
        source: Box<dyn Error + Send + Sync>,
    },
    /// Stripe carried out the request, but the response does not have the expected shape.
    Malformed {
        /// The cause, without any part of the response.
        why: String,
    },
    Unavailable {
        operation: &'static str,
        refusal: Refusal,
    },
    /// Too many requests, or a concurrent request on the same object.
    Busy {
        operation: &'static str,
        refusal: Refusal,
    },
    /// Stripe rejected the key, or the key lacks a permission.
    Credentials {
        operation: &'static str,
        refusal: Refusal,
    },
    /// Stripe rejects the request permanently.
    Refused {
        operation: &'static str,
        refusal: Refusal,
    },
    /// The idempotency key was used before for a different request.
    KeyReused {
        operation: &'static str,
        refusal: Refusal,
    },
    Unaskable {
        operation: &'static str,
        why: &'static str,
    },
}

/// A response that is not a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// Stripe's error code, or the error type if there is none.
    pub code: Option<String>,
    /// The part of the request that the error concerns, as far as callers need it.
    pub fault: Fault,
    /// Stripe's message, truncated; empty if the response is not Stripe's.
    pub message: String,
    /// Identifies the request in Stripe's log.
    pub request_id: Option<String>,
    pub retry_after: Option<Duration>,
    /// Stripe's advice on retrying.
    pub advice: Option<Advice>,
    /// Whether it is the stored response to an earlier request with the same key.
    pub origin: Origin,
}

impl Refusal {
    /// Whether the object in the path does not exist. A 404 without Stripe's error code does not
    /// count.
    pub(crate) fn is_of_missing(&self) -> bool {
        // `/v2` uses `not_found`.
        self.status == 404 && matches!(self.code.as_deref(), Some("resource_missing" | "not_found"))
    }

    fn is_of_reused_key(&self) -> bool {
        self.status == 400 && self.fault == Fault::Key
    }

    fn is_of_card(&self) -> bool {
        self.status == 402 && self.fault == Fault::Card
    }
}

/// What a refusal concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Key,
    Card,
    Other,
}

/// The value of `Stripe-Should-Retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    Retry,
    Stop,
}

/// Where a response comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Fresh,
    /// An earlier request with the same idempotency key.
    Replayed,
}

const CREDENTIALS_WAIT: Duration = Duration::from_secs(300);

impl Retryable for StripeError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unclear { .. } => Retry::Outage,
            Self::Malformed { .. } => Retry::Soon,
            Self::Unavailable { refusal, .. } => {
                refusal.retry_after.map_or(Retry::Outage, Retry::After)
            }
            Self::Busy { refusal, .. } => refusal.retry_after.map_or_else(
                || match refusal.status {
                    // Too many requests of all kinds, or none in time: not this one's fault.
                    408 | 429 => Retry::Outage,
                    _ => Retry::Soon,
                },
                Retry::After,
            ),
            Self::Url | Self::SecretKey | Self::Credentials { .. } => {
                Retry::Alarm(CREDENTIALS_WAIT)
            }
            Self::Refused { .. } | Self::KeyReused { .. } | Self::Unaskable { .. } => Retry::Never,
        }
    }
}

impl StripeError {
    /// Stripe's response, if there was one.
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

    /// Whether the idempotency key belongs to a different request.
    pub fn key_reused(&self) -> bool {
        matches!(self, Self::KeyReused { .. })
    }

    /// Whether Stripe stored a failure with the key. The key never returns anything else, so look
    /// up whether the request was carried out. If it was not, use a new key.
    pub fn failure_is_stored(&self) -> bool {
        matches!(self, Self::Unavailable { refusal, .. } if refusal.origin == Origin::Replayed)
    }

    /// Whether the bank or the cardholder is the cause.
    pub fn card_declined(&self) -> bool {
        self.refusal().is_some_and(Refusal::is_of_card)
    }

    /// Whether the bank wants the cardholder to confirm the payment.
    pub fn needs_confirmation(&self) -> bool {
        self.has_code("authentication_required")
    }

    /// Whether the payment is in a state that the call does not expect, such as paid already.
    pub fn unexpected_state(&self) -> bool {
        self.has_code("payment_intent_unexpected_state")
    }

    fn has_code(&self, code: &str) -> bool {
        self.refusal()
            .is_some_and(|refusal| refusal.code.as_deref() == Some(code))
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

/// async-stripe's parsers report their errors here. They parse successful responses only.
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
