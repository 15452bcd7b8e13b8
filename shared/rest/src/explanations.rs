//! Views of explained amounts, which customers and operators see alike, and how a transaction's id
//! is written in a path.

use crate::ApiError;
use crate::views::{JobShown, Transaction};
use domain::billing::explanations::{Evidence, Explanation, UsageProgress};
use domain::billing::payments::Payment;
use domain::jobs::calls::ModelCall;
use domain::jobs::{JobRow, Terms};
use domain::ledger::{Cause, Entry};
use domain::units::Credits;
use serde::Serialize;
use utoipa::ToSchema;

/// Why a transaction or a usage record has its amount.
#[derive(Serialize, ToSchema)]
pub struct ExplanationShown {
    /// What it is, in one sentence.
    pub sentence: String,
    /// The recorded amount.
    pub amount: String,
    /// What the amount counts: `credits`, or a meter.
    pub unit: String,
    /// The lines that the amount is the sum of.
    pub sum: Vec<SumLineShown>,
    /// The amount as recomputed now, if there is anything to compute.
    pub recomputed: Option<String>,
    /// Whether the recomputed amount `equals` the recorded one or `does_not_equal` it; `named` if
    /// somebody named the amount, and `gone` if what it was computed from is not kept any more.
    pub agreement: &'static str,
    /// The model calls that were counted.
    pub calls: Vec<CallShown>,
    /// The version of the catalogue that set the terms.
    pub price_version: Option<String>,
    /// The transaction.
    pub transaction: Option<Transaction>,
    /// The usage record.
    pub usage: Option<UsageRecordShown>,
    pub hold: Option<HoldExplained>,
    /// The job that it is for.
    pub job: Option<JobShown>,
    /// The payment that it is for.
    pub payment: Option<PaymentExplained>,
    pub caused_by: Option<CauseShown>,
}

/// One line of a sum.
#[derive(Serialize, ToSchema)]
pub struct SumLineShown {
    pub what: String,
    pub amount: String,
}

/// A model call with the prices at which it was charged.
#[derive(Serialize, ToSchema)]
pub struct CallShown {
    /// The name that the provider reported.
    pub model: String,
    /// All tokens read, including those of the provider's cache.
    pub tokens_in: u64,
    /// Tokens that the provider read from its cache.
    pub tokens_cached: u64,
    /// Tokens that the provider wrote to its cache.
    pub tokens_cache_written: u64,
    pub tokens_out: u64,
    /// Credits for a thousand tokens read without the cache, before any markup.
    pub price_in_per_1k: Option<String>,
    /// Credits for a thousand cached tokens, before any markup.
    pub price_cached_per_1k: Option<String>,
    /// Credits for a thousand tokens written to the cache, before any markup.
    pub price_cache_written_per_1k: Option<String>,
    /// Credits for a thousand tokens written, before any markup.
    pub price_out_per_1k: Option<String>,
    /// The version of the catalogue with these prices.
    pub price_version: String,
    /// Credits, before any markup.
    pub cost: String,
}

/// A usage record on its way to Stripe.
#[derive(Serialize, ToSchema)]
pub struct UsageRecordShown {
    pub id: String,
    pub meter: String,
    /// The identifier of its meter event at Stripe.
    pub identifier: String,
    pub stripe_customer_id: String,
    pub value: u64,
    /// The state: `owed`, `reported`, `stuck` or `cancelled`.
    pub state: &'static str,
    pub used_at: String,
    /// The time that it is reported with. Stripe counts it in this minute, and bills it on the
    /// invoice of the period with this time.
    pub reported_with: String,
    pub reported_at: Option<String>,
    /// Why it is stuck.
    pub reason: Option<String>,
}

/// A hold.
#[derive(Serialize, ToSchema)]
pub struct HoldExplained {
    pub id: String,
    /// The credits that were reserved.
    pub reserved: String,
    /// The credits spent, once the hold has ended.
    pub spent: Option<String>,
    /// The credits that came back, once the hold has ended.
    pub returned: Option<String>,
}

/// A payment for credits.
#[derive(Serialize, ToSchema)]
pub struct PaymentExplained {
    pub id: String,
    /// What was bought.
    pub bought: String,
    pub credits: String,
    pub paid_minor: i64,
    pub currency: String,
    /// The credits taken back so far, after refunds and disputes.
    pub taken_back: String,
    /// The version of the catalogue that sold it.
    pub price_version: String,
}

/// What caused it.
#[derive(Serialize, ToSchema)]
pub struct CauseShown {
    /// The id of GitHub's delivery, for work that an event asked for.
    pub github_delivery: Option<String>,
    /// The fact that asked for the work.
    pub trigger: Option<String>,
    /// Who asked: a GitHub login, an API key or an operator; or the object at Stripe.
    pub by: String,
}

impl ExplanationShown {
    /// Shows an explained transaction.
    pub fn of_entry(entry: &Entry, explanation: &Explanation) -> Self {
        let shown = Self::of(explanation);
        let caused_by = shown.caused_by.or_else(|| {
            (!entry.source.is_empty()).then(|| CauseShown {
                github_delivery: None,
                trigger: None,
                by: entry.source.clone(),
            })
        });
        let sold_by = Some(entry.priced_by.clone()).filter(|version| !version.is_empty());
        Self {
            price_version: sold_by,
            transaction: Some(Transaction::of(entry)),
            caused_by,
            ..shown
        }
    }

