//! Jobs, in full.

pub mod job;
pub mod list;
pub mod steps;
pub mod turns;
