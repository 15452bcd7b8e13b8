//! Jobs: from an issue, a request or a report to a pull request, or to an end without one.

pub mod admin;
pub mod api;
pub mod cancel;
pub mod checks;
pub mod commit_summaries;
pub mod crash;
pub mod delegated;
pub mod edits;
pub mod github;
pub mod journey;
pub mod models;
pub mod obstacles;
pub mod outcomes;
pub mod phases;
pub mod pull_options;
pub mod pulls;
pub mod requests;
pub mod seeing;
pub mod steps;
pub mod test_integration;
pub mod trees;
pub mod triggers;
pub mod turns;