    /// Shows an explained usage record.
    pub fn of_usage(explanation: &Explanation, progress: &UsageProgress) -> Self {
        let usage = &progress.usage;
        Self {
            usage: Some(UsageRecordShown {
                id: usage.id.to_string(),
                meter: usage.meter.to_string(),
                identifier: usage.identifier.to_string(),
                stripe_customer_id: usage.customer.to_string(),
                value: usage.value,
                state: progress.state,
                used_at: usage.at.to_string(),
                reported_with: progress.reported_with.to_string(),
                reported_at: progress.reported_at.map(|at| at.to_string()),
                reason: progress.reason.clone(),
            }),
            ..Self::of(explanation)
        }
    }

    fn of(explanation: &Explanation) -> Self {
        let terms = terms_of(&explanation.evidence);
        let (job, payment) = match &explanation.evidence {
            Evidence::Job(row, _) => (Some(&**row), None),
            Evidence::Payment(payment, _) => (None, Some(&**payment)),
            Evidence::Assist(_)
            | Evidence::Report(_)
            | Evidence::Left(_)
            | Evidence::Named(_)
            | Evidence::Gone => (None, None),
        };
        let sum = explanation.sum.iter().map(|line| SumLineShown {
            what: line.what.clone(),
            amount: line.amount.clone(),
        });
        let hold = explanation.hold.as_ref().map(|hold| HoldExplained {
            id: hold.id.clone(),
            reserved: hold.reserved.to_string(),
            spent: hold.ended.map(|(spent, _)| spent.to_string()),
            returned: hold.ended.map(|(_, returned)| returned.to_string()),
        });
        Self {
            sentence: explanation.sentence.clone(),
            amount: explanation.amount.clone(),
            unit: explanation.unit.clone(),
            sum: sum.collect(),
            recomputed: explanation.recomputed.clone(),
            agreement: explanation.agreement.as_str(),
            calls: explanation.evidence.calls().iter().map(call).collect(),
            price_version: terms.map(|terms| terms.priced_by.clone()),
            transaction: None,
            usage: None,
            hold,
            job: job.map(JobShown::of),
            payment: payment.and_then(payment_of),
            caused_by: job.map(cause),
        }
    }
}

fn terms_of(evidence: &Evidence) -> Option<&Terms> {
    match evidence {
        Evidence::Job(row, _) => Some(&row.facts.terms),
        Evidence::Assist(assist) => Some(&assist.facts.terms),
        Evidence::Payment(..)
        | Evidence::Report(_)
        | Evidence::Left(_)
        | Evidence::Named(_)
        | Evidence::Gone => None,
    }
}

fn call(call: &ModelCall) -> CallShown {
    let per_1k = |micros: u64| {
        let thousand = micros.saturating_mul(1_000);
        Credits::from_micros(thousand)
            .unwrap_or(Credits::MAX)
            .to_string()
    };
    CallShown {
        model: call.model.clone(),
        tokens_in: call.tokens.input,
        tokens_cached: call.tokens.cache_read,
        tokens_cache_written: call.tokens.cache_write,
        tokens_out: call.tokens.output,
        price_in_per_1k: call.price.map(|price| per_1k(price.input)),
        price_cached_per_1k: call.price.map(|price| per_1k(price.cache_read)),
        price_cache_written_per_1k: call.price.map(|price| per_1k(price.cache_write)),
        price_out_per_1k: call.price.map(|price| per_1k(price.output)),
        price_version: call.priced_by.clone(),
        cost: call.cost().to_string(),
    }
}

fn payment_of(payment: &Payment) -> Option<PaymentExplained> {
    let bought = payment.purchase.as_ref()?;
    Some(PaymentExplained {
        id: payment.id.to_string(),
        bought: bought.what.clone(),
        credits: bought.credits.to_string(),
        paid_minor: bought.paid_minor,
        currency: bought.currency.clone(),
        taken_back: payment.taken.to_string(),
        price_version: bought.priced_by.clone(),
    })
}

fn cause(row: &JobRow) -> CauseShown {
    let facts = &row.facts;
    CauseShown {
        github_delivery: facts.caused_by.as_ref().map(|key| key.id().to_owned()),
        trigger: Some(facts.trigger.clone()),
        by: facts.asked_by.clone(),
    }
}

/// How a transaction's id is written in a path: `~` for `#` and `!` for `/`, because gateways decode
/// paths, and then neither `#` nor `/` would be part of it.
pub fn in_path(id: &str) -> String {
    id.replace('#', "~").replace('/', "!")
}

/// Reads a transaction's id in a path, however it is written.
pub fn cause_of(text: &str) -> Result<Cause, ApiError> {
    let id = text.replace('~', "#").replace('!', "/");
    Cause::parse(&id).ok_or_else(no_transaction)
}

/// The error for a transaction that the account does not have.
pub fn no_transaction() -> ApiError {
    ApiError::not_found("There is no such transaction.")
}

/// The error for a usage record that the account does not have.
pub fn no_usage() -> ApiError {
    ApiError::not_found("There is no such usage record.")
}
