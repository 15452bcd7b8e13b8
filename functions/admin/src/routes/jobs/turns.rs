//! `GET /api/v1/admin/jobs/{id}/turns`: the conversation in which the model coded.

use super::steps::TokensShown;
use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::ids::JobId;
use domain::jobs::turns::{ToolCall, ToolResult, Turn};
use rest::Path;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The turns of a job. They are kept for 30 days.
#[derive(Serialize, ToSchema)]
pub struct Turns {
    pub turns: Vec<TurnShown>,
}

/// One answer of the model, and what its calls returned.
#[derive(Serialize, ToSchema)]
pub struct TurnShown {
    pub at: String,
    /// How often the review had sent the change back.
    pub round: u32,
    pub model: String,
    pub tokens: TokensShown,
    /// Credits, before any markup.
    pub cost: String,
    /// What the model wrote beside its calls.
    pub text: String,
    pub calls: Vec<CallMade>,
    /// The text that follows the results.
    pub told: Option<String>,
}

/// A call of a tool.
#[derive(Serialize, ToSchema)]
pub struct CallMade {
    pub name: String,
    /// The arguments, as the model wrote them.
    pub input: String,
    pub result: String,
    /// Whether it changed and showed nothing.
    pub failed: bool,
}

impl TurnShown {
    fn of(turn: &Turn) -> Self {
        let calls = turn.calls.iter().zip(&turn.results);
        Self {
            at: turn.at.to_string(),
            round: turn.round,
            model: turn.used.model.clone(),
            tokens: TokensShown::of(turn.used.tokens),
            cost: turn.used.cost().to_string(),
            text: turn.text.clone(),
            calls: calls.map(made).collect(),
            told: turn.told.clone(),
        }
    }
}

fn made((call, result): (&ToolCall, &ToolResult)) -> CallMade {
    CallMade {
        name: call.name.clone(),
        input: call.input.clone(),
        result: result.text.clone(),
        failed: result.failed,
    }
}

/// Shows the turns of a job: what the model wrote, which tools it called and what they returned.
#[utoipa::path(get, path = "/api/v1/admin/jobs/{id}/turns", tag = "jobs",
    params(("id" = String, Path, description = "The job's id.")),
    responses((status = 200, body = Turns)))]
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Turns>, ApiError> {
    let absent = || ApiError::not_found("There is no such job.");
    let id = JobId::parse(&id).map_err(|_| absent())?;
    if ctx.store.job_find(&id).await?.is_none() {
        return Err(absent());
    }
    let turns = ctx.store.job_turns(&id).await?;
    let turns = turns.iter().map(TurnShown::of).collect();
    Ok(Json(Turns { turns }))
}
