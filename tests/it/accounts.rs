//! Accounts: sign-ups, owners, members, API keys and sessions.

pub mod admin;
pub mod dashboard;
pub mod keys;
pub mod members;
pub mod pages;
pub mod places;
pub mod repositories;
pub mod sessions;
pub mod sign_in;
pub mod signups;
