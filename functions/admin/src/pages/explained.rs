//! `/admin/accounts/{id}/transactions/{cause}` and `…/usage/{meter}/{usage}`: why an amount is what
//! it is.

use super::Shown;
use super::accounts::account_link;
use crate::Ctx;
use crate::routes::accounts::account::existing;
use crate::session::SignedIn;
use ::pages::{Around, explanation, usage_progress};
use axum::extract::State;
use axum::response::IntoResponse;
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::UsageId;
use flows::billing::explanations;
use maud::html;
use rest::Path;
use rest::explanations::{cause_of, in_path, no_transaction, no_usage};
use std::sync::Arc;

const AROUND: Around<'_> = Around {
    jobs: "/admin/jobs",
    events: Some("/admin/events/github"),
};

/// The path of the page that explains an entry.
pub fn path_of(account: &str, cause: &str) -> String {
    format!("/admin/accounts/{account}/transactions/{}", in_path(cause))
}

/// Explains a ledger entry.
pub async fn transaction(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path((id, cause)): Path<(String, String)>,
) -> Shown {
    let account = existing(&ctx, &id).await?;
    let found = explanations::of_entry(&ctx.store, &account, &cause_of(&cause)?).await?;
    let (entry, found) = found.ok_or_else(no_transaction)?;
    let content = html! {
        p { (account_link(&id)) " " code { (entry.cause) } }
        (explanation(&found, &AROUND))
    };
    let page = signed_in.page("Transaction", "/admin/billing");
    Ok(page.with(&content).into_response())
}

/// Explains a usage record.
pub async fn usage(
    signed_in: SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path((id, meter, usage)): Path<(String, String, String)>,
) -> Shown {
    let debts = AccountMeter {
        account: existing(&ctx, &id).await?,
        meter: Meter::parse(&meter).map_err(|_| no_usage())?,
    };
    let usage = UsageId::parse(&usage).map_err(|_| no_usage())?;
    let found = explanations::of_usage(&ctx.store, &debts, &usage).await?;
    let found = found.ok_or_else(no_usage)?;
    let content = html! {
        p { (account_link(&id)) }
        (explanation(&found.explanation, &AROUND))
        (usage_progress(&found.progress))
    };
    let page = signed_in.page("Usage", "/admin/billing");
    Ok(page.with(&content).into_response())
}
