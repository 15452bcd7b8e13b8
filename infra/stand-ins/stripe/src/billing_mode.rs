//! The billing mode of a subscription, and what it decides.

use serde_json::{Value, json};

use super::error::ApiError;
use super::lines::{items, metered};
use super::params::Params;

/// How a subscription is billed. Since 2025-09-30.clover, new subscriptions are flexible unless
/// they ask for the classic mode (docs.stripe.com/billing/subscriptions/billing-mode).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BillingMode {
    Classic,
    Flexible,
}

impl BillingMode {
    /// The mode that a creation asks for.
    pub fn wanted(params: &Params) -> Result<Self, ApiError> {
        let word = params.word("billing_mode[type]", &["classic", "flexible"])?;
        Ok(match word {
            Some("classic") => Self::Classic,
            _ => Self::Flexible,
        })
    }

    /// The mode of an existing subscription.
    pub fn of(subscription: &Value) -> Self {
        if subscription["billing_mode"]["type"] == "classic" {
            Self::Classic
        } else {
            Self::Flexible
        }
    }

    /// The mode as the subscription shows it.
    pub fn shape(self) -> Value {
        match self {
            Self::Classic => json!({"flexible": null, "type": "classic"}),
            Self::Flexible => {
                json!({"flexible": {"proration_discounts": "included"}, "type": "flexible"})
            }
        }
    }
}

/// Whether a change leaves none of the metered items: "an invoice item is generated for unbilled
/// usage when removing a usage-based subscription item"
/// (docs.stripe.com/billing/subscriptions/billing-mode/compare).
pub(super) fn usage_removed(before: &Value, after: &[Value]) -> bool {
    let mut gone = items(before).iter().filter(|item| metered(item)).peekable();
    let stays = |item: &Value| {
        let mut left = after.iter();
        left.any(|one| one["id"] == item["id"] && one["price"]["id"] == item["price"]["id"])
    };
    BillingMode::of(before) == BillingMode::Flexible
        && gone.peek().is_some()
        && gone.all(|item| !stays(item))
}
