//! The last known state of an account's subscriptions and invoices.
//!
//! Stripe's events may arrive late, twice and out of order. Each event carries the second of its
//! creation, and the later event wins. A subscription that has ended stays ended. For two events of
//! the same second, the current state is fetched from Stripe.

use crate::billing::marketplace::MarketplacePurchase;
use crate::billing::plans::Span;
use crate::ids::{InvoiceId, PriceId, ProductId, SubscriptionId};
use crate::time::Timestamp;

/// A subscription at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub status: Status,
    pub items: Vec<SubscriptionItem>,
    /// The current period, if Stripe reports one.
    pub period: Option<Span>,
    /// When it will end, if it was cancelled.
    pub ends_at: Option<Timestamp>,
    pub trial_end: Option<Timestamp>,
    pub created_at: Timestamp,
    pub as_of: Timestamp,
}

/// What an account has agreed to pay for, at Stripe and on GitHub's Marketplace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contracts {
    pub subscriptions: Vec<Subscription>,
    pub purchases: Vec<MarketplacePurchase>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionItem {
    pub price: PriceId,
    pub product: Option<ProductId>,
    /// Absent for metered items.
    pub quantity: Option<u64>,
}

/// The status of a subscription, in Stripe's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Active,
    Trialing,
    /// A payment failed and is retried.
    PastDue,
    Unpaid,
    Paused,
    /// The first payment is outstanding.
    Incomplete,
    /// The first payment never arrived.
    IncompleteExpired,
    Canceled,
    /// A word that is newer than this code.
    Other(String),
}

impl Status {
    /// The known words.
    pub const KNOWN: [Self; 8] = [
        Self::Active,
        Self::Trialing,
        Self::PastDue,
        Self::Unpaid,
        Self::Paused,
        Self::Incomplete,
        Self::IncompleteExpired,
        Self::Canceled,
    ];

    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Trialing => "trialing",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Canceled => "canceled",
            Self::Other(word) => word,
        }
    }

    pub fn parse(text: &str) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|word| word.as_str() == text)
            .unwrap_or_else(|| Self::Other(text.to_owned()))
    }

    /// Whether Stripe never changes it again.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }
}

/// An invoice, as an event reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    pub id: InvoiceId,
    /// Set once the invoice is final.
    pub number: Option<String>,
    /// Stripe's word, such as `open` or `paid`.
    pub status: String,
    /// In minor units.
    pub amount_due_minor: i64,
    /// In minor units.
    pub amount_paid_minor: i64,
    pub currency: String,
    pub subscription: Option<SubscriptionId>,
    /// The page for the payer.
    pub url: Option<String>,
    pub created_at: Timestamp,
    /// When the event was created.
    pub as_of: Timestamp,
}

impl Invoice {
    /// The order of statuses; an invoice never moves backwards.
    pub fn rank(status: &str) -> u8 {
        match status {
            "draft" => 0,
            "open" => 1,
            "uncollectible" => 2,
            _ => 3,
        }
    }
}
