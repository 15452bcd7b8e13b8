//! The views of domain types that customers and operators see alike.

use domain::billing::plans::{Limit, Period};
use domain::billing::subscriptions::Invoice;
use domain::billing::usage::Meter;
use domain::ledger::{Entry, EntryKind};
use domain::notices::NoticeKind;
use domain::units::{Credits, decimal};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

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
            at: entry.at.to_string(),
        }
    }
}

/// An invoice.
#[derive(Serialize, ToSchema)]
pub struct InvoiceShown {
    id: String,
    number: Option<String>,
    /// The status at Stripe, such as `open` or `paid`.
    status: String,
    amount_due_minor: i64,
    amount_paid_minor: i64,
    currency: String,
    /// The page where the invoice can be viewed and paid.
    url: Option<String>,
    created_at: String,
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
    meter: String,
    used: u64,
    /// The limit per period; 0 means unlimited.
    limit: u64,
    /// The units left in the period. Absent if unlimited.
    left: Option<u64>,
    /// The name of the period.
    period: String,
    /// When the next period begins, if known.
    renews_at: Option<String>,
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
