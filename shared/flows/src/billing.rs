//! Billing: checkout sessions, subscriptions and the prices they use.

#[cfg(feature = "stripe")]
pub mod checkout_sessions;
pub mod explanations;
#[cfg(feature = "stripe")]
pub mod intents;
#[cfg(feature = "stripe")]
pub mod payment_methods;
#[cfg(feature = "stripe")]
pub mod plan_changes;
#[cfg(feature = "stripe")]
pub mod planned_changes;
#[cfg(feature = "stripe")]
pub mod portal;
#[cfg(feature = "stripe")]
pub mod prices;
#[cfg(feature = "stripe")]
pub mod purchases;
#[cfg(feature = "stripe")]
pub mod rivals;
pub mod spend_limit;
#[cfg(feature = "stripe")]
pub mod subscription_changes;
#[cfg(feature = "stripe")]
pub mod subscription_lock;
#[cfg(feature = "stripe")]
pub mod subscriptions;
#[cfg(feature = "stripe")]
pub mod top_ups;
#[cfg(feature = "stripe")]
pub mod unbilled;
#[cfg(feature = "stripe")]
pub mod usage_reports;

/// What a sale needs.
#[cfg(feature = "stripe")]
pub struct Shop<'a> {
    pub store: &'a store::Store,
    pub stripe: &'a stripe_api::StripeApi,
    pub catalogue: &'a domain::billing::plans::Catalogue,
    /// Stripe's prices by product.
    pub prices: &'a crate::cache::Cache<Vec<stripe_api::PriceChoice>>,
    pub now: domain::time::Timestamp,
}
