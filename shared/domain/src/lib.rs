//! The room: what Tallyhook decides, in its own words.
//!
//! Owns the ids, units, rules and state machines. It promises that nothing here does anything: no IO, no async, no clock,
//! no random numbers, no serialization and no dependency. Time and randomness come in as arguments; what is to be done
//! goes out as values that only the walls can carry out.

pub mod accounts;
pub mod billing;
pub mod ids;
pub mod inbox;
pub mod jobs;
pub mod ledger;
pub mod notices;
pub mod retry;
pub mod switches;
pub mod text;
pub mod time;
pub mod units;
pub mod work;
