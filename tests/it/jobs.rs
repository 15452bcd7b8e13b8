//! Jobs: from an issue, a request or a report to a pull request, or to an end without one.

use serde_json::{Value, json};

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

/// A model's calls of tools in one answer.
fn calls(calls: &[(&str, Value)]) -> String {
    let call = |(name, input): &(&str, Value)| json!({ "name": name, "input": input });
    json!({ "calls": calls.iter().map(call).collect::<Vec<_>>() }).to_string()
}
