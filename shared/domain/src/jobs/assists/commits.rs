//! Commit summaries: which commit, and the summary of its diff.

use crate::jobs::repositories::RepositoryName;
use std::fmt;

/// A commit in a repository, in lower case, since GitHub ignores case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRef {
    repository: RepositoryName,
    sha: String,
}

/// The most bytes of a summary's prompt, which bounds its cost in advance.
pub const SUMMARY_PROMPT_BYTES_MAX: usize = 64 * 1024;
/// The most bytes kept of a summary.
pub const SUMMARY_TEXT_BYTES_MAX: usize = 16 * 1024;
const SHA_CHARS: usize = 40;

impl CommitRef {
    /// Parses an owner, a repository and a full commit id.
    pub fn parse(owner: &str, repository: &str, sha: &str) -> Option<Self> {
        let hex = sha.len() == SHA_CHARS && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
        let repository = RepositoryName::of(owner, repository)?.folded();
        hex.then(|| Self {
            repository,
            sha: sha.to_ascii_lowercase(),
        })
    }

    pub const fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    pub fn sha(&self) -> &str {
        &self.sha
    }
}

/// `owner/repository#sha`, which identifies a summary.
impl fmt::Display for CommitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.repository, self.sha)
    }
}

/// The summary of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryText {
    pub text: String,
    pub diff: DiffStats,
}

/// The counts of a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiffStats {
    pub files: u64,
    pub additions: u64,
    pub deletions: u64,
    pub bytes: u64,
    /// How many bytes of it the model saw, from the beginning.
    pub shown_bytes: u64,
}

impl DiffStats {
    /// Counts a unified diff in git's format, of which the model sees `shown_bytes`.
    pub fn of(diff: &str, shown_bytes: usize) -> Self {
        let number = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        let mut facts = Self {
            bytes: number(diff.len()),
            shown_bytes: number(shown_bytes),
            ..Self::default()
        };
        let mut in_hunk = false;
        for line in diff.lines() {
            if line.starts_with("diff --git ") {
                facts.files += 1;
                in_hunk = false;
            } else if line.starts_with("@@ ") {
                in_hunk = true;
            } else if in_hunk && line.starts_with('+') {
                facts.additions += 1;
            } else if in_hunk && line.starts_with('-') {
                facts.deletions += 1;
            }
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "0123456789ABCDEF0123456789abcdef01234567";

    #[test]
    fn commits_are_named_in_one_way() {
        let commit = CommitRef::parse("Acme", "Greeter.rs", SHA).expect("a commit");
        assert_eq!(
            commit.to_string(),
            format!("acme/greeter.rs#{}", SHA.to_ascii_lowercase())
        );
        for (owner, repository, sha) in [
            ("", "a", SHA),
            ("a/b", "a", SHA),
            ("a", "..", SHA),
            ("a", "b#c", SHA),
            ("a", "b", "main"),
            ("a", "b", &SHA[1..]),
            ("a", "b", "g123456789abcdef0123456789abcdef01234567"),
        ] {
            assert_eq!(
                CommitRef::parse(owner, repository, sha),
                None,
                "{owner}/{repository} {sha}"
            );
        }
    }

    #[test]
    fn diffs_are_counted_by_their_hunks() {
        let diff = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n same\n-old\n+++ new\n\
            diff --git a/b b/b\nnew file mode 100644\n--- /dev/null\n+++ b/b\n@@ -0,0 +1 @@\n+b\n";
        let facts = DiffStats::of(diff, 10);
        assert_eq!(
            (
                facts.files,
                facts.additions,
                facts.deletions,
                facts.shown_bytes
            ),
            (2, 2, 1, 10)
        );
        assert_eq!(DiffStats::of("", 0), DiffStats::default());
    }
}
