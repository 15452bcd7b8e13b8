//! The last known state of an account's subscriptions and invoices.
//!
//! Stripe's events may arrive late, twice and out of order. Each event carries the second of its
//! creation, and the later event wins. A subscription that has ended stays ended. For two events of
//! the same second, the current state is fetched from Stripe. The time of a failed payment is kept
//! with its invoice, because a subscription does not say since when it is past due.

use crate::billing::marketplace::MarketplacePurchase;
use crate::billing::plans::{PlanId, Span};
use crate::ids::{InvoiceId, PriceId, ProductId, SubscriptionId};
use crate::text::words;
use crate::time::Timestamp;
use std::collections::BTreeMap;

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
    /// The payment failures of subscriptions, known for those that are past due.
    pub failures: PaymentFailures,
    /// The changes that Stripe makes when a period ends.
    pub planned: BTreeMap<SubscriptionId, PlannedChange>,
}

/// A change of plan that Stripe makes when the period ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedChange {
    /// Absent if the prices sell no plan of ours.
    pub plan: Option<PlanId>,
    pub at: Timestamp,
}

impl Contracts {
    /// The planned change of a subscription, unless its time has come.
    pub fn planned(&self, id: &SubscriptionId, now: Timestamp) -> Option<&PlannedChange> {
        self.planned.get(id).filter(|planned| planned.at > now)
    }
}

/// For each subscription, the payment that it waits for.
pub type PaymentFailures = BTreeMap<SubscriptionId, PaymentFailure>;

/// An unpaid invoice whose payment failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaymentFailure {
    /// When a payment failed for the first time.
    pub since: Timestamp,
    pub invoice: InvoiceId,
}

/// Finds the payment that each subscription waits for: of its unpaid invoices since the last paid
/// one, the one that failed first. A bank debit can fail days after its invoice was created, and
/// the invoice does not say when, so `failed_at` comes from the events. Every event adds what it
/// knows, so the result is the same in every order of events.
pub fn payment_failures(invoices: &[(Invoice, Option<Timestamp>)]) -> PaymentFailures {
    let mut paid: BTreeMap<&SubscriptionId, Timestamp> = BTreeMap::new();
    for (invoice, _) in invoices {
        if let (Some(id), true) = (&invoice.subscription, invoice.status == "paid") {
            let last = paid.entry(id).or_insert(invoice.created_at);
            *last = invoice.created_at.max(*last);
        }
    }
    let mut failures = PaymentFailures::new();
    for (invoice, failed_at) in invoices {
        let (Some(id), Some(since)) = (&invoice.subscription, failed_at) else {
            continue;
        };
        let superseded = paid.get(id).is_some_and(|paid| invoice.created_at <= *paid);
        if !invoice.is_unpaid() || superseded {
            continue;
        }
        let failure = PaymentFailure {
            since: *since,
            invoice: invoice.id.clone(),
        };
        let first = failures
            .entry(id.clone())
            .or_insert_with(|| failure.clone());
        if failure < *first {
            *first = failure;
        }
    }
    failures
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

words! {
    /// Who asked for a subscription.
    SubscriptionOrigin {
        /// The customer.
        Chosen = "chosen",
        /// A trial that a payment method converted.
        Converted = "converted",
    }
}

/// One of several live subscriptions of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    pub id: SubscriptionId,
    pub status: Status,
    pub origin: SubscriptionOrigin,
    pub created_at: Timestamp,
}

/// Returns the subscription that stands: an account has one, and the others are cancelled. A paid
/// one comes before one whose payment is outstanding, then one that the customer chose before one
/// that a conversion made, then the newest.
pub fn standing(rivals: &[Rival]) -> Option<&Rival> {
    rivals.iter().max_by_key(|one| {
        (
            matches!(one.status, Status::Active | Status::Trialing),
            one.origin == SubscriptionOrigin::Chosen,
            one.created_at,
            one.id.clone(),
        )
    })
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
    /// Whether it can still be paid.
    pub fn is_unpaid(&self) -> bool {
        Self::rank(&self.status) <= 1
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn rival(id: &str, status: Status, origin: SubscriptionOrigin, second: i64) -> Rival {
        Rival {
            id: SubscriptionId::parse(id).expect("an id"),
            status,
            origin,
            created_at: Timestamp::from_seconds(second),
        }
    }

    #[test]
    fn of_several_subscriptions_one_stands_in_every_order() {
        use SubscriptionOrigin::{Chosen, Converted};
        let stands = [
            (Status::Active, Chosen, 5),
            (Status::Trialing, Chosen, 4),
            (Status::Active, Converted, 9),
            (Status::PastDue, Chosen, 8),
            (Status::PastDue, Converted, 9),
        ];
        // Each comes before all that follow it.
        let mut all: Vec<_> = stands
            .into_iter()
            .zip(["sub_1", "sub_2", "sub_3", "sub_4", "sub_5"])
            .map(|((status, origin, second), id)| rival(id, status, origin, second))
            .collect();
        while let Some(first) = all.first().cloned() {
            assert_eq!(standing(&all), Some(&first));
            all.reverse();
            assert_eq!(standing(&all), Some(&first));
            all.reverse();
            all.remove(0);
        }
        assert_eq!(standing(&[]), None);
    }

    #[test]
    fn origins_read_back() {
        for origin in SubscriptionOrigin::ALL {
            assert_eq!(SubscriptionOrigin::parse(origin.as_str()), Some(origin));
        }
    }
}
