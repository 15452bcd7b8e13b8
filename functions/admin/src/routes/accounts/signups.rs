//! `/api/v1/admin/signups`: lists, approves and refuses sign-ups.

use crate::operator::Authorized;
use crate::reason::{self, Reason};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::addresses::MailAddress;
use domain::accounts::signups::{Applicant, SignUpState as Stands};
use domain::ids::{InstallationId, OwnerId};
use queues::Message;
use rest::{Body, Params, Path, cursors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Cursor, SignUpMoved, SignUpRow};
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 50;

/// The query of a listing.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The state of the sign-ups: `WAITING_FOR_APPROVAL`, `OWED`, `DONE` or `REFUSED`. Without a
    /// state, those that wait for approval are listed.
    #[param(pattern = "^(WAITING_FOR_APPROVAL|OWED|DONE|REFUSED)?$")]
    pub state: Option<String>,
    /// The `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// A page of sign-ups, newest first.
#[derive(Serialize, ToSchema)]
pub struct SignUps {
    pub signups: Vec<SignUpShown>,
    /// The cursor of the next page; absent on the last page.
    pub next_cursor: Option<String>,
}

/// A sign-up.
#[derive(Serialize, ToSchema)]
pub struct SignUpShown {
    pub id: String,
    pub state: &'static str,
    /// The reason for the state, if there is more to say.
    pub why: Option<String>,
    /// Where the applicant signed up.
    pub way: &'static str,
    pub account_id: String,
    pub plan: String,
    /// The plan that the applicant chose. It starts after the trial.
    pub wished_plan: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    /// The id of the owner on GitHub.
    pub owner_id: Option<u64>,
    pub installation_id: Option<u64>,
    pub at: String,
    pub ended_at: Option<String>,
}

/// The state of a sign-up after a request.
#[derive(Serialize, ToSchema)]
pub struct SignUpNow {
    pub id: String,
    pub state: &'static str,
}

/// Lists sign-ups in one state, newest first.
#[utoipa::path(get, path = "/api/v1/admin/signups", tag = "accounts", params(Filter),
    responses((status = 200, body = SignUps)))]
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Json<SignUps>, ApiError> {
    let state = match filter.state.as_deref() {
        None | Some("") => Stands::WaitingForApproval,
        Some(text) => Stands::parse(text).ok_or_else(|| {
            let known = Stands::ALL.map(Stands::as_str).join(", ");
            ApiError::bad_request("bad_state", format!("`state` must be one of {known}."))
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
    Ok(Json(SignUps {
        signups: page.rows.iter().map(shown).collect(),
        next_cursor: next,
    }))
}

/// Approves a sign-up so that its account is provisioned, even if it was refused before.
///
/// Approving it again changes nothing.
#[utoipa::path(post, path = "/api/v1/admin/signups/{id}/approve", tag = "accounts",
    params(("id" = String, Path, description = "The sign-up's id.")),
    responses((status = 200, body = SignUpNow)))]
pub async fn approve(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<SignUpNow>, ApiError> {
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
    let state = state.as_str();
    Ok(Json(SignUpNow { id, state }))
}

/// Refuses a sign-up that has no account yet.
#[utoipa::path(post, path = "/api/v1/admin/signups/{id}/refuse", tag = "accounts",
    params(("id" = String, Path, description = "The sign-up's id.")), request_body = Reason,
    responses((status = 200, body = SignUpNow), (status = 409)))]
pub async fn refuse(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    Body(why): Body<Reason>,
) -> Result<Json<SignUpNow>, ApiError> {
    let reason = reason::checked(&why.reason)?;
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
                "This sign-up has an account already; a refusal does not take it back.",
            ));
        }
        SignUpMoved::Stays(_) => {}
        SignUpMoved::Unknown => return Err(absent()),
    }
    let state = Stands::Refused.as_str();
    Ok(Json(SignUpNow { id, state }))
}

fn read(id: &str) -> Result<Applicant, ApiError> {
    Applicant::parse(id).map_err(|_| absent())
}

fn absent() -> ApiError {
    ApiError::not_found("There is no such sign-up.")
}

fn shown(row: &SignUpRow) -> SignUpShown {
    let sign_up = &row.sign_up;
    let email = sign_up.email.as_ref().map(MailAddress::as_str);
    SignUpShown {
        id: sign_up.applicant.pointer(),
        state: row.state.as_str(),
        why: row.why.clone(),
        way: sign_up.way.as_str(),
        account_id: sign_up.account.to_string(),
        plan: sign_up.plan.clone(),
        wished_plan: sign_up.wish.clone(),
        email: email.map(str::to_owned),
        name: sign_up.name.clone(),
        owner_id: sign_up.owner().map(OwnerId::get),
        installation_id: sign_up.installation.map(InstallationId::get),
        at: sign_up.at.to_string(),
        ended_at: row.ended_at.map(|at| at.to_string()),
    }
}
