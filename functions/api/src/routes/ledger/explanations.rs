//! `GET /api/v1/billing/transactions/{id}/explain` and `…/usage/{meter}/{id}/explain`: why an amount
//! is what it is, recomputed from what it is for. Read-only.

use crate::caller::MayRead;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::UsageId;
use flows::billing::explanations;
use rest::Path;
use rest::explanations::{ExplanationShown, cause_of, no_transaction, no_usage};
use std::sync::Arc;

/// Explains a transaction.
///
/// The amount is computed again from what it is for, such as the model calls of a job with the prices
/// of their time, and compared with the recorded one.
#[utoipa::path(get, path = "/api/v1/billing/transactions/{id}/explain", tag = "billing",
    params(("id" = String, Path, description = "The transaction's id, with `~` for `#` and `!` for `/`.")),
    responses((status = 200, body = ExplanationShown)))]
pub async fn transaction(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<ExplanationShown>, ApiError> {
    let found = explanations::of_entry(&ctx.store, &caller.account, &cause_of(&id)?).await?;
    let (entry, explanation) = found.ok_or_else(no_transaction)?;
    Ok(Json(ExplanationShown::of_entry(&entry, &explanation)))
}

/// Explains a usage record.
///
/// The value is counted again from what was delivered, and compared with the recorded one.
#[utoipa::path(get, path = "/api/v1/billing/usage/{meter}/{id}/explain", tag = "billing",
    params(("meter" = String, Path, description = "The record's meter.", example = "pull_requests"),
        ("id" = String, Path, description = "The record's id. A job's record has the job's id with `use_` for `job_`.")),
    responses((status = 200, body = ExplanationShown)))]
pub async fn usage(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
    Path((meter, id)): Path<(String, String)>,
) -> Result<Json<ExplanationShown>, ApiError> {
    let debts = AccountMeter {
        account: caller.account,
        meter: Meter::parse(&meter).map_err(|_| no_usage())?,
    };
    let id = UsageId::parse(&id).map_err(|_| no_usage())?;
    let found = explanations::of_usage(&ctx.store, &debts, &id).await?;
    let found = found.ok_or_else(no_usage)?;
    let shown = ExplanationShown::of_usage(&found.explanation, &found.progress);
    Ok(Json(shown))
}
