//! `/api/v1/admin/signups`: lists, approves and refuses sign-ups.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use domain::accounts::addresses::MailAddress;
use domain::accounts::signups::{Applicant, SignUpState as Stands};
use queues::Message;
use rest::cursors;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Cursor, SignUpMoved, SignUpRow};

const PAGE: usize = 50;
const REASON_CHARS_MAX: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    state: Option<String>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Why {
    reason: String,
}

/// Lists sign-ups in one state, newest first. Without a state, lists those that wait for approval.
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(filter) = filter
        .map_err(|_| ApiError::bad_request("bad_query", "the query takes state and cursor"))?;
    let state = match filter.state.as_deref() {
        None | Some("") => Stands::WaitingForApproval,
        Some(text) => Stands::parse(text).ok_or_else(|| {
            let words: Vec<&str> = Stands::ALL.iter().map(|state| state.as_str()).collect();
            ApiError::bad_request("bad_state", format!("state is one of {}", words.join(", ")))
        })?,
    };
    let cursor = filter
        .cursor
        .as_deref()
        .filter(|text| !text.is_empty())
        .map(cursors::read)
        .transpose()?;
    let cursor = cursor.map(Cursor::from);
    let page = ctx.store.signup_list(state, cursor.as_ref(), PAGE).await?;
    let next = page.next.map(|next| cursors::write(next.at, &next.id));
    Ok(Json(
        json!({ "signups": page.rows.iter().map(shown).collect::<Vec<_>>(), "next_cursor": next }),
    ))
}

/// Approves a sign-up so that its account is provisioned, even if it was refused before. Approving
/// it again changes nothing.
pub async fn approve(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let applicant = read(&id)?;
    let state = match ctx
        .store
        .signup_approve(&applicant, ctx.outside.now())
        .await?
    {
        SignUpMoved::Now => {
            tracing::info!(
                operator.name = operator.name,
                signup.id = id,
                audit = true,
                "approved a sign-up"
            );
            ctx.queues.send(&Message::SignUp(applicant), None).await?;
            Stands::Owed
        }
        SignUpMoved::Stays(state) => state,
        SignUpMoved::Unknown => return Err(absent()),
    };
    Ok(Json(json!({ "id": id, "state": state.as_str() })))
}

/// Refuses a sign-up that has no account yet.
pub async fn refuse(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    body: Result<Json<Why>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(why) = body.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    let reason = why.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        return Err(ApiError::bad_request(
            "bad_reason",
            format!("reason has 1 to {REASON_CHARS_MAX} characters"),
        ));
    }
    match ctx
        .store
        .signup_refuse(&read(&id)?, reason, ctx.outside.now())
        .await?
    {
        SignUpMoved::Now => {
            tracing::info!(
                operator.name = operator.name,
                signup.id = id,
                audit = true,
                "refused a sign-up"
            );
        }
        SignUpMoved::Stays(Stands::Done) => {
            return Err(ApiError::conflict(
                "has_an_account",
                "there is an account already; it is not taken back by this",
            ));
        }
        SignUpMoved::Stays(_) => {}
        SignUpMoved::Unknown => return Err(absent()),
    }
    Ok(Json(json!({ "id": id, "state": Stands::Refused.as_str() })))
}

fn read(id: &str) -> Result<Applicant, ApiError> {
    Applicant::parse(id).map_err(|_| absent())
}

fn absent() -> ApiError {
    ApiError::not_found("there is no such sign-up")
}

fn shown(row: &SignUpRow) -> Value {
    let SignUpRow {
        sign_up,
        state,
        why,
        ended_at,
        ..
    } = row;
    json!({
        "id": sign_up.applicant.pointer(),
        "state": state.as_str(),
        "why": why,
        "way": sign_up.way.as_str(),
        "account_id": sign_up.account.as_str(),
        "plan": sign_up.plan,
        "wished_plan": sign_up.wish,
        "email": sign_up.email.as_ref().map(MailAddress::as_str),
        "name": sign_up.name,
        "owner_id": sign_up.owner().map(domain::ids::OwnerId::get),
        "installation_id": sign_up.installation.map(domain::ids::InstallationId::get),
        "at": sign_up.at.to_string(),
        "ended_at": ended_at.map(|at| at.to_string()),
    })
}
