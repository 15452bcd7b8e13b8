//! `/api/v1/admin/switches` and `/api/v1/admin/accounts/{id}/paused`: what an operator can stop
//! immediately.
//!
//! Every function sees a change within a minute. Each change is recorded with its operator and
//! reason. Setting a switch to its current position changes nothing.

use crate::operator::Authorized;
use crate::routes::accounts::account::existing;
use crate::routes::ledger::credits::reason;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use domain::accounts::operators::Operator;
use domain::ids::ActionId;
use domain::switches::Switch;
use domain::switches::SwitchName;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{SwitchRow, SwitchWord, Switched, Which};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    on: bool,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    paused: bool,
    reason: String,
}

/// Lists every switch: its position, when, by whom and why it was set, and what its being off
/// means.
pub async fn list(_: Authorized, State(ctx): State<Arc<Ctx>>) -> Result<Json<Value>, ApiError> {
    let touched = ctx.switches.switch_list().await?;
    let mut switches = Vec::new();
    for name in SwitchName::ALL {
        let row = match name {
            SwitchName::Ingest(source) => {
                let ingest = ctx.ingest(source);
                ingest.ingest_find().await?
            }
            SwitchName::Billing | SwitchName::AutoProvision | SwitchName::Process(_) => touched
                .iter()
                .find(|(which, _)| *which == Which::Named(name))
                .map(|(_, row)| row.clone()),
        };
        switches.push(shown(name, row.as_ref()));
    }
    let paused = touched.iter().filter_map(|(which, row)| match which {
        Which::Account(id) if row.position == Switch::Off => {
            Some(json!({ "account_id": id.as_str(), "word": word(row) }))
        }
        Which::Account(_) | Which::Named(_) => None,
    });
    Ok(Json(
        json!({ "switches": switches, "paused_accounts": paused.collect::<Vec<_>>() }),
    ))
}

/// Shows one switch with its latest changes, newest first.
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let name = named(&name)?;
    let changes = match name {
        SwitchName::Ingest(source) => {
            let ingest = ctx.ingest(source);
            ingest.ingest_changes().await?
        }
        SwitchName::Billing | SwitchName::AutoProvision | SwitchName::Process(_) => {
            ctx.switches.switch_changes(&Which::Named(name)).await?
        }
    };
    let mut answer = shown(name, changes.first());
    answer["changes"] = changes.iter().map(word).collect();
    Ok(Json(answer))
}

/// Sets a switch.
pub async fn change(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(name): Path<String>,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(wanted) =
        body.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    let name = named(&name)?;
    let (word, act) = said(&ctx, &operator, Switch::from(wanted.on), &wanted.reason)?;
    let switched = match name {
        SwitchName::Ingest(source) => {
            let ingest = ctx.ingest(source);
            ingest.ingest_set(&word, &act).await?
        }
        SwitchName::Billing | SwitchName::AutoProvision | SwitchName::Process(_) => {
            ctx.switches
                .switch_set(&Which::Named(name), &word, &act)
                .await?
        }
    };
    tracing::warn!(operator.name = operator.name, switch.name = name.as_str(), switch.on = wanted.on, outcome = ?switched, audit = true, "switched");
    Ok(Json(
        json!({ "name": name.as_str(), "on": wanted.on, "changed": switched == Switched::Now }),
    ))
}

/// Shows whether an account is paused, with the latest changes, newest first.
pub async fn pause_show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id = existing(&ctx, &id).await?;
    let changes = ctx.switches.switch_changes(&Which::Account(id)).await?;
    let paused = changes
        .first()
        .is_some_and(|row| row.position == Switch::Off);
    Ok(Json(
        json!({ "paused": paused, "changes": changes.iter().map(word).collect::<Vec<_>>() }),
    ))
}

/// Pauses or resumes an account's work.
pub async fn pause(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    body: Result<Json<Pause>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(wanted) =
        body.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    let id = existing(&ctx, &id).await?;
    let (word, act) = said(
        &ctx,
        &operator,
        Switch::from(!wanted.paused),
        &wanted.reason,
    )?;
    let switched = ctx
        .switches
        .switch_set(&Which::Account(id.clone()), &word, &act)
        .await?;
    tracing::warn!(operator.name = operator.name, account.id = %id, account.paused = wanted.paused, outcome = ?switched, audit = true, "paused or let go on");
    Ok(Json(
        json!({ "paused": wanted.paused, "changed": switched == Switched::Now }),
    ))
}

fn named(name: &str) -> Result<SwitchName, ApiError> {
    let known = || SwitchName::ALL.map(SwitchName::as_str).join(", ");
    SwitchName::parse(name)
        .ok_or_else(|| ApiError::not_found(format!("the switches are {}", known())))
}

fn said(
    ctx: &Ctx,
    by: &Operator,
    position: Switch,
    why: &str,
) -> Result<(SwitchWord, ActionId), ApiError> {
    let at = ctx.outside.now();
    let word = SwitchWord {
        position,
        by: by.name.clone(),
        reason: reason(why)?.to_owned(),
        at,
    };
    Ok((word, ActionId::mint(at, ctx.outside.random_bytes())))
}

/// A switch that no operator has set is on, unless the function that reads it has a setting of the
/// same name that turns it off.
fn shown(name: SwitchName, row: Option<&SwitchRow>) -> Value {
    json!({
        "name": name.as_str(),
        "on": row.map(|row| row.position.is_on()),
        "default": match name {
            SwitchName::Billing => "as BILLING_ENABLED says; on where it says nothing",
            SwitchName::AutoProvision => "as AUTO_PROVISION says; on where it says nothing",
            SwitchName::Ingest(_) | SwitchName::Process(_) => "on",
        },
        "word": row.map(word),
        "while_off": name.while_off(),
    })
}

fn word(row: &SwitchRow) -> Value {
    json!({ "on": row.position.is_on(), "by": row.by, "reason": row.reason, "at": row.at.to_string() })
}
