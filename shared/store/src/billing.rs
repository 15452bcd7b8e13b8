//! Usage, quotas, spending, and the payments and subscriptions known from Stripe and the GitHub
//! Marketplace.

pub(crate) mod cancelled_usage;
pub(crate) mod intents;
pub(crate) mod marketplace;
pub(crate) mod payments;
pub(crate) mod quotas;
pub(crate) mod refunds;
pub(crate) mod spending;
pub(crate) mod stuck;
pub(crate) mod subscriptions;
pub(crate) mod top_ups;
pub(crate) mod usage;
pub(crate) mod usage_credits;
pub(crate) mod usage_spans;
