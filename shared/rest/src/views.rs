//! The views of domain types that customers and operators see alike.

pub mod repositories;

use domain::billing::plans::{Limit, Period};
use domain::billing::subscriptions::{Invoice, PlannedChange};
use domain::billing::usage::Meter;
use domain::jobs::requests::{JobRequest, RequestOutcome};
use domain::jobs::{Funding, JobRow, JobState, cost_to_customer};
use domain::ledger::{Entry, EntryKind};
use domain::notices::NoticeKind;
use domain::units::{Credits, decimal};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A change of plan when the period ends.
#[derive(Serialize, ToSchema)]
pub struct PlannedShown {
    /// The plan from then on; absent if it is not a plan of the catalogue.
    pub plan: Option<String>,
    pub at: String,
}

impl PlannedShown {
    pub fn of(planned: &PlannedChange) -> Self {
        Self {
            plan: planned.plan.as_ref().map(ToString::to_string),
            at: planned.at.to_string(),
        }
    }
}

/// A transaction: one movement of credits.
#[derive(Serialize, ToSchema)]
pub struct Transaction {
    pub id: String,
    /// The direction: `credit`, `debit`, `hold` or `release`.
    #[serde(rename = "type")]
    pub side: &'static str,
    /// The kind of transaction in more detail.
    pub kind: &'static str,
    pub amount: String,
    /// The change of the available balance.
    pub available_change: String,
    pub description: String,
    /// The origin: a Stripe object, a job or an operator.
    pub source: String,
    /// The type of the credits, if they were given as `trial`, `promotional` or `goodwill`.
    pub grant_type: Option<&'static str>,
    /// When such credits expire, if ever.
    pub expires_at: Option<String>,
    pub at: String,
}

impl Transaction {
    pub fn of(entry: &Entry) -> Self {
        let side = match entry.kind {
            EntryKind::Hold => "hold",
            EntryKind::Release => "release",
            _ if entry.free.saturating_add(entry.held) < 0 => "debit",
            _ => "credit",
        };
        Self {
            id: entry.cause.clone(),
            side,
            kind: entry.kind.as_str(),
            amount: entry.amount.to_string(),
            available_change: decimal(entry.free),
            description: entry.note.clone(),
            source: entry.source.clone(),
            grant_type: entry.terms.map(|terms| terms.kind.as_str()),
            expires_at: entry
                .terms
                .and_then(|terms| terms.expires_at)
                .map(|end| end.to_string()),
            at: entry.at.to_string(),
        }
    }
}

/// An invoice.
#[derive(Serialize, ToSchema)]
pub struct InvoiceShown {
    pub id: String,
    pub number: Option<String>,
    /// The status at Stripe, such as `open` or `paid`.
    pub status: String,
    pub amount_due_minor: i64,
    pub amount_paid_minor: i64,
    pub currency: String,
    /// The page where the invoice can be viewed and paid.
    pub url: Option<String>,
    pub created_at: String,
}

impl InvoiceShown {
    pub fn of(invoice: &Invoice) -> Self {
        Self {
            id: invoice.id.to_string(),
            number: invoice.number.clone(),
            status: invoice.status.clone(),
            amount_due_minor: invoice.amount_due_minor,
            amount_paid_minor: invoice.amount_paid_minor,
            currency: invoice.currency.clone(),
            url: invoice.url.clone(),
            created_at: invoice.created_at.to_string(),
        }
    }
}

/// The usage of a quota.
#[derive(Serialize, ToSchema)]
pub struct QuotaUse {
    pub meter: String,
    pub used: u64,
    /// The limit per period; 0 means unlimited.
    pub limit: u64,
    /// The units left in the period. Absent if unlimited.
    pub left: Option<u64>,
    /// The name of the period.
    pub period: String,
    /// When the next period begins, if known.
    pub renews_at: Option<String>,
}

impl QuotaUse {
    pub fn of(meter: &Meter, limit: Limit, used: u64, period: Period) -> Self {
        let (limit, left) = match limit {
            Limit::Unlimited => (0, None),
            Limit::Of(limit) => (limit, Some(limit.saturating_sub(used))),
        };
        Self {
            meter: meter.to_string(),
            used,
            limit,
            left,
            period: period.key,
            renews_at: period.end.map(|end| end.to_string()),
        }
    }
}

/// The notice preferences of an account.
#[derive(Serialize, ToSchema)]
pub struct NoticesShown {
    /// Whether the account has an email address. Without one it receives no mail.
    has_address: bool,
    /// Each kind of notice, and whether the account receives it.
    #[schema(example = json!({ "payment_failed": true, "job_finished": false }))]
    kinds: BTreeMap<String, bool>,
    /// The account is warned when its available credits fall below this.
    #[schema(example = "500")]
    low_balance: String,
}

