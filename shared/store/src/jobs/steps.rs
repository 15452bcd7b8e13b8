//! How the outputs of steps are stored as items: one compressed JSON document each.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, bytes, number, text, texts, time};
use crate::db::keys;
use crate::db::tx::Change;
use crate::inbox::bodies;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::billing::usage::Tokens;
use domain::ids::JobId;
use domain::jobs::calls::ModelCall;
use domain::jobs::checks::{CheckId, CheckMaker};
use domain::jobs::evidence::CheckReport;
use domain::jobs::pulls::{FileChange, FileEdit, Proposal};
use domain::jobs::steps::{FailedChecks, IssueText, Review, Step, StepOutput, Verdict, WorkPlan};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Wire {
    Issue {
        title: String,
        body: String,
        /// Missing in older steps.
        #[serde(default)]
        removed: u64,
    },
    Plan {
        text: String,
        files: Vec<String>,
    },
    Code {
        title: String,
        body: String,
        changes: Vec<WireChange>,
    },
    Review {
        verdict: String,
        notes: String,
    },
    Checks {
        failed: Vec<WireCheck>,
        reports: Vec<WireReport>,
    },
}

#[derive(Serialize, Deserialize)]
struct WireReport {
    check: String,
    says: String,
}

#[derive(Serialize, Deserialize)]
struct WireCheck {
    name: String,
    /// `status`, `app`, or the number of the App.
    made_by: String,
}

#[derive(Serialize, Deserialize)]
struct WireChange {
    path: String,
    /// Absent if the file is deleted.
    content: Option<String>,
}

fn wire(output: &StepOutput) -> Wire {
    match output {
        StepOutput::Issue(order) => Wire::Issue {
            title: order.title.clone(),
            body: order.body.clone(),
            removed: order.removed,
        },
        StepOutput::Plan(plan) => Wire::Plan {
            text: plan.text.clone(),
            files: plan.files.clone(),
        },
        StepOutput::Code(proposal) => Wire::Code {
            title: proposal.title().to_owned(),
            body: proposal.body().to_owned(),
            changes: proposal.changes().iter().map(wire_change).collect(),
        },
        StepOutput::Review(review) => Wire::Review {
            verdict: review.verdict.as_str().to_owned(),
            notes: review.notes.clone(),
        },
        StepOutput::Checks(checks) => Wire::Checks {
            failed: checks.failed.iter().map(wire_check).collect(),
            reports: checks.reports.iter().map(wire_report).collect(),
        },
    }
}

fn wire_check(check: &CheckId) -> WireCheck {
    WireCheck {
        name: check.name.clone(),
        made_by: match check.made_by {
            CheckMaker::Status => "status".to_owned(),
            CheckMaker::App(None) => "app".to_owned(),
            CheckMaker::App(Some(app)) => app.to_string(),
        },
    }
}

fn check_of(wire: WireCheck) -> Option<CheckId> {
    Some(CheckId {
        made_by: match wire.made_by.as_str() {
            "status" => CheckMaker::Status,
            "app" => CheckMaker::App(None),
            app => CheckMaker::App(Some(app.parse().ok()?)),
        },
        name: wire.name,
    })
}

fn wire_report(CheckReport { check, says }: &CheckReport) -> WireReport {
    WireReport {
        check: check.clone(),
        says: says.clone(),
    }
}

fn report_of(WireReport { check, says }: WireReport) -> CheckReport {
    CheckReport { check, says }
}

fn wire_change(file: &FileChange) -> WireChange {
    let content = match &file.change {
        FileEdit::Write(content) => Some(content.clone()),
        FileEdit::Delete => None,
    };
    WireChange {
        path: file.path.clone(),
        content,
    }
}

fn output(wire: Wire) -> Option<StepOutput> {
    Some(match wire {
        Wire::Issue {
            title,
            body,
            removed,
        } => StepOutput::Issue(IssueText {
            title,
            body,
            removed,
        }),
        Wire::Plan { text, files } => StepOutput::Plan(WorkPlan { text, files }),
        Wire::Code {
            title,
            body,
            changes,
        } => {
            let changes = changes.into_iter().map(|file| FileChange {
                path: file.path,
                change: file.content.map_or(FileEdit::Delete, FileEdit::Write),
            });
            StepOutput::Code(Proposal::check(&title, &body, changes.collect()).ok()?)
        }
        Wire::Review { verdict, notes } => StepOutput::Review(Review {
            verdict: Verdict::parse(&verdict)?,
            notes,
        }),
        Wire::Checks { failed, reports } => StepOutput::Checks(FailedChecks {
            failed: failed.into_iter().map(check_of).collect::<Option<_>>()?,
            reports: reports.into_iter().map(report_of).collect(),
        }),
    })
}

