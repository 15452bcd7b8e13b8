//! Refusals: why a caller's request is not carried out. Only the caller can change that, so nothing
//! is retried.

use crate::retry::{Failure, Retryable};

/// What kind of obstacle a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grounds {
    /// The request is malformed or out of bounds.
    Invalid,
    /// The request needs a payment first.
    PaymentRequired,
    /// The caller may not do this.
    Forbidden,
    /// The thing does not exist, or belongs to another account.
    NotFound,
    /// The request conflicts with the present state.
    Conflict,
    /// The request is well-formed and cannot be carried out.
    Unprocessable,
    /// The caller has reached a limit that is lifted after this many seconds.
    TooMany { retry_after_seconds: u64 },
}

/// A refusal, as the caller reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub grounds: Grounds,
    /// A word for programs.
    pub code: &'static str,
    /// What is wrong and what to do, for people.
    pub detail: String,
}

impl Refusal {
    pub fn new(grounds: Grounds, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            grounds,
            code,
            detail: detail.into(),
        }
    }

    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Grounds::Invalid, code, detail)
    }

    pub fn payment_required(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Grounds::PaymentRequired, code, detail)
    }

    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Grounds::Forbidden, code, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Grounds::NotFound, "not_found", detail)
    }

    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Grounds::Conflict, code, detail)
    }

    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Grounds::Unprocessable, code, detail)
    }
}

/// Why a flow on behalf of a caller has ended without its result.
#[derive(Debug)]
pub enum FlowError {
    /// The request was refused.
    Refused(Refusal),
    /// Something that the flow depends on failed.
    Failed(Failure),
}

impl From<Refusal> for FlowError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E: Retryable> From<E> for FlowError {
    fn from(error: E) -> Self {
        Self::Failed(Failure::from(error))
    }
}
