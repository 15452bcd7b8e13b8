//! Refunds that operators request. Stripe makes them; the credits follow from the events that
//! Stripe sends about them, as for any other refund (`payments`).

use crate::ids::{AccountId, ActionId, PaymentId, RefundId};
use crate::time::Timestamp;
use crate::units::Money;
use std::collections::BTreeMap;
use std::fmt;

/// Identifies a requested refund; messages point to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefundKey {
    pub payment: PaymentId,
    /// The operator's request.
    pub act: ActionId,
}

/// A requested refund of a payment for credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedRefund {
    pub key: RefundKey,
    pub account: AccountId,
    /// What Stripe is asked for. Fixed when it is requested, also if the rest was requested.
    pub amount: Money,
    pub share: Share,
    /// The operator.
    pub by: String,
    pub reason: String,
    pub requested_at: Timestamp,
    pub progress: RefundProgress,
    /// The number of the idempotency key in use.
    pub key_number: u32,
}

/// How much an operator asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Everything that had not been refunded.
    Rest,
    /// The amount that the request names.
    Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundProgress {
    Requested,
    /// Stripe created this refund, which may still fail.
    Created(RefundId),
    /// Stripe refuses it, and says this.
    Refused(String),
}

impl RefundProgress {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Created(_) => "created",
            Self::Refused(_) => "refused",
        }
    }
}

/// The field of a refund's metadata that names the request.
const ACT: &str = "tallyhook_act";

impl RefundKey {
    /// The metadata of the refund. It finds the refund after Stripe has forgotten the idempotency
    /// key.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        [(ACT.to_owned(), self.act.to_string())].into()
    }

    /// Whether a refund with this metadata is the requested one.
    pub fn is_of(&self, metadata: &BTreeMap<String, String>) -> bool {
        metadata.get(ACT).map(String::as_str) == Some(self.act.as_str())
    }

    /// The text that messages contain.
    pub fn pointer(&self) -> String {
        format!("{}#{}", self.payment, self.act)
    }

    /// Parses a message's pointer.
    pub fn parse(text: &str) -> Result<Self, BadRefundKey> {
        let (payment, act) = text.rsplit_once('#').ok_or(BadRefundKey)?;
        Ok(Self {
            payment: PaymentId::parse(payment).map_err(|_| BadRefundKey)?,
            act: ActionId::parse(act).map_err(|_| BadRefundKey)?,
        })
    }
}

impl RequestedRefund {
    /// The idempotency key of the call. Stripe stores its own failures under a key, so another one
    /// is needed after such a failure.
    pub fn idempotency_key(&self) -> String {
        format!("tallyhook-refund-{}-{}", self.key.act, self.key_number)
    }

    /// Whether another request with the same idempotency key asks for the same.
    pub fn is_same(&self, other: &Self) -> bool {
        let same_amount = self.share == Share::Rest || self.amount == other.amount;
        self.key == other.key
            && self.share == other.share
            && self.reason == other.reason
            && same_amount
    }
}

/// A malformed pointer to a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRefundKey;

impl fmt::Display for BadRefundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a refund pointer consists of a payment id, `#` and the id of a request")
    }
}

impl std::error::Error for BadRefundKey {}
