//! `GET /api/v1/admin/accounts/{id}/transactions/{cause}/explain` and
//! `…/usage/{meter}/{usage}/explain`: why an amount is what it is. Read-only.

use crate::operator::Authorized;
use crate::routes::accounts::account::existing;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::UsageId;
use flows::billing::explanations;
use rest::Path;
use rest::explanations::{ExplanationShown, cause_of, no_transaction, no_usage};
use std::sync::Arc;

/// Explains a ledger entry of an account: its amount, recomputed from what it is for.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}/transactions/{cause}/explain", tag = "ledger",
    params(("id" = String, Path, description = "The account's id."),
        ("cause" = String, Path, description = "The entry's id, with `~` for `#` and `!` for `/`.")),
    responses((status = 200, body = ExplanationShown)))]
pub async fn transaction(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path((id, cause)): Path<(String, String)>,
) -> Result<Json<ExplanationShown>, ApiError> {
    let account = existing(&ctx, &id).await?;
    let found = explanations::of_entry(&ctx.store, &account, &cause_of(&cause)?).await?;
    let (entry, explanation) = found.ok_or_else(no_transaction)?;
    Ok(Json(ExplanationShown::of_entry(&entry, &explanation)))
}

/// Explains a usage record of an account: its value, counted again from what was delivered.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}/usage/{meter}/{usage}/explain", tag = "billing",
    params(("id" = String, Path, description = "The account's id."),
        ("meter" = String, Path, description = "The record's meter.", example = "pull_requests"),
        ("usage" = String, Path, description = "The record's id.")),
    responses((status = 200, body = ExplanationShown)))]
pub async fn usage(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path((id, meter, usage)): Path<(String, String, String)>,
) -> Result<Json<ExplanationShown>, ApiError> {
    let debts = AccountMeter {
        account: existing(&ctx, &id).await?,
        meter: Meter::parse(&meter).map_err(|_| no_usage())?,
    };
    let usage = UsageId::parse(&usage).map_err(|_| no_usage())?;
    let found = explanations::of_usage(&ctx.store, &debts, &usage).await?;
    let found = found.ok_or_else(no_usage)?;
    let shown = ExplanationShown::of_usage(&found.explanation, &found.progress);
    Ok(Json(shown))
}
