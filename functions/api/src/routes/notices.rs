//! Notices: which mail an account receives.

pub mod preferences;
