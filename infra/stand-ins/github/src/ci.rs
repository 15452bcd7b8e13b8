//! The checks of a repository as plain data.

use serde::{Deserialize, Serialize};

/// A check of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckKind {
    Run,
    Status,
}

/// Where and when a commit was first pushed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Push {
    pub branch: String,
    pub at: i64,
}
