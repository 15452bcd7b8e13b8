//! The pull request to open: its changed files and its text.
//!
//! An agent's output is not trusted. [`Proposal::check`] is the only way to a proposal, and it
//! refuses what an issue's text might have persuaded the agent to do.

mod privileged;
pub mod tree;
mod wishes;

pub use wishes::{LABEL_CHARS_MAX, LABELS_MAX, PullOptions, REVIEWERS_MAX};

use crate::ids::JobId;
use crate::jobs::untrusted::disarmed;
use std::fmt;

/// The change of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Relative to the repository's root.
    pub path: String,
    pub change: FileEdit,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileEdit {
    /// Replaces the content.
    Write(String),
    Delete,
}

/// The most files that a proposal may change.
pub const FILES_MAX: usize = 100;
/// The most bytes of new content in a proposal.
pub const CONTENT_BYTES_MAX: usize = 256 * 1024;
/// The most characters of a pull request's title.
pub const TITLE_CHARS_MAX: usize = 200;
/// The most characters of a pull request's body.
pub const BODY_CHARS_MAX: usize = 20_000;
const PATH_BYTES_MAX: usize = 400;

/// A change proposed by the agent, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    title: String,
    body: String,
    changes: Vec<FileChange>,
}

/// Why a proposal is refused. It ends the job, so the text is written for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadProposal {
    Empty,
    TooManyFiles(usize),
    TooLarge(usize),
    /// A path outside the repository, or one that agents may not change.
    Path(String),
    /// A file on which programs act, with the reason why no change may touch it.
    Privileged(String, &'static str),
    Twice(String),
    /// A path that is a file and a folder at once.
    FileAndFolder(String),
}

impl fmt::Display for BadProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the agent proposed no change"),
            Self::TooManyFiles(files) => {
                write!(
                    f,
                    "the agent proposed {files} files; the limit is {FILES_MAX}"
                )
            }
            Self::TooLarge(bytes) => write!(
                f,
                "the agent proposed {bytes} bytes; the limit is {CONTENT_BYTES_MAX}"
            ),
            Self::Path(path) => write!(
                f,
                "the agent proposed a change to {path:?}, which it may not touch"
            ),
            Self::Privileged(path, reason) => write!(
                f,
                "the agent proposed a change to {path:?}, and {reason}; change it by hand"
            ),
            Self::Twice(path) => write!(f, "the agent proposed {path:?} twice"),
            Self::FileAndFolder(path) => {
                write!(f, "the agent proposed {path:?} as a file and as a folder")
            }
        }
    }
}

impl std::error::Error for BadProposal {}

impl Proposal {
    /// Checks the agent's output. Titles and bodies that are too long are truncated.
    pub fn check(title: &str, body: &str, changes: Vec<FileChange>) -> Result<Self, BadProposal> {
        if changes.is_empty() {
            return Err(BadProposal::Empty);
        }
        if changes.len() > FILES_MAX {
            return Err(BadProposal::TooManyFiles(changes.len()));
        }
        let bytes: usize = changes.iter().map(|file| content_bytes(&file.change)).sum();
        if bytes > CONTENT_BYTES_MAX {
            return Err(BadProposal::TooLarge(bytes));
        }
        let mut seen = std::collections::BTreeSet::new();
        for file in &changes {
            if !may_touch(&file.path) {
                return Err(BadProposal::Path(file.path.clone()));
            }
            if let Some(reason) = privileged::privileged(&file.path) {
                return Err(BadProposal::Privileged(file.path.clone(), reason));
            }
            if !seen.insert(file.path.as_str()) {
                return Err(BadProposal::Twice(file.path.clone()));
            }
        }
        if let Some(path) = file_and_folder(&changes) {
            return Err(BadProposal::FileAndFolder(path.to_owned()));
        }
        Ok(Self {
            title: one_line(title),
            body: body.chars().take(BODY_CHARS_MAX).collect(),
            changes,
        })
    }

    /// One line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Markdown, as the agent wrote it.
    pub fn body(&self) -> &str {
        &self.body
    }

    pub fn changes(&self) -> &[FileChange] {
        &self.changes
    }
}

/// A path that the changes write as a file and write below.
fn file_and_folder(changes: &[FileChange]) -> Option<&str> {
    let written: std::collections::BTreeSet<&str> = changes
        .iter()
        .filter(|file| file.change != FileEdit::Delete)
        .map(|file| file.path.as_str())
        .collect();
    let mut folders = written.iter().flat_map(|path| tree::folders_of(path));
    folders.find(|folder| written.contains(folder))
}

fn content_bytes(change: &FileEdit) -> usize {
    match change {
        FileEdit::Write(text) => text.len(),
        FileEdit::Delete => 0,
    }
}

