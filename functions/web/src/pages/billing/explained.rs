//! `/billing/transactions/{id}` and `/billing/usage/{meter}/{id}`: why an amount is what it is.
//! Read-only.

use crate::members::Member;
use crate::pages::billing::tab;
use crate::{ApiError, Ctx};
use axum::extract::State;
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::UsageId;
use domain::jobs::{Funding, JobRow, billed_usage, was_billed};
use domain::ledger::{Cause, HoldId};
use flows::billing::explanations;
use maud::html;
use pages::{Around, Page, explanation, usage_progress};
use rest::Path;
use rest::explanations::{cause_of, in_path, no_transaction, no_usage};
use std::sync::Arc;

const AROUND: Around<'_> = Around {
    jobs: "/jobs",
    events: None,
};

/// Explains a transaction.
pub async fn transaction(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Page, ApiError> {
    let found = explanations::of_entry(&ctx.store, &member.account, &cause_of(&id)?).await?;
    let (entry, found) = found.ok_or_else(no_transaction)?;
    let content = html! {
        (explanation(&found, &AROUND))
        p { a href="/billing/transactions" { "All transactions" } " " span.quiet { code { (entry.cause) } } }
    };
    let standing = member.standing(&ctx).await?;
    Ok(tab(&member, &standing, "Transaction", "/billing/transactions").with(&content))
}

/// Explains a usage record.
pub async fn usage(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Path((meter, id)): Path<(String, String)>,
) -> Result<Page, ApiError> {
    let debts = AccountMeter {
        account: member.account.clone(),
        meter: Meter::parse(&meter).map_err(|_| no_usage())?,
    };
    let id = UsageId::parse(&id).map_err(|_| no_usage())?;
    let found = explanations::of_usage(&ctx.store, &debts, &id).await?;
    let found = found.ok_or_else(no_usage)?;
    let content = html! {
        (explanation(&found.explanation, &AROUND))
        (usage_progress(&found.progress))
    };
    let standing = member.standing(&ctx).await?;
    Ok(tab(&member, &standing, "Usage", "/billing/usage").with(&content))
}

/// The path of the page that explains a transaction.
pub fn path_of(id: &str) -> String {
    format!("/billing/transactions/{}", in_path(id))
}

/// The pages that explain what a job costs, each with what it is about.
pub fn of_job(row: &JobRow) -> Vec<(String, String)> {
    let facts = &row.facts;
    match &facts.terms.funding {
        Funding::Prepaid { held, .. } if !held.is_zero() => {
            let hold = HoldId::Job(facts.id.clone());
            if was_billed(row) || row.state.is_over() {
                let path = path_of(&Cause::Settlement(hold).to_string());
                vec![("What it cost, and why".to_owned(), path)]
            } else {
                let path = path_of(&Cause::Hold(hold).to_string());
                vec![("What is reserved, and why".to_owned(), path)]
            }
        }
        Funding::Metered { .. } if was_billed(row) => {
            let records = billed_usage(row, facts.created_at);
            let one = |meter: &Meter, id: &UsageId| {
                let path = format!("/billing/usage/{meter}/{id}");
                (format!("What counts on {meter}, and why"), path)
            };
            records
                .iter()
                .map(|record| one(&record.meter, &record.id))
                .collect()
        }
        Funding::Prepaid { .. } | Funding::Metered { .. } | Funding::Free => Vec::new(),
    }
}
