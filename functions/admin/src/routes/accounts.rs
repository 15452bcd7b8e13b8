//! Accounts, their first keys, and sign-ups.

pub mod account;
pub mod api_keys;
pub mod list;
pub mod signups;
