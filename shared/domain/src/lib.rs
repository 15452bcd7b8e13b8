//! Tallyhook's domain: ids, units, rules and state machines.
//!
//! The crate does no I/O and has no async code, clock, randomness, serialization or dependencies.
//! Time and random numbers are passed in as arguments. Decisions are returned as values that only
//! the adapters can carry out.

pub mod accounts;
pub mod billing;
pub mod diff;
pub mod ids;
pub mod inbox;
pub mod jobs;
pub mod ledger;
pub mod notices;
pub mod refusal;
pub mod retry;
pub mod switches;
pub mod text;
pub mod time;
pub mod units;
pub mod work;
