//! The steps of a job: what each returned, and the tokens it took.

use domain::billing::usage::Tokens;
use domain::jobs::checks::named;
use domain::jobs::evidence::CheckReport;
use domain::jobs::pulls::{FileChange, FileEdit};
use domain::jobs::steps::{Step, StepOutput};
use serde::Serialize;
use utoipa::ToSchema;

/// Tokens of model calls.
#[derive(Serialize, ToSchema)]
pub struct TokensShown {
    /// All that were read, including those of the provider's cache.
    pub input: u64,
    /// Those that the provider read from its cache.
    pub cached: u64,
    pub output: u64,
}

impl TokensShown {
    pub const fn of(tokens: Tokens) -> Self {
        Self {
            input: tokens.input,
            cached: tokens.cache_read,
            output: tokens.output,
        }
    }
}

/// A step of a job.
#[derive(Serialize, ToSchema)]
pub struct StepShown {
    pub at: String,
    /// The name that the provider reported.
    pub model: String,
    pub tokens: TokensShown,
    #[serde(flatten)]
    pub output: Output,
}

/// What a step returned.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", content = "output", rename_all = "snake_case")]
pub enum Output {
    Order(Order),
    Plan(Plan),
    Code(Code),
    Review(ReviewShown),
    Checks(ChecksShown),
}

/// The issue's text, as a model sees it.
#[derive(Serialize, ToSchema)]
pub struct Order {
    pub title: String,
    pub body: String,
    /// How many characters were removed because people on GitHub do not see them.
    pub removed: u64,
}

#[derive(Serialize, ToSchema)]
pub struct Plan {
    pub text: String,
    pub files: Vec<String>,
}

/// A proposed pull request.
#[derive(Serialize, ToSchema)]
pub struct Code {
    pub title: String,
    pub body: String,
    pub changes: Vec<EditedFile>,
}

/// A change of one file.
#[derive(Serialize, ToSchema)]
pub struct EditedFile {
    pub path: String,
    /// The new content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Always `true`: the file is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub struct ReviewShown {
    /// The verdict: `approve`, `rework` or `reject`.
    pub verdict: &'static str,
    pub notes: String,
}

/// Failed checks that sent the change back.
#[derive(Serialize, ToSchema)]
pub struct ChecksShown {
    /// The names of the checks.
    pub failed: String,
    /// What some of them say, as the model reads it.
    pub reports: Vec<ReportShown>,
}

/// What a failed check says.
#[derive(Serialize, ToSchema)]
pub struct ReportShown {
    pub check: String,
    pub says: String,
}

impl StepShown {
    pub fn of(step: &Step) -> Self {
        Self {
            at: step.at.to_string(),
            model: step.model.clone(),
            tokens: TokensShown::of(step.tokens),
            output: output(&step.output),
        }
    }
}

fn output(output: &StepOutput) -> Output {
    match output {
        StepOutput::Issue(order) => Output::Order(Order {
            title: order.title.clone(),
            body: order.body.clone(),
            removed: order.removed,
        }),
        StepOutput::Plan(plan) => Output::Plan(Plan {
            text: plan.text.clone(),
            files: plan.files.clone(),
        }),
        StepOutput::Code(proposal) => Output::Code(Code {
            title: proposal.title().to_owned(),
            body: proposal.body().to_owned(),
            changes: proposal.changes().iter().map(change).collect(),
        }),
        StepOutput::Review(review) => Output::Review(ReviewShown {
            verdict: review.verdict.as_str(),
            notes: review.notes.clone(),
        }),
        StepOutput::Checks(checks) => Output::Checks(ChecksShown {
            failed: named(&checks.failed),
            reports: checks.reports.iter().map(report).collect(),
        }),
    }
}

fn report(report: &CheckReport) -> ReportShown {
    ReportShown {
        check: report.check.clone(),
        says: report.says.clone(),
    }
}

fn change(file: &FileChange) -> EditedFile {
    let (content, delete) = match &file.change {
        FileEdit::Write(content) => (Some(content.clone()), None),
        FileEdit::Delete => (None, Some(true)),
    };
    EditedFile {
        path: file.path.clone(),
        content,
        delete,
    }
}
