//! A model's changes: applied to the files that it was shown, or answered with what is wrong.
//!
//! A forbidden change ends the job. A change that does not fit, such as a quote that is not in the
//! file, goes back to the model with the place and the reason.

use agent::lint::lint;
use agent::snapshot::{Content, Mode, Omitted, Snapshot, is_secret};
use agent::tools::{Changed, ToolError, Workspace};
use domain::jobs::pulls::{BadProposal, FileChange, FileEdit, Proposal, may_touch};
use serde::{Deserialize, Serialize};

/// The part of the coding contract that says how changes are written.
pub const FORM: &str = r#"Each change is one of
 {"path": "a file that is shown", "old": "lines of it, copied exactly, that occur in it once", "new": "the lines in their place"}
 {"path": "a new file, or one that is shown", "content": "its whole new content"}
 {"path": "a file that is shown", "delete": true}
Prefer the first form. Several changes of one file are made in their order."#;

/// The most problems that are shown to the model at once.
const PROBLEMS_MAX: usize = 20;

/// One change as the model writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SaidChange {
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    old: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    new: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    delete: bool,
}

/// Why changes cannot be used as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub path: String,
    pub problem: String,
}

/// What became of a model's changes.
#[derive(Debug)]
pub enum Outcome {
    Proposed(Proposal),
    /// The model can correct them.
    Problems(Vec<Problem>),
    /// A proposal with findings of the lint, which the model may correct or the review judge.
    Doubtful(Proposal, Vec<Problem>),
}

/// Applies changes to the base, of which the model saw these files, and judges the result.
pub fn applied(
    base: &Snapshot,
    shown: &[String],
    title: &str,
    body: &str,
    changes: Vec<SaidChange>,
) -> Result<Outcome, BadProposal> {
    let mut workspace = Workspace::new(base);
    for path in shown {
        // A file that has no text was not shown.
        let _ = workspace.show_whole(path);
    }
    let mut files: Vec<Applied> = Vec::new();
    let mut problems = Vec::new();
    for change in changes {
        if !may_touch(&change.path) {
            return Err(BadProposal::Path(change.path));
        }
        let before = files.iter().any(|file| file.path() == change.path);
        if before && change.old.is_none() {
            return Err(BadProposal::Twice(change.path));
        }
        match apply(&mut workspace, base, change)? {
            Ok(_) if before => {}
            Ok(file) => files.push(file),
            Err(problem) => problems.push(problem),
        }
    }
    problems.truncate(PROBLEMS_MAX);
    if !problems.is_empty() {
        return Ok(Outcome::Problems(problems));
    }
    let changed = match workspace.changed() {
        Ok(changed) => changed,
        Err(error) => return Ok(Outcome::Problems(vec![problem("", &error)])),
    };
    let files = files.into_iter().map(|file| file.whole(&workspace));
    let proposal = Proposal::check(title, body, files.collect())?;
    let found = findings(base, &changed);
    Ok(if found.is_empty() {
        Outcome::Proposed(proposal)
    } else {
        Outcome::Doubtful(proposal, found)
    })
}

/// The lint's findings for changes of a base.
pub fn findings(base: &Snapshot, changed: &[Changed]) -> Vec<Problem> {
    lint(base, changed)
        .into_iter()
        .take(PROBLEMS_MAX)
        .map(|finding| Problem {
            problem: finding.to_string(),
            path: finding.path,
        })
        .collect()
}

enum Applied {
    /// The workspace has the change of this path.
    Now(String),
    /// Something that is not a text file is replaced or removed. The tree is looked at before the
    /// commit, which then says why not.
    Later(FileChange),
}

impl Applied {
    fn path(&self) -> &str {
        match self {
            Self::Now(path) => path,
            Self::Later(file) => &file.path,
        }
    }

    /// The change with the content that the workspace has at the end.
    fn whole(self, workspace: &Workspace<'_>) -> FileChange {
        match self {
            Self::Later(file) => file,
            Self::Now(path) => {
                let content = workspace.content(&path);
                let text = content.and_then(|bytes| String::from_utf8(bytes).ok());
                let change = text.map_or(FileEdit::Delete, FileEdit::Write);
                FileChange { path, change }
            }
        }
    }
}

fn apply(
    workspace: &mut Workspace<'_>,
    base: &Snapshot,
    said: SaidChange,
) -> Result<Result<Applied, Problem>, BadProposal> {
    let SaidChange { path, .. } = said;
    let entry = base.get(&path);
    let special = entry.is_some_and(|entry| matches!(entry.mode, Mode::Link | Mode::Submodule));
    let binary = entry.is_some_and(|entry| entry.content == Content::Omitted(Omitted::Binary));
    let done = match (said.old, said.new, said.content, said.delete) {
        (Some(old), Some(new), None, false) => workspace.edit(&path, &old, &new),
        (None, None, Some(content), false) if special || is_folder(workspace, &path) => {
            let change = FileEdit::Write(content);
            return Ok(Ok(Applied::Later(FileChange { path, change })));
        }
        (None, None, Some(content), false) => workspace.write(&path, &content),
        (None, None, None, true) if special || binary || entry.is_none() => {
            let change = FileEdit::Delete;
            return Ok(Ok(Applied::Later(FileChange { path, change })));
        }
        (None, None, None, true) => workspace.delete(&path),
        _ => return Err(BadProposal::Path(path)),
    };
    Ok(match done {
        Ok(_) => Ok(Applied::Now(path)),
        Err(error) => Err(problem(&path, &error)),
    })
}

/// Whether the path is a folder, or is below a file.
fn is_folder(workspace: &Workspace<'_>, path: &str) -> bool {
    !is_secret(path) && workspace.is_nested(path)
}

fn problem(path: &str, error: &ToolError) -> Problem {
    Problem {
        path: path.to_owned(),
        problem: error.to_string(),
    }
}
