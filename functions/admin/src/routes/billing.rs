//! Billing: invoices, quotas, and usage with what became of it.

pub mod invoices;
pub mod quotas;
pub mod usage;
