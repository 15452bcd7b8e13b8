//! What Stripe last said about an account's subscriptions and invoices.
//!
//! Stripe's events come late, doubled and out of order. Each carries the second it was made in; a later one wins, a
//! subscription that has ended stays so, and of two of the same second Stripe is asked.

use crate::billing::marketplace::MarketplacePurchase;
use crate::billing::plans::Span;
use crate::ids::{InvoiceId, PriceId, ProductId, SubscriptionId};
use crate::time::Timestamp;

/// A subscription, as Stripe tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Which.
    pub id: SubscriptionId,
    /// Where it stands.
    pub status: Status,
    /// What is subscribed to.
    pub items: Vec<SubscriptionItem>,
    /// The period it is in, where Stripe says it.
    pub period: Option<Span>,
    /// When it will end, if somebody has cancelled it.
    pub ends_at: Option<Timestamp>,
    /// When it must be paid for, while it is being tried.
    pub trial_end: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When Stripe said all this.
    pub as_of: Timestamp,
}

/// What an account has agreed to pay for, wherever it is billed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contracts {
    /// At Stripe.
    pub subscriptions: Vec<Subscription>,
    /// On GitHub's Marketplace, by its owners.
    pub purchases: Vec<MarketplacePurchase>,
}

/// One thing subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionItem {
    /// By which price.
    pub price: PriceId,
    /// Which product, where Stripe says it.
    pub product: Option<ProductId>,
    /// How many; metered ones have none.
    pub quantity: Option<u64>,
}

/// Where a subscription stands, in Stripe's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Paid.
    Active,
    /// Being tried.
    Trialing,
    /// A payment has failed and is tried again.
    PastDue,
    /// Payments have failed for good.
    Unpaid,
    /// The trial is over and nobody pays.
    Paused,
    /// The first payment has not come.
    Incomplete,
    /// The first payment never came.
    IncompleteExpired,
    /// Over.
    Canceled,
    /// A word that Stripe has added since this was written.
    Other(String),
}

impl Status {
    /// Every word we know.
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

    /// Stripe's word.
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

    /// Reads Stripe's word.
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

/// An invoice, as one event tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Which.
    pub id: InvoiceId,
    /// The number that stands on it, once it is final.
    pub number: Option<String>,
    /// Stripe's word: `open`, `paid` and so on.
    pub status: String,
    /// What was asked, in minor units.
    pub amount_due_minor: i64,
    /// What was paid, in minor units.
    pub amount_paid_minor: i64,
    /// In which currency.
    pub currency: String,
    /// For which subscription, if for one.
    pub subscription: Option<SubscriptionId>,
    /// Where its payer sees it.
    pub url: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the event was made.
    pub as_of: Timestamp,
}

impl Invoice {
    /// How far along its life a status is; an invoice never goes back.
    pub fn rank(status: &str) -> u8 {
        match status {
            "draft" => 0,
            "open" => 1,
            "uncollectible" => 2,
            _ => 3,
        }
    }
}
