//! Fixes: the billable fact that a problem in an account's repository was fixed, once.
//!
//! A job of ours that delivers an issue's pull request and an external agent's report on the same
//! issue name the same [`Fix`]. The first of them is charged; a later one finds that the fix is
//! already paid for.

use crate::jobs::repositories::RepositoryName;
use std::fmt;

/// A fix in an account's repository: the fact that is charged once. Within an account it is
/// identified by the repository's name, because an agent's report contains nothing else, and by the
/// issue or a name that the agent chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fix(String);

const FIX_CHARS_MAX: usize = 100;

impl Fix {
    /// The fix of an issue.
    pub fn of_issue(owner: &str, repository: &str, number: u64) -> Self {
        Self(format!(
            "{}/{}#issue-{number}",
            owner.to_ascii_lowercase(),
            repository.to_ascii_lowercase()
        ))
    }

    /// A fix without an issue, by the agent's name for it: up to 100 letters, digits and `. _ : -`.
    pub fn named(repository: &RepositoryName, name: &str) -> Option<Self> {
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
        (plain && !name.is_empty() && name.len() <= FIX_CHARS_MAX)
            .then(|| Self(format!("{}#fix-{name}", repository.folded())))
    }

    /// Parses a fix written by [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        let (repository, what) = text.split_once('#')?;
        let known = what.starts_with("issue-") || what.starts_with("fix-");
        (known && repository.contains('/')).then(|| Self(text.to_owned()))
    }

    /// The text used in keys, such as `acme/greeter#issue-12`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
