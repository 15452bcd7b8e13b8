//! `/api/v1/admin/accounts/{id}/paused`: stops and resumes the work of one account. It is a switch
//! of that account.

use super::switches::{SwitchChange, word};
use crate::operator::Authorized;
use crate::routes::accounts::account::existing;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::switches::Switch;
use rest::{Body, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Switched, Which};
use utoipa::ToSchema;

/// Whether an account is to be paused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    paused: bool,
    /// Why. It is recorded.
    #[schema(min_length = 1, max_length = 500, pattern = r"\S", example = "A test.")]
    reason: String,
}

/// Whether an account is paused, with the latest changes, newest first.
#[derive(Serialize, ToSchema)]
pub struct PauseShown {
    paused: bool,
    changes: Vec<SwitchChange>,
}

/// Whether an account is paused after a request.
#[derive(Serialize, ToSchema)]
pub struct PauseNow {
    paused: bool,
    /// Whether the request changed it.
    changed: bool,
}

/// Shows whether an account is paused, with the latest changes, newest first.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}/paused", tag = "inbox",
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 200, body = PauseShown)))]
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<PauseShown>, ApiError> {
    let id = existing(&ctx, &id).await?;
    let changes = ctx.switches.switch_changes(&Which::Account(id)).await?;
    let paused = changes
        .first()
        .is_some_and(|row| row.position == Switch::Off);
    Ok(Json(PauseShown {
        paused,
        changes: changes.iter().map(SwitchChange::of).collect(),
    }))
}

/// Pauses or resumes an account's work.
#[utoipa::path(put, path = "/api/v1/admin/accounts/{id}/paused", tag = "inbox",
    params(("id" = String, Path, description = "The account's id.")), request_body = Pause,
    responses((status = 200, body = PauseNow)))]
pub async fn change(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    Body(wanted): Body<Pause>,
) -> Result<Json<PauseNow>, ApiError> {
    let id = existing(&ctx, &id).await?;
    let position = Switch::from(!wanted.paused);
    let (word, act) = word(&ctx, &operator, position, &wanted.reason)?;
    let switched = ctx
        .switches
        .switch_set(&Which::Account(id.clone()), &word, &act)
        .await?;
    tracing::warn!(operator.name = operator.name, account.id = %id, account.paused = wanted.paused, outcome = ?switched, audit = true, "paused or resumed");
    Ok(Json(PauseNow {
        paused: wanted.paused,
        changed: switched == Switched::Now,
    }))
}