fn one_line(title: &str) -> String {
    let flat = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = flat
        .chars()
        .filter(|c| !c.is_control())
        .take(TITLE_CHARS_MAX)
        .collect();
    if cut.is_empty() {
        "Proposed change".to_owned()
    } else {
        cut
    }
}

/// Whether the agent may read or write this path. It must be inside the repository, and neither one
/// of git's own files nor a workflow or setting that would let an issue's author run code with the
/// repository's secrets.
pub fn may_touch(path: &str) -> bool {
    let plain = !path.is_empty()
        && path.len() <= PATH_BYTES_MAX
        && !path.starts_with('/')
        && !path.contains('\\')
        && !path.chars().any(char::is_control);
    let parts_fine = path
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != ".." && !is(part, ".git"));
    let mut parts = path.split('/');
    let ours = parts.next().is_some_and(|first| is(first, ".github"));
    plain && parts_fine && !ours && !is(path, POLICY_PATH)
}

fn is(part: &str, name: &str) -> bool {
    part.eq_ignore_ascii_case(name)
}

/// The path of a repository's policy. It is read from the base branch only, and agents may not
/// change it.
pub const POLICY_PATH: &str = ".tallyhook.toml";

/// The branch of a job. The name identifies the effect: a second branch for the job cannot exist.
pub fn branch(job: &JobId) -> String {
    format!("tallyhook/{job}")
}

/// The line that identifies a commit of ours.
pub fn commit_marker(job: &JobId) -> String {
    format!("Tallyhook-Job: {job}")
}

/// The line that identifies the commit of a repair, on top of our last one.
pub fn repair_marker(repair: u32) -> String {
    format!("Tallyhook-Repair: {repair}")
}

/// The line, hidden on the page, that identifies a pull request or comment of ours.
pub fn hidden_marker(job: &JobId) -> String {
    format!("<!-- tallyhook:{job} -->")
}

/// The body of the pull request: the agent's text and the link that closes the issue.
pub fn pull_body(issue_number: u64, proposal: &Proposal) -> String {
    format!("{}\n\nCloses #{issue_number}", disarmed(proposal.body()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &str, text: &str) -> FileChange {
        FileChange {
            path: path.to_owned(),
            change: FileEdit::Write(text.to_owned()),
        }
    }

    #[test]
    fn paths_that_steer_are_refused() {
        for path in [
            "../x",
            "a/../b",
            "/etc/passwd",
            ".git/config",
            "sub/.git/hooks/x",
            ".github/workflows/ci.yml",
            ".GitHub/workflows/x.yml",
            "a//b",
            "a/./b",
            "",
            "a\\b",
            "a\nb",
            ".tallyhook.toml",
        ] {
            assert_eq!(
                Proposal::check("t", "b", vec![write(path, "x")]),
                Err(BadProposal::Path(path.to_owned())),
                "{path}"
            );
        }
        for path in [
            "src/lib.rs",
            ".gitignore",
            "docs/a b.md",
            "été.txt",
            "github/x",
        ] {
            assert!(
                Proposal::check("t", "b", vec![write(path, "x")]).is_ok(),
                "{path}"
            );
        }
    }

    #[test]
    fn size_and_number_are_bounded() {
        assert_eq!(Proposal::check("t", "b", vec![]), Err(BadProposal::Empty));
        let many = (0..=FILES_MAX)
            .map(|n| write(&format!("f{n}"), ""))
            .collect();
        assert_eq!(
            Proposal::check("t", "b", many),
            Err(BadProposal::TooManyFiles(FILES_MAX + 1))
        );
        let big = "x".repeat(CONTENT_BYTES_MAX + 1);
        assert_eq!(
            Proposal::check("t", "b", vec![write("f", &big)]),
            Err(BadProposal::TooLarge(big.len()))
        );
        assert_eq!(
            Proposal::check("t", "b", vec![write("f", ""), write("f", "")]),
            Err(BadProposal::Twice("f".to_owned()))
        );
        assert_eq!(
            Proposal::check("t", "b", vec![write("a/b/c", ""), write("a/b", "")]),
            Err(BadProposal::FileAndFolder("a/b".to_owned()))
        );
    }

    #[test]
    fn titles_become_one_line_and_bodies_lose_their_teeth() {
        let proposal = Proposal::check(
            " Fix\n the\tthing\u{7} ",
            "ping @all <!-- tallyhook:job_x -->",
            vec![write("f", "")],
        );
        let proposal = proposal.expect("a fine proposal");
        assert_eq!(proposal.title(), "Fix the thing");
        let body = pull_body(7, &proposal);
        assert!(!body.contains("@all") && !body.contains("<!--"), "{body}");
        assert!(body.contains("Closes #7"));
    }
}
