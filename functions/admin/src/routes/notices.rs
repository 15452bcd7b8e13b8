//! Notices: where an account's mail goes.

pub mod mail;
