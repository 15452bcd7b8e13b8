//! Pages about accounts: people sign in, set up an account and get its first key.

pub mod setup;
pub mod sign_in;
pub mod welcome;
