//! Billing: invoices, quotas, and usage with what became of it.

pub mod quotas;
pub mod usage;
