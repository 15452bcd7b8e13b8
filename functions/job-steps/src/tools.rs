//! The tools that the model has while it codes, and what its calls do.
//!
//! What a conversation has changed is a pure function of the base and of the calls so far, so
//! another worker makes it again from the stored turns.

use agent::lint::{lint, weakened};
use agent::outline::{Language, outline, render};
use agent::snapshot::{Content, Mode, Omitted, Snapshot, is_secret};
use agent::tools::{Changed, Workspace};
use domain::jobs::pulls::{FileChange, FileEdit, Proposal};
use domain::jobs::turns::{ToolCall, ToolResult};
use domain::text::truncate;
use model_api::{Argument, Tool};
use serde::Serialize;
use serde_json::Value;

const PATH: Argument = required("path", "string", "The file's path in the repository.");

/// The tools, in the order in which the model reads them.
pub const TOOLS: &[Tool] = &[
    Tool {
        name: "list",
        description: "Lists a folder: its files and folders, with the number of files below each folder.",
        arguments: &[required(
            "path",
            "string",
            "The folder, or an empty text for the repository's.",
        )],
    },
    Tool {
        name: "search",
        description: "Finds lines that contain a text. Upper and lower case count only if the text has upper case.",
        arguments: &[
            required(
                "text",
                "string",
                "The text, as it stands in one line. It is no pattern.",
            ),
            optional(
                "path",
                "string",
                "Search only below this folder, or in this file.",
            ),
        ],
    },
    Tool {
        name: "outline",
        description: "Shows what a file declares and at which lines, without the bodies.",
        arguments: &[PATH],
    },
    Tool {
        name: "read",
        description: "Shows numbered lines of a file, at most 400 at once. Only lines that were shown can be changed.",
        arguments: &[
            PATH,
            optional("from", "integer", "The first line, counted from 1."),
            optional("to", "integer", "The last line."),
        ],
    },
    Tool {
        name: "edit",
        description: "Replaces lines of a file. The old text has to occur exactly once.",
        arguments: &[
            PATH,
            required(
                "old",
                "string",
                "The lines to replace, copied exactly, without their numbers.",
            ),
            required("new", "string", "The lines in their place."),
        ],
    },
    Tool {
        name: "write",
        description: "Writes a new file, or the whole of a file that was shown whole. Prefer `edit` for a file that exists.",
        arguments: &[PATH, required("content", "string", "The whole content.")],
    },
    Tool {
        name: "delete",
        description: "Deletes a file that was shown whole.",
        arguments: &[PATH],
    },
    Tool {
        name: "submit",
        description: "Proposes all changes as a pull request and ends your work. Call it last, when the change is complete.",
        arguments: &[
            required("title", "string", "The pull request's title."),
            required("body", "string", "What was changed and why, in Markdown."),
        ],
    },
];

const fn required(name: &'static str, kind: &'static str, description: &'static str) -> Argument {
    Argument {
        name,
        kind,
        description,
        required: true,
    }
}

const fn optional(name: &'static str, kind: &'static str, description: &'static str) -> Argument {
    Argument {
        required: false,
        ..required(name, kind, description)
    }
}

/// The most calls that are made in one turn.
const CALLS_MAX: usize = 200;
/// The most bytes that the results of one turn have together.
const RESULTS_BYTES_MAX: usize = 96 * 1024;
const OUTLINE_LINES_MAX: usize = 300;
const OUTLINE_BYTES_MAX: usize = 16 * 1024;
/// The most findings that are shown to the model at once.
const FINDINGS_MAX: usize = 20;

/// How the refusal of a repair begins that weakens the checks.
pub const TAMPERED: &str = "Not submitted, because a repair must not weaken the checks:";

/// What the check of a change found in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub path: String,
    pub problem: String,
}

/// The findings for changes of a base.
pub fn findings(base: &Snapshot, changed: &[Changed]) -> Vec<Finding> {
    let found = lint(base, changed).into_iter().take(FINDINGS_MAX);
    found
        .map(|finding| Finding {
            problem: finding.to_string(),
            path: finding.path,
        })
        .collect()
}

/// The file whose content a call needs, if it needs one.
pub fn needs(call: &ToolCall) -> Option<String> {
    let path = matches!(
        call.name.as_str(),
        "outline" | "read" | "edit" | "write" | "delete"
    );
    let input: Value = serde_json::from_str(&call.input).ok()?;
    path.then(|| input["path"].as_str().map(str::to_owned))?
}

