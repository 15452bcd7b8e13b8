//! Jobs, in full.

pub mod job;
pub mod list;
mod steps;
