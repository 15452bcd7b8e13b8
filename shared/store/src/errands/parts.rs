//! What errands are asked and what comes of them, as it stands in items: one compressed JSON document each.

use crate::error::StoreError;
use crate::item::{Attributes, Item};
use crate::keys;
use crate::steps::{packed, unpacked};
use domain::errands::{Answer, Commit, DiffFacts, Summary, Task};
use domain::ids::ErrandId;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum WireTask {
    CommitSummary { owner: String, repository: String, sha: String },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum WireAnswer {
    CommitSummary { text: String, files: u64, additions: u64, deletions: u64, bytes: u64, shown_bytes: u64 },
}

pub(super) fn task_part(id: &ErrandId, task: &Task) -> Result<Attributes, StoreError> {
    let wire = match task {
        Task::CommitSummary(commit) => WireTask::CommitSummary {
            owner: commit.repository().owner().to_owned(),
            repository: commit.repository().name().to_owned(),
            sha: commit.sha().to_owned(),
        },
    };
    part(id, keys::TASK, &wire)
}

pub(super) fn task_of(attributes: &Attributes) -> Result<Task, StoreError> {
    let item = Item::new(attributes, "read what an errand is asked");
    Ok(match unpacked(&item)? {
        WireTask::CommitSummary { owner, repository, sha } => {
            Task::CommitSummary(Commit::parse(&owner, &repository, &sha).ok_or_else(|| item.bad("b"))?)
        }
    })
}

pub(super) fn answer_part(id: &ErrandId, answer: &Answer) -> Result<Attributes, StoreError> {
    let wire = match answer {
        Answer::CommitSummary(Summary { text, diff }) => {
            let DiffFacts { files, additions, deletions, bytes, shown_bytes } = *diff;
            WireAnswer::CommitSummary { text: text.clone(), files, additions, deletions, bytes, shown_bytes }
        }
    };
    part(id, keys::ANSWER, &wire)
}

pub(super) fn answer_of(attributes: &Attributes) -> Result<Answer, StoreError> {
    let item = Item::new(attributes, "read what came of an errand");
    Ok(match unpacked(&item)? {
        WireAnswer::CommitSummary { text, files, additions, deletions, bytes, shown_bytes } => {
            Answer::CommitSummary(Summary { text, diff: DiffFacts { files, additions, deletions, bytes, shown_bytes } })
        }
    })
}

fn part<T: Serialize>(id: &ErrandId, part: &'static str, wire: &T) -> Result<Attributes, StoreError> {
    let mut item = keys::errand_part(id, part).attributes();
    item.extend(packed(wire, id.as_str())?);
    Ok(item)
}
