//! Notices: which mail an account gets.

pub mod preferences;