/// Whether a call needs the texts of the whole repository.
pub fn searches(call: &ToolCall) -> bool {
    call.name == "search"
}

/// The files with the changes so far.
pub struct Desk<'a> {
    workspace: Workspace<'a>,
    base: &'a Snapshot,
    archive: Option<&'a Snapshot>,
    /// Changes of what is no text file. The tree is looked at before the commit, which then says
    /// why not.
    later: Vec<FileChange>,
    /// Whether the findings of the check were shown in this round. A model that submits again means
    /// what it wrote.
    told_findings: bool,
    /// The change whose checks failed, if this round repairs it.
    before: Option<Vec<Changed>>,
    submitted: Option<Proposal>,
}

type Ran = Result<String, String>;

impl<'a> Desk<'a> {
    /// A desk on which the model was shown these files.
    pub fn new(base: &'a Snapshot, shown: &[String], archive: Option<&'a Snapshot>) -> Self {
        let mut workspace = Workspace::new(base);
        for path in shown {
            // A file that has no text was not shown.
            let _ = workspace.show_whole(path);
        }
        Self {
            workspace,
            base,
            archive,
            later: Vec::new(),
            told_findings: false,
            before: None,
            submitted: None,
        }
    }

    /// Begins another round, after the review or failed checks have sent the change back.
    pub fn begin_round(&mut self, is_repair: bool) {
        self.told_findings = false;
        self.submitted = None;
        self.before = is_repair.then(|| self.workspace.changed().unwrap_or_default());
    }

    /// What was submitted in this round.
    pub fn into_submitted(self) -> Option<Proposal> {
        self.submitted
    }

    pub const fn is_submitted(&self) -> bool {
        self.submitted.is_some()
    }

