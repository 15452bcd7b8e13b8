//! Jobs, in full.

pub mod job;
