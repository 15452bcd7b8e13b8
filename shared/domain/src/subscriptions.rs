//! What Stripe last said about an account's subscription and invoices.
//!
//! Stripe's events come late, doubled and out of order. Each carries the moment it was made; a later moment wins, and a
//! subscription that has been cancelled stays so.

use crate::ids::{InvoiceId, SubscriptionId};
use crate::time::Timestamp;

/// A subscription, as one event tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Which.
    pub id: SubscriptionId,
    /// Stripe's word: `active`, `past_due`, `canceled` and so on.
    pub status: String,
    /// The end of the period that is paid for, where Stripe says it.
    pub period_end: Option<Timestamp>,
    /// When the event was made.
    pub as_of: Timestamp,
}

impl Subscription {
    /// Stripe's final word.
    pub const CANCELED: &'static str = "canceled";
}

/// An invoice, as one event tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Which.
    pub id: InvoiceId,
    /// Stripe's word: `open`, `paid` and so on.
    pub status: String,
    /// What was asked, in minor units.
    pub amount_due_minor: i64,
    /// In which currency.
    pub currency: String,
    /// When the event was made.
    pub as_of: Timestamp,
}
