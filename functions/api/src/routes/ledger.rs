//! The ledger: balances, transactions and holds.

pub mod credits;
pub mod holds;
