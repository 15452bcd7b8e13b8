//! Notices: what customers were sent, and where their mail goes.

pub mod log;
pub mod mail;
