//! Billing: invoices, quotas, subscriptions, and usage with what became of it.

pub mod invoices;
pub mod invoices_all;
pub mod metrics;
pub mod payments;
pub mod quotas;
pub mod subscriptions;
pub mod usage;