/// Packs a document into one compressed JSON text.
pub(crate) fn packed<T: Serialize>(document: &T, whose: &str) -> Result<Attributes, StoreError> {
    let json = serde_json::to_vec(document)
        .map_err(|_| StoreError::bad_item("keep a document", whose, "b"))?;
    let (codec, packed) = bodies::pack(&json);
    let parts = [
        ("c", number(codec)),
        ("len", number(json.len())),
        ("b", bytes(packed)),
    ];
    Ok(parts.map(|(name, value)| (name.to_owned(), value)).into())
}

pub(crate) fn unpacked<T: DeserializeOwned>(item: &Item<'_>) -> Result<T, StoreError> {
    let json = bodies::unpack(item.number("c")?, item.bytes("b")?, item.number("len")?)?;
    serde_json::from_slice(&json).map_err(|_| item.bad("b"))
}

pub(crate) fn step_item(job: &JobId, index: u32, step: &Step) -> Result<Attributes, StoreError> {
    let mut item = keys::step(job, index).attributes();
    item.extend(packed(&wire(&step.output), job.as_str())?);
    item.extend(
        [
            ("cost", number(step.cost.micros())),
            ("model", text(&step.model)),
            ("at", time(step.at)),
            ("calls", calls_text(&step.calls)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    item.extend(tokens_attributes(step.tokens));
    Ok(item)
}

const CACHE_READ: &str = "tokens_cached";
const CACHE_WRITE: &str = "tokens_cache_written";

/// The attributes of tokens. The classes of the cache are stored only if there are any.
pub(crate) fn tokens_attributes(tokens: Tokens) -> impl Iterator<Item = (String, AttributeValue)> {
    let all = [
        ("tokens_in", Some(tokens.input)),
        ("tokens_out", Some(tokens.output)),
        (CACHE_READ, some(tokens.cache_read)),
        (CACHE_WRITE, some(tokens.cache_write)),
    ];
    all.into_iter()
        .filter_map(|(name, count)| Some((name.to_owned(), number(count?))))
}

/// Sets the attributes of tokens in a change.
pub(crate) fn tokens_change(change: Change, tokens: Tokens) -> Change {
    change
        .set("tokens_in", number(tokens.input))
        .set("tokens_out", number(tokens.output))
        .set_or_remove(CACHE_READ, some(tokens.cache_read).map(number))
        .set_or_remove(CACHE_WRITE, some(tokens.cache_write).map(number))
}

fn some(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}

pub(crate) fn tokens_of(item: &Item<'_>) -> Result<Tokens, StoreError> {
    Ok(Tokens {
        input: item.number("tokens_in")?,
        output: item.number("tokens_out")?,
        cache_read: item.find_number(CACHE_READ)?.unwrap_or_default(),
        cache_write: item.find_number(CACHE_WRITE)?.unwrap_or_default(),
    })
}

pub(crate) fn step_of(attributes: &Attributes) -> Result<Step, StoreError> {
    let item = Item::new(attributes, "read a step");
    Ok(Step {
        output: output(unpacked(&item)?).ok_or_else(|| item.bad("b"))?,
        tokens: tokens_of(&item)?,
        cost: item.find_credits("cost")?,
        model: item.text("model")?.to_owned(),
        calls: calls_of(&item)?,
        at: item.time("at")?,
    })
}

/// The attribute of the model calls of a step or an assist.
pub(crate) fn calls_text(calls: &[ModelCall]) -> AttributeValue {
    texts(calls.iter().map(ModelCall::text))
}

pub(crate) fn calls_of(item: &Item<'_>) -> Result<Vec<ModelCall>, StoreError> {
    let calls = item.texts("calls")?.into_iter().map(ModelCall::parse);
    calls
        .collect::<Option<_>>()
        .ok_or_else(|| item.bad("calls"))
}
