//! The room: what Tallyhook decides, in its own words.
//!
//! Owns the ids, units, rules and state machines. It promises that nothing here does anything: no IO, no async, no clock,
//! no random numbers, no serialisation and no dependency. Time and randomness come in as arguments; what is to be done
//! goes out as values that only the walls can carry out.

pub mod access;
pub mod accounts;
pub mod addresses;
pub mod credits;
pub mod errands;
pub mod events;
pub mod ids;
pub mod inbox;
pub mod jobs;
pub mod ledger;
pub mod marketplace;
pub mod members;
pub mod metering;
pub mod money;
pub mod notices;
pub mod operators;
pub mod payments;
pub mod phases;
pub mod plans;
pub mod pulls;
pub mod repositories;
pub mod retry;
pub mod sessions;
pub mod signups;
pub mod spending;
pub mod subscriptions;
pub mod switches;
pub mod time;
pub mod tries;
pub mod triggers;
mod words;
