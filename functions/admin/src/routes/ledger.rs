//! The ledger: balances, entries and adjustments.

pub mod credits;
