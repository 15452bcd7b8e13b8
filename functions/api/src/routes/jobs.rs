//! Jobs and assists: asking for them, following them, and reports of external agents.

pub mod commit_summaries;
mod delegated;
pub mod listing;
pub mod phases;
pub mod requests;
pub mod test_integration;
