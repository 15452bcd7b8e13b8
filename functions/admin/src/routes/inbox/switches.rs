//! `/api/v1/admin/switches`: what an operator can stop immediately.
//!
//! Every function sees a change within a minute. Each change is recorded with its operator and
//! reason. Setting a switch to its current position changes nothing.

use crate::operator::Authorized;
use crate::reason;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::operators::Operator;
use domain::ids::ActionId;
use domain::switches::{Switch, SwitchName};
use rest::{Body, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{SwitchRow, SwitchWord, Switched, Which};
use utoipa::ToSchema;

/// The position that a switch is to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Position {
    pub on: bool,
    /// Why. It is recorded.
    #[schema(min_length = 1, max_length = 500, pattern = r"\S", example = "A test.")]
    pub reason: String,
}

/// Every switch, and every account that is paused.
#[derive(Serialize, ToSchema)]
pub struct Switches {
    pub switches: Vec<SwitchShown>,
    pub paused_accounts: Vec<PausedAccount>,
}

/// A switch.
#[derive(Serialize, ToSchema)]
pub struct SwitchShown {
    pub name: &'static str,
    /// Its position; absent if no operator has set it.
    pub on: Option<bool>,
    /// Its position while no operator has set it.
    pub default: &'static str,
    /// The latest change.
    pub word: Option<SwitchChange>,
    /// The effect while it is off.
    pub while_off: &'static str,
}

/// A change: who set the position, when and why.
#[derive(Serialize, ToSchema)]
pub struct SwitchChange {
    pub on: bool,
    pub by: String,
    pub reason: String,
    pub at: String,
}

impl SwitchChange {
    pub fn of(row: &SwitchRow) -> Self {
        Self {
            on: row.position.is_on(),
            by: row.by.clone(),
            reason: row.reason.clone(),
            at: row.at.to_string(),
        }
    }
}

/// An account whose work is paused.
#[derive(Serialize, ToSchema)]
pub struct PausedAccount {
    pub account_id: String,
    /// The change that paused it.
    pub word: SwitchChange,
}

/// A switch with its latest changes, newest first.
#[derive(Serialize, ToSchema)]
pub struct SwitchHistory {
    #[serde(flatten)]
    pub switch: SwitchShown,
    pub changes: Vec<SwitchChange>,
}

/// The position of a switch after a request.
#[derive(Serialize, ToSchema)]
pub struct SwitchNow {
    pub name: &'static str,
    pub on: bool,
    /// Whether the request changed it.
    pub changed: bool,
}

/// Lists every switch and every paused account.
#[utoipa::path(get, path = "/api/v1/admin/switches", tag = "inbox",
    responses((status = 200, body = Switches)))]
pub async fn list(_: Authorized, State(ctx): State<Arc<Ctx>>) -> Result<Json<Switches>, ApiError> {
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
        Which::Account(id) if row.position == Switch::Off => Some(PausedAccount {
            account_id: id.to_string(),
            word: SwitchChange::of(row),
        }),
        Which::Account(_) | Which::Named(_) => None,
    });
    Ok(Json(Switches {
        switches,
        paused_accounts: paused.collect(),
    }))
}

/// Shows a switch with its latest changes, newest first.
#[utoipa::path(get, path = "/api/v1/admin/switches/{name}", tag = "inbox",
    params(("name" = String, Path, description = "The switch.", example = "process_github")),
    responses((status = 200, body = SwitchHistory)))]
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(name): Path<String>,
) -> Result<Json<SwitchHistory>, ApiError> {
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
    Ok(Json(SwitchHistory {
        switch: shown(name, changes.first()),
        changes: changes.iter().map(SwitchChange::of).collect(),
    }))
}

/// Sets a switch.
#[utoipa::path(put, path = "/api/v1/admin/switches/{name}", tag = "inbox",
    params(("name" = String, Path, description = "The switch.", example = "process_github")),
    request_body = Position, responses((status = 200, body = SwitchNow)))]
pub async fn change(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(name): Path<String>,
    Body(wanted): Body<Position>,
) -> Result<Json<SwitchNow>, ApiError> {
    let name = named(&name)?;
    let (word, act) = word(&ctx, &operator, Switch::from(wanted.on), &wanted.reason)?;
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
    Ok(Json(SwitchNow {
        name: name.as_str(),
        on: wanted.on,
        changed: switched == Switched::Now,
    }))
}

fn named(name: &str) -> Result<SwitchName, ApiError> {
    let known = || SwitchName::ALL.map(SwitchName::as_str).join(", ");
    SwitchName::parse(name)
        .ok_or_else(|| ApiError::not_found(format!("The switch must be one of {}.", known())))
}

/// What an operator wants to be recorded, and the id of the change.
pub fn word(
    ctx: &Ctx,
    by: &Operator,
    position: Switch,
    why: &str,
) -> Result<(SwitchWord, ActionId), ApiError> {
    let at = ctx.outside.now();
    let word = SwitchWord {
        position,
        by: by.name.clone(),
        reason: reason::checked(why)?.to_owned(),
        at,
    };
    Ok((word, ActionId::mint(at, ctx.outside.random_bytes())))
}

/// A switch that no operator has set is on, unless the function that reads it has a setting of the
/// same name that turns it off.
fn shown(name: SwitchName, row: Option<&SwitchRow>) -> SwitchShown {
    SwitchShown {
        name: name.as_str(),
        on: row.map(|row| row.position.is_on()),
        default: match name {
            SwitchName::Billing => "as BILLING_ENABLED says; on where it says nothing",
            SwitchName::AutoProvision => "as AUTO_PROVISION says; on where it says nothing",
            SwitchName::Ingest(_) | SwitchName::Process(_) => "on",
        },
        word: row.map(SwitchChange::of),
        while_off: name.while_off(),
    }
}
