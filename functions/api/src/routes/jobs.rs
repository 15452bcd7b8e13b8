//! Jobs and assists: clients request and follow them, and external agents report on them.

pub mod cancel_form;
pub mod commit_summaries;
mod delegated;
pub mod listing;
pub mod phases;
pub mod repositories;
pub mod requests;
pub mod test_integration;
