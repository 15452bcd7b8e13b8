//! The ledger: balances, movements and holds.

pub mod credits;
pub mod holds;
