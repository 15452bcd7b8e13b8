//! Billing: usage, subscriptions, purchases, spend limits, and the billing events of Stripe and
//! GitHub's Marketplace.

pub mod admin;
pub mod checkouts;
pub mod contracts;
pub mod conversion;
pub mod crash;
pub mod dunning;
pub mod entitlements;
pub mod invoices;
pub mod late_usage;
pub mod marketplace;
pub mod metering;
pub mod past_catalogues;
pub mod purchases;
pub mod reversals;
pub mod samples;
pub mod spending;
pub mod stuck_usage;
pub mod subscription;
pub mod unbilled;
pub mod uncounted;
pub mod usage;
pub mod usage_corrections;
pub mod usage_ends;
pub mod usage_minutes;
pub mod usage_property;