    /// Makes the calls of one turn in their order.
    pub fn run(&mut self, calls: &[ToolCall]) -> Vec<ToolResult> {
        let (mut bytes, mut whole) = (0, true);
        let mut results = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            let ran = if at >= CALLS_MAX {
                Err(format!(
                    "There are more than {CALLS_MAX} calls in your answer. Call again."
                ))
            } else if self.is_submitted() {
                Err("The change is submitted already.".to_owned())
            } else if bytes >= RESULTS_BYTES_MAX {
                Err("The results before have too much text. Call again.".to_owned())
            } else {
                self.call(call, whole)
            };
            let failed = ran.is_err();
            whole &= !failed;
            let text = ran.unwrap_or_else(|problem| problem);
            bytes += text.len();
            results.push(ToolResult { text, failed });
        }
        results
    }

    fn call(&mut self, call: &ToolCall, whole: bool) -> Ran {
        let input: Value = serde_json::from_str(&call.input).unwrap_or_default();
        let text = |name: &str| {
            let found = input[name].as_str();
            found.ok_or_else(|| format!("The argument `{name}` is missing. Call again with it."))
        };
        let line = |name: &str, default: usize| {
            let number = input[name].as_u64();
            number.map_or(default, |number| usize::try_from(number).unwrap_or(default))
        };
        match call.name.as_str() {
            "list" => Ok(self
                .workspace
                .list(input["path"].as_str().unwrap_or_default())),
            "search" => self.search(text("text")?, input["path"].as_str().unwrap_or_default()),
            "outline" => self.outline(text("path")?),
            "read" => {
                let read =
                    self.workspace
                        .read(text("path")?, line("from", 1), line("to", usize::MAX));
                read.map_err(|error| error.to_string())
            }
            "edit" => {
                let (path, old, new) = (text("path")?, text("old")?, text("new")?);
                self.may_change(path)?;
                let edited = self.workspace.edit(path, old, new);
                edited.map_err(|error| named(path, &error))?;
                Ok(format!("`{path}` is changed."))
            }
            "write" => self.write(text("path")?, text("content")?),
            "delete" => self.delete(text("path")?),
            "submit" if !whole => Err(
                "Not submitted, because a call before failed. Correct it, then submit again."
                    .to_owned(),
            ),
            "submit" => self.submit(text("title")?, text("body")?),
            other => Err(format!("There is no tool `{other}`.")),
        }
    }

    fn search(&self, wanted: &str, below: &str) -> Ran {
        let archive = self.archive.ok_or(
            "This repository cannot be searched. List folders, and read files by their paths.",
        )?;
        if wanted.trim().is_empty() {
            return Err("The text is empty. Name a word that the lines contain.".to_owned());
        }
        Ok(self.workspace.search(archive, wanted, below))
    }

    fn outline(&self, path: &str) -> Ran {
        let text = self
            .workspace
            .view(path)
            .map_err(|error| error.to_string())?;
        let language = Language::of(path)
            .ok_or_else(|| format!("`{path}` is in a language without outlines. Read it."))?;
        let symbols = outline(language, text);
        let lines = render(text, &symbols, OUTLINE_LINES_MAX);
        Ok(truncate(&lines, OUTLINE_BYTES_MAX).to_owned())
    }

    /// Refuses a repair that changes nothing, or that makes the checks pass by weakening them.
    fn may_repair(&self, before: &[Changed], after: &[Changed]) -> Result<(), String> {
        if before == after && self.later.is_empty() {
            return Err("Nothing has changed since the checks failed. Correct the change, then submit again.".to_owned());
        }
        let found = weakened(self.base, before, after);
        if found.is_empty() {
            return Ok(());
        }
        let lines = found.iter().map(|finding| format!("\n- {}", told(finding)));
        Err(format!("{TAMPERED}{}", lines.collect::<String>()))
    }

    /// Refuses what no agent may change, so that the model hears it before it has built on it.
    fn may_change(&self, path: &str) -> Result<(), String> {
        let change = FileChange {
            path: path.to_owned(),
            change: FileEdit::Delete,
        };
        let checked = Proposal::check("", "", vec![change]);
        checked.map(|_| ()).map_err(|error| error.to_string())
    }

    fn write(&mut self, path: &str, content: &str) -> Ran {
        self.may_change(path)?;
        let special = self.is_special(path) || !is_secret(path) && self.workspace.is_nested(path);
        if special {
            return Ok(self.keep(path, FileEdit::Write(content.to_owned())));
        }
        let written = self.workspace.write(path, content);
        written.map_err(|error| named(path, &error))?;
        Ok(format!("`{path}` is written."))
    }

    fn delete(&mut self, path: &str) -> Ran {
        self.may_change(path)?;
        let entry = self.base.get(path);
        let binary = entry.is_some_and(|entry| entry.content == Content::Omitted(Omitted::Binary));
        let folder = entry.is_none() && self.workspace.is_nested(path);
        if self.is_special(path) || binary || folder {
            return Ok(self.keep(path, FileEdit::Delete));
        }
        let deleted = self.workspace.delete(path);
        deleted.map_err(|error| named(path, &error))?;
        Ok(format!("`{path}` is deleted."))
    }

    fn is_special(&self, path: &str) -> bool {
        let entry = self.base.get(path);
        entry.is_some_and(|entry| matches!(entry.mode, Mode::Link | Mode::Submodule))
    }

    fn keep(&mut self, path: &str, change: FileEdit) -> String {
        let path = path.to_owned();
        self.later.retain(|file| file.path != path);
        let text = format!("`{path}` will be changed if the tree allows it.");
        self.later.push(FileChange { path, change });
        text
    }

    fn submit(&mut self, title: &str, body: &str) -> Ran {
        let changed = self
            .workspace
            .changed()
            .map_err(|error| error.to_string())?;
        if let Some(before) = &self.before {
            self.may_repair(before, &changed)?;
        }
        let files = changed.iter().map(|file| {
            let text = file.content.as_ref();
            let text = text.and_then(|bytes| String::from_utf8(bytes.clone()).ok());
            FileChange {
                path: file.path.clone(),
                change: text.map_or(FileEdit::Delete, FileEdit::Write),
            }
        });
        let files = files.chain(self.later.iter().cloned()).collect();
        let proposal = Proposal::check(title, body, files).map_err(|error| error.to_string())?;
        let found = findings(self.base, &changed);
        if !found.is_empty() && !self.told_findings {
            self.told_findings = true;
            let lines = found
                .iter()
                .map(|finding| format!("\n- `{}`: {}", finding.path, finding.problem));
            return Err(format!(
                "Not submitted yet. A check that reads the change without understanding it found:{}\nCorrect it, or submit again if the change is right.",
                lines.collect::<String>()
            ));
        }
        self.submitted = Some(proposal);
        Ok("Submitted.".to_owned())
    }
}

fn told(finding: &agent::lint::Finding) -> String {
    if finding.path.is_empty() {
        finding.to_string()
    } else {
        format!("`{}`: {finding}", finding.path)
    }
}

fn named(path: &str, error: &agent::tools::ToolError) -> String {
    let text = error.to_string();
    if text.contains(path) {
        text
    } else {
        format!("`{path}`: {text}")
    }
}
