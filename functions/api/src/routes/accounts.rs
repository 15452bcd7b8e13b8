//! Accounts: sign-up, keys, members and sessions.

pub mod account;
pub mod api_keys;
pub mod members;
pub mod session;
pub mod sessions;
pub mod signup;
pub mod signup_form;
