//! Jobs, in full.

pub mod job;
mod steps;
