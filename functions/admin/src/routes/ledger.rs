//! The ledger: balances, entries, explanations and adjustments.

pub mod credits;
pub mod explanations;
