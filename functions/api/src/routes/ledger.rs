//! The ledger: balances, transactions, holds and debits.

pub mod credits;
pub mod debits;
pub mod explanations;
pub mod grants;
pub mod holds;
