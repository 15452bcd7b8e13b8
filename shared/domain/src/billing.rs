//! Plans, entitlements, payments and usage.

pub mod entitlements;
pub mod explanations;
pub mod marketplace;
pub mod pack_terms;
pub mod payments;
pub mod plans;
pub mod quotas;
pub mod refunds;
pub mod spending;
pub mod subscriptions;
pub mod top_ups;
pub mod usage;
pub mod usage_credits;
