//! How the tasks and answers of assists are stored as items: one compressed JSON document each.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item};
use crate::db::keys;
use crate::jobs::steps::{packed, unpacked};
use domain::ids::AssistId;
use domain::jobs::assists::{
    AssistAnswer, AssistTask, CommitRef, DiffStats, FileScore, IntegratedFile, SourceFile,
    SummaryText, TestAnalysis, TestIntegration,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum WireTask {
    CommitSummary {
        owner: String,
        repository: String,
        sha: String,
    },
    TestAnalysis {
        code: Option<WireFile>,
        tests: Vec<WireFile>,
    },
    TestIntegration {
        target: WireFile,
        tests: Vec<WireFile>,
    },
}

#[derive(Serialize, Deserialize)]
struct WireFile {
    path: String,
    content: String,
}

#[derive(Serialize, Deserialize)]
struct WireScore {
    path: String,
    score: u8,
    reason: String,
}

impl From<&SourceFile> for WireFile {
    fn from(file: &SourceFile) -> Self {
        Self {
            path: file.path.clone(),
            content: file.content.clone(),
        }
    }
}

impl From<WireFile> for SourceFile {
    fn from(WireFile { path, content }: WireFile) -> Self {
        Self { path, content }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum WireAnswer {
    CommitSummary {
        text: String,
        files: u64,
        additions: u64,
        deletions: u64,
        bytes: u64,
        shown_bytes: u64,
    },
    TestAnalysis {
        scores: Vec<WireScore>,
    },
    TestIntegration {
        file: WireFile,
        lines_added: u64,
        lines_removed: u64,
    },
}

pub(super) fn task_part(id: &AssistId, task: &AssistTask) -> Result<Attributes, StoreError> {
    let wire = match task {
        AssistTask::CommitSummary(commit) => WireTask::CommitSummary {
            owner: commit.repository().owner().to_owned(),
            repository: commit.repository().name().to_owned(),
            sha: commit.sha().to_owned(),
        },
        AssistTask::TestAnalysis(asked) => WireTask::TestAnalysis {
            code: asked.code().map(WireFile::from),
            tests: wired(asked.tests()),
        },
        AssistTask::TestIntegration(asked) => WireTask::TestIntegration {
            target: asked.target().into(),
            tests: wired(asked.tests()),
        },
    };
    part(id, keys::TASK, &wire)
}

pub(super) fn task_of(attributes: &Attributes) -> Result<AssistTask, StoreError> {
    let item = Item::new(attributes, "read what an assist is asked");
    Ok(match unpacked(&item)? {
        WireTask::CommitSummary {
            owner,
            repository,
            sha,
        } => AssistTask::CommitSummary(
            CommitRef::parse(&owner, &repository, &sha).ok_or_else(|| item.bad("b"))?,
        ),
        WireTask::TestAnalysis { code, tests } => AssistTask::TestAnalysis(
            TestAnalysis::check(code.map(SourceFile::from), read(tests))
                .map_err(|_| item.bad("b"))?,
        ),
        WireTask::TestIntegration { target, tests } => AssistTask::TestIntegration(
            TestIntegration::check(target.into(), read(tests)).map_err(|_| item.bad("b"))?,
        ),
    })
}

pub(super) fn answer_part(id: &AssistId, answer: &AssistAnswer) -> Result<Attributes, StoreError> {
    let wire = match answer {
        AssistAnswer::CommitSummary(SummaryText { text, diff }) => {
            let DiffStats {
                files,
                additions,
                deletions,
                bytes,
                shown_bytes,
            } = *diff;
            WireAnswer::CommitSummary {
                text: text.clone(),
                files,
                additions,
                deletions,
                bytes,
                shown_bytes,
            }
        }
        AssistAnswer::TestAnalysis(scores) => {
            let wired = |FileScore {
                             path,
                             score,
                             reason,
                         }: &FileScore| WireScore {
                path: path.clone(),
                score: *score,
                reason: reason.clone(),
            };
            WireAnswer::TestAnalysis {
                scores: scores.iter().map(wired).collect(),
            }
        }
        AssistAnswer::TestIntegration(IntegratedFile {
            file,
            lines_added,
            lines_removed,
        }) => WireAnswer::TestIntegration {
            file: file.into(),
            lines_added: *lines_added,
            lines_removed: *lines_removed,
        },
    };
    part(id, keys::ANSWER, &wire)
}

pub(super) fn answer_of(attributes: &Attributes) -> Result<AssistAnswer, StoreError> {
    let item = Item::new(attributes, "read what came of an assist");
    Ok(match unpacked(&item)? {
        WireAnswer::CommitSummary {
            text,
            files,
            additions,
            deletions,
            bytes,
            shown_bytes,
        } => AssistAnswer::CommitSummary(SummaryText {
            text,
            diff: DiffStats {
                files,
                additions,
                deletions,
                bytes,
                shown_bytes,
            },
        }),
        WireAnswer::TestAnalysis { scores } => {
            let read = |WireScore {
                            path,
                            score,
                            reason,
                        }| FileScore {
                path,
                score,
                reason,
            };
            AssistAnswer::TestAnalysis(scores.into_iter().map(read).collect())
        }
        WireAnswer::TestIntegration {
            file,
            lines_added,
            lines_removed,
        } => AssistAnswer::TestIntegration(IntegratedFile {
            file: file.into(),
            lines_added,
            lines_removed,
        }),
    })
}

fn part<T: Serialize>(
    id: &AssistId,
    part: &'static str,
    wire: &T,
) -> Result<Attributes, StoreError> {
    let mut item = keys::assist_part(id, part).attributes();
    item.extend(packed(wire, id.as_str())?);
    Ok(item)
}

fn wired(files: &[SourceFile]) -> Vec<WireFile> {
    files.iter().map(WireFile::from).collect()
}

fn read(files: Vec<WireFile>) -> Vec<SourceFile> {
    files.into_iter().map(SourceFile::from).collect()
}
