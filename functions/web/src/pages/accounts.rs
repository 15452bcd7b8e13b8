//! Pages about accounts: people sign up and in, set up an account and get its first key.

pub mod setup;
pub mod sign_in;
pub mod signup;
pub mod welcome;
