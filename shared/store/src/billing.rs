//! Usage, quotas, spending, and what Stripe and GitHub's Marketplace said about payments and subscriptions.

pub(crate) mod intents;
pub(crate) mod marketplace;
pub(crate) mod payments;
pub(crate) mod quotas;
pub(crate) mod spending;
pub(crate) mod stuck;
pub(crate) mod subscriptions;
pub(crate) mod usage;
