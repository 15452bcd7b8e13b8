//! `/api/v1/admin/accounts/{id}/usage`: lists owed, reported and stuck usage, and resends or writes
//! off stuck usage.

use crate::operator::Authorized;
use crate::routes::accounts::account::existing;
use crate::routes::ledger::credits::reason;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use domain::billing::usage::{AccountMeter, Meter, UsageIdentifier, UsageSource};
use domain::ids::UsageId;
use http::StatusCode;
use queues::Message;
use rest::cursors;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Decided, UsageRow, UsageState, WriteOff};

const PAGE: i32 = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    state: Option<String>,
    cursor: Option<String>,
}

/// Lists an account's usage records in one state, by meter and newest first.
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(filter) = filter
        .map_err(|_| ApiError::bad_request("bad_query", "the query takes state and cursor"))?;
    let state = filter.state.as_deref().and_then(UsageState::parse);
    let state = state.ok_or_else(|| {
        ApiError::bad_request("bad_state", "`state` must be `owed`, `stuck` or `reported`")
    })?;
    let behind = filter.cursor.as_deref().map(cursors::read).transpose()?;
    let behind = behind
        .map(|(_, text)| UsageIdentifier::parse(&text).ok_or_else(cursors::bad))
        .transpose()?;
    let account = existing(&ctx, &id).await?;
    let page = ctx
        .store
        .usage_list(&account, state, behind.as_ref(), PAGE)
        .await?;
    let next = page
        .rows
        .last()
        .filter(|_| page.next.is_some())
        .map(|row| row.usage.at);
    let next = page
        .next
        .zip(next)
        .map(|(last, at)| cursors::write(at, &last.to_string()));
    Ok(Json(json!({
        "usage": page.rows.iter().map(|row| shown(state, row)).collect::<Vec<_>>(),
        "next_cursor": next,
    })))
}

/// Makes a stuck record owed again under a new identifier, and queues it.
pub async fn resend(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(path): Path<(String, String, String)>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let (debts, usage) = named(&ctx, path).await?;
    let row = decided(
        ctx.store
            .usage_resend(&debts, &usage, ctx.outside.now())
            .await?,
    )?;
    tracing::info!(operator.name = operator.name, account.id = %debts.account, usage.identifier = %row.usage.identifier, audit = true, "owes stuck usage again");
    ctx.queues
        .send(&Message::Usage(debts.clone()), Some(&debts.account))
        .await?;
    Ok((StatusCode::ACCEPTED, Json(shown(UsageState::Owed, &row))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Why {
    reason: String,
}

/// Records that a stuck record will never be reported to Stripe.
pub async fn write_off(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(path): Path<(String, String, String)>,
    body: Result<Json<Why>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(why) = body.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    let reason = reason(&why.reason)?;
    let (debts, usage) = named(&ctx, path).await?;
    let word = WriteOff {
        at: ctx.outside.now(),
        by: operator.name.clone(),
        reason: reason.to_owned(),
    };
    let row = decided(ctx.store.usage_write_off(&debts, &usage, &word).await?)?;
    tracing::info!(operator.name = operator.name, account.id = %debts.account, usage.identifier = %row.usage.identifier, audit = true, "wrote stuck usage off");
    Ok(Json(shown(UsageState::Stuck, &row)))
}

/// Parses the path and checks that its account exists.
async fn named(
    ctx: &Ctx,
    (account, meter, usage): (String, String, String),
) -> Result<(AccountMeter, UsageId), ApiError> {
    let (meter, usage) = (
        Meter::parse(&meter).map_err(|_| absent())?,
        UsageId::parse(&usage).map_err(|_| absent())?,
    );
    Ok((
        AccountMeter {
            account: existing(ctx, &account).await?,
            meter,
        },
        usage,
    ))
}

fn decided(decided: Decided) -> Result<UsageRow, ApiError> {
    match decided {
        Decided::Now(row) => Ok(*row),
        Decided::Unknown => Err(absent()),
        Decided::WrittenOff => Err(ApiError::conflict(
            "written_off",
            "this record was written off and will not be reported",
        )),
        Decided::NotStuck(state) => {
            let detail = format!(
                "this record is {}; only a stuck one is decided about",
                state.as_str()
            );
            Err(ApiError::conflict("not_stuck", detail))
        }
    }
}

fn absent() -> ApiError {
    ApiError::not_found("there is no such usage record")
}

fn shown(state: UsageState, row: &UsageRow) -> Value {
    let usage = &row.usage;
    let (job, report, assist) = match &usage.of {
        UsageSource::Job(job) => (Some(job.as_str()), None, None),
        UsageSource::Report(act) => (None, Some(act.as_str()), None),
        UsageSource::Assist(assist) => (None, None, Some(assist.as_str())),
    };
    let when = |at: Option<domain::time::Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": usage.id.as_str(),
        "meter": usage.meter.as_str(),
        "state": state.as_str(),
        "stripe_customer_id": usage.customer.as_str(),
        "value": usage.value,
        "job": job,
        "report": report,
        "assist": assist,
        "identifier": usage.identifier.to_string(),
        "used_at": usage.at.to_string(),
        "carried_to": when(row.carried_to),
        "first_attempt": when(row.first_attempt),
        "reported_at": when(row.reported_at),
        "stuck_at": when(row.stuck_at),
        "reason": row.reason,
        "written_off": row.written_off.as_ref().map(|word| {
            json!({ "at": word.at.to_string(), "by": word.by, "reason": word.reason })
        }),
    })
}
