//! The checks of a repository as plain data.

use serde::{Deserialize, Serialize};

/// A check of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub kind: CheckKind,
    /// It runs on the branches whose names begin with this.
    pub branches: String,
    /// The seconds from the push until it appears.
    pub starts_after: i64,
    /// The seconds that it takes; without them it never completes.
    pub takes: Option<i64>,
    /// The conclusion of a check run, or the state of a status.
    pub result: String,
    /// A file and a text. A commit whose file contains it passes, whatever the result says.
    #[serde(default)]
    pub passes_with: Option<(String, String)>,
    /// The log of a check run that failed. GitHub Actions makes check runs with logs.
    #[serde(default)]
    pub log: Option<String>,
    /// What a failed check run says about a line of a file.
    #[serde(default)]
    pub annotation: Option<(String, u64, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckKind {
    #[default]
    Run,
    Status,
}

/// Where and when a commit was first pushed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Push {
    /// Counts the pushes, so that every check run has a number of its own.
    #[serde(default)]
    pub number: u64,
    pub branch: String,
    pub at: i64,
}