impl NoticesShown {
    pub fn of(has_address: bool, is_on: impl Fn(NoticeKind) -> bool, low_balance: Credits) -> Self {
        let kinds = NoticeKind::ALL.map(|kind| (kind.as_str().to_owned(), is_on(kind)));
        Self {
            has_address,
            kinds: kinds.into(),
            low_balance: low_balance.to_string(),
        }
    }
}

/// A job.
#[derive(Serialize, ToSchema)]
pub struct JobShown {
    pub id: String,
    /// The state: from `QUEUED` and `PLANNING` through `PR_OPENED` to a final state, or `DELEGATED`
    /// while an external agent works on the job. A job that was requested through the API is
    /// `REQUESTED` until its issue has been looked up, and `REFUSED` if no job is possible.
    pub state: String,
    /// The repository, such as `acme/greeter`.
    pub repository: String,
    pub issue: u64,
    /// Who works on the job: `tallyhook`, or `external` for an external agent.
    pub agent: &'static str,
    pub pull_request: Option<u64>,
    pub pull_request_url: Option<String>,
    /// The job that this one retries.
    pub retry_of: Option<String>,
    /// Why the job ended.
    pub reason: Option<String>,
    /// The prompt tokens used so far.
    pub tokens_in: u64,
    /// The completion tokens used so far.
    pub tokens_out: u64,
    /// What the job is paid with: `credits`, `meters` or `nothing`. Absent until the job exists.
    pub paid_by: Option<&'static str>,
    /// The price so far, if the job is paid with credits.
    pub price: Option<String>,
    /// The most that the job can cost, if it is paid with credits.
    pub price_max: Option<String>,
    pub created_at: String,
    pub timeline: Vec<MomentShown>,
}

impl JobShown {
    /// Whether the job can still cost more.
    pub fn price_is_open(&self) -> bool {
        JobState::parse(&self.state).is_some_and(|state| state.work().is_some())
    }

    pub fn of(row: &JobRow) -> Self {
        let facts = &row.facts;
        let (paid_by, price) = match facts.terms.funding {
            Funding::Prepaid { .. } => (Some("credits"), Some(cost_to_customer(row).to_string())),
            Funding::Metered { .. } => (Some("meters"), None),
            Funding::Free => (Some("nothing"), None),
        };
        Self {
            id: facts.id.to_string(),
            state: row.state.as_str().to_owned(),
            repository: format!("{}/{}", facts.owner_login, facts.repository_name),
            issue: facts.issue_number,
            agent: row.agent().as_str(),
            pull_request: row.pull.as_ref().map(|pull| pull.number),
            pull_request_url: row.pull.as_ref().map(|pull| pull.url.clone()),
            retry_of: facts.retry_of.as_ref().map(ToString::to_string),
            reason: row.reason.clone(),
            tokens_in: row.tokens.input,
            tokens_out: row.tokens.output,
            paid_by,
            price,
            price_max: match facts.terms.funding {
                Funding::Prepaid { held, .. } => Some(held.to_string()),
                Funding::Metered { .. } | Funding::Free => None,
            },
            created_at: facts.created_at.to_string(),
            timeline: row
                .timeline
                .iter()
                .map(|moment| MomentShown {
                    state: moment.state.as_str().to_owned(),
                    at: moment.at.to_string(),
                })
                .collect(),
        }
    }

    /// Presents a request as the job that it may become.
    pub fn requested(request: &JobRequest) -> Self {
        let (state, reason) = match &request.outcome {
            Some(RequestOutcome::Refused(why)) => ("REFUSED", Some(why.clone())),
            Some(RequestOutcome::Job(_)) | None => ("REQUESTED", None),
        };
        Self {
            id: request.id.to_string(),
            state: state.to_owned(),
            repository: request.repository.to_string(),
            issue: request.issue_number,
            agent: request.agent.as_str(),
            pull_request: None,
            pull_request_url: None,
            retry_of: request.retry_of.as_ref().map(ToString::to_string),
            reason,
            tokens_in: 0,
            tokens_out: 0,
            paid_by: None,
            price: None,
            price_max: None,
            created_at: request.at.to_string(),
            timeline: Vec::new(),
        }
    }
}

/// A state that the job entered, and when.
#[derive(Serialize, ToSchema)]
pub struct MomentShown {
    pub state: String,
    pub at: String,
}
