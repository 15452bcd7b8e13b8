//! `/api/v1/members`: the people of an account and what they are to it.

use crate::caller::{Caller, MayManageKeys, MayRead};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::api_keys::{Role, Scope};
use domain::accounts::members::Member;
use domain::ids::UserId;
use http::StatusCode;
use rest::{Body, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{RoleSet, TakenOut};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Type};

/// The people of the account.
#[derive(Serialize, ToSchema)]
pub struct Members {
    members: Vec<MemberShown>,
}

/// One of them.
#[derive(Serialize, ToSchema)]
pub struct MemberShown {
    /// His number on GitHub.
    id: String,
    login: String,
    /// `viewer`, `member` or `admin`.
    role: String,
    /// Who says so: `github` at his last sign-in, an admin's `hand`, or the account's `key`, which he has shown.
    role_by: String,
    since: String,
}

/// What a member shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleWanted {
    #[schema(schema_with = role_words)]
    role: String,
}

fn role_words() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(Role::ALL.map(Role::as_str)))
}

/// The people of your account. Whoever can reach one of its installations on GitHub is one from his first sign-in on.
#[utoipa::path(get, path = "/api/v1/members", tag = "people",
    responses((status = 200, body = Members)))]
pub async fn list(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<Members>, ApiError> {
    let members = ctx.store.member_list(&caller.account).await?;
    Ok(Json(Members {
        members: members.iter().map(shown).collect(),
    }))
}

/// Gives a member another role. It stays at his next sign-in, whatever he is on GitHub then. Needs everything that an admin
/// may do; the last admin stays one.
#[utoipa::path(patch, path = "/api/v1/members/{id}", tag = "people", params(("id" = String, Path)), request_body = RoleWanted,
    responses((status = 200, body = MemberShown), (status = 409)))]
pub async fn change(
    MayManageKeys(caller): MayManageKeys,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    Body(wanted): Body<RoleWanted>,
) -> Result<Json<MemberShown>, ApiError> {
    let role = Role::parse(&wanted.role).ok_or_else(|| {
        ApiError::bad_request(
            "bad_role",
            format!("role is one of {}", Role::ALL.map(Role::as_str).join(", ")),
        )
    })?;
    let user = user(&id)?;
    may_all(&caller)?;
    match ctx
        .store
        .member_role_set(&caller.account, user, role)
        .await?
    {
        RoleSet::Now(member) => {
            tracing::info!(account.id = %caller.account, user.id = %user, role = role.as_str(), by = %caller.by, audit = true,
                "gave a role");
            Ok(Json(shown(&member)))
        }
        RoleSet::LastAdmin => Err(last_admin()),
        RoleSet::Absent => Err(absent()),
    }
}

/// Takes a member out. His sessions do nothing here any more within a minute. Whom GitHub shows one of the account's
/// installations comes back at his next sign-in: take him out there, too. Needs everything that an admin may do; the last
/// admin stays.
#[utoipa::path(delete, path = "/api/v1/members/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 204),
        (status = 409)))]
pub async fn remove(
    MayManageKeys(caller): MayManageKeys,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let user = user(&id)?;
    may_all(&caller)?;
    match ctx.store.member_take_out(&caller.account, user).await? {
        TakenOut::Now => {
            tracing::info!(account.id = %caller.account, user.id = %user, by = %caller.by, audit = true, "took a member out");
            Ok(StatusCode::NO_CONTENT)
        }
        TakenOut::LastAdmin => Err(last_admin()),
        TakenOut::Absent => Err(absent()),
    }
}

/// A role can be worth more than one scope, so nobody hands out or takes away what he does not have.
fn may_all(caller: &Caller) -> Result<(), ApiError> {
    Scope::ALL
        .into_iter()
        .try_for_each(|scope| caller.may(scope).map(|_| ()))
}

fn user(id: &str) -> Result<UserId, ApiError> {
    id.parse().map(UserId::new).map_err(|_| absent())
}

fn absent() -> ApiError {
    ApiError::not_found("there is no such member")
}

fn last_admin() -> ApiError {
    ApiError::conflict(
        "last_admin",
        "an account needs an admin; make somebody else one first",
    )
}

fn shown(member: &Member) -> MemberShown {
    MemberShown {
        id: member.user.id.to_string(),
        login: member.user.login.clone(),
        role: member.role.as_str().to_owned(),
        role_by: member.by.as_str().to_owned(),
        since: member.since.to_string(),
    }
}
