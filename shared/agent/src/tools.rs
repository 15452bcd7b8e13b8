//! Reads and changes files of a snapshot.
//!
//! A [`Workspace`] is a pure function of its snapshot and the calls so far. It knows which lines it has shown. A file changes only where its
//! present version was shown, at exactly one place, and never by similarity.

mod edits;
mod looking;
mod reading;

pub use edits::EditError;

use crate::snapshot::{Entry, Mode, Snapshot, Text, is_safe, is_secret};
use domain::jobs::pulls::may_touch;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// What became of a file. `None` in place of a text: it is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    mode: Mode,
    text: Option<Text>,
}

/// A snapshot with changes.
#[derive(Debug, Clone)]
pub struct Workspace<'a> {
    base: &'a Snapshot,
    changes: BTreeMap<String, Change>,
    /// Lines of the present version that were shown, counted from 0, sorted and apart.
    shown: BTreeMap<String, Vec<Range<usize>>>,
}

/// A file to commit. Without content, it is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub path: String,
    pub mode: Mode,
    pub content: Option<Vec<u8>>,
}

impl<'a> Workspace<'a> {
    pub fn new(base: &'a Snapshot) -> Self {
        Self {
            base,
            changes: BTreeMap::new(),
            shown: BTreeMap::new(),
        }
    }

    /// The present text of a file that may be shown.
    fn text(&self, path: &str) -> Result<(Mode, &Text), ToolError> {
        let missing = || ToolError::Missing(path.to_owned());
        if is_secret(path) {
            return Err(ToolError::Secret(path.to_owned()));
        }
        if let Some(change) = self.changes.get(path) {
            let text = change.text.as_ref().ok_or_else(missing)?;
            return Ok((change.mode, text));
        }
        let entry = self.base.get(path).ok_or_else(missing)?;
        let text = entry
            .text()
            .ok_or_else(|| ToolError::NoText(path.to_owned()))?;
        Ok((entry.mode, text))
    }

    fn exists(&self, path: &str) -> bool {
        match self.changes.get(path) {
            Some(change) => change.text.is_some(),
            None => self.base.get(path).is_some(),
        }
    }

    /// Present paths in the order of their bytes.
    fn paths(&self) -> Vec<&str> {
        let base = self.base.iter().map(|(path, _)| path);
        let mut all: Vec<&str> = base
            .chain(self.changes.keys().map(String::as_str))
            .filter(|path| self.exists(path))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether the path is a folder, or is below a file.
    pub fn is_nested(&self, path: &str) -> bool {
        self.paths().iter().any(|other| edits::nested(path, other))
    }

    /// The present bytes of a text file, or `None` if there is none.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let (_, text) = self.text(path).ok()?;
        text.encode().ok()
    }

    /// The files that differ from the base, by path.
    pub fn changed(&self) -> Result<Vec<Changed>, ToolError> {
        let mut all = Vec::new();
        for (path, change) in &self.changes {
            let before = self.base.get(path).and_then(Entry::text);
            if before == change.text.as_ref() {
                continue;
            }
            let content = match &change.text {
                Some(text) => Some(text.encode().map_err(ToolError::Encoding)?),
                None => None,
            };
            all.push(Changed {
                path: path.clone(),
                mode: change.mode,
                content,
            });
        }
        Ok(all)
    }

    /// All changes as a unified diff.
    pub fn diff(&self) -> String {
        let mut out = String::new();
        for (path, change) in &self.changes {
            let before = self.base.get(path).and_then(Entry::text);
            let old = before.map_or("", Text::body);
            let new = change.text.as_ref().map_or("", Text::body);
            let name = |side: &str, present: bool| {
                if present {
                    format!("{side}/{path}")
                } else {
                    "/dev/null".to_owned()
                }
            };
            out.push_str(&domain::diff::unified(
                &name("a", before.is_some()),
                &name("b", change.text.is_some()),
                old,
                new,
            ));
        }
        out
    }
}

/// Refuses paths that are not the agent's to write.
fn writable(path: &str) -> Result<(), ToolError> {
    if !is_safe(path) || !may_touch(path) || is_secret(path) {
        return Err(ToolError::Protected(path.to_owned()));
    }
    Ok(())
}

/// Why a call changed and showed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolError {
    Missing(String),
    NoText(String),
    Secret(String),
    Protected(String),
    NotShown { path: String, lines: Range<usize> },
    Exists(String),
    Beyond { path: String, lines: usize },
    Encoding(crate::snapshot::NotEncodable),
    Edit(EditError),
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(
                f,
                "There is no file `{path}`. Use a path that is listed, or write a new file."
            ),
            Self::NoText(path) => write!(
                f,
                "`{path}` was not shown, or it is a link, a submodule, a binary file or too large. Change only what is shown."
            ),
            Self::Secret(path) => write!(f, "`{path}` can hold secrets. Work without it."),
            Self::Protected(path) => write!(
                f,
                "`{path}` may not be changed. Describe in the pull request what a maintainer should change."
            ),
            Self::NotShown { path, lines } if lines.end <= lines.start + 1 => {
                let line = lines.start + 1;
                write!(
                    f,
                    "Line {line} of `{path}` was not shown. Change only what is shown."
                )
            }
            Self::NotShown { path, lines } => {
                let (first, last) = (lines.start + 1, lines.end);
                write!(
                    f,
                    "Lines {first} to {last} of `{path}` were not shown. Change only what is shown."
                )
            }
            Self::Exists(path) => write!(
                f,
                "`{path}` exists and was not shown. Change only what is shown."
            ),
            Self::Beyond { path, lines } => {
                write!(f, "`{path}` has {lines} lines. Read a range within them.")
            }
            Self::Encoding(error) => error.fmt(f),
            Self::Edit(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ToolError {}

#[cfg(test)]
mod tests;
