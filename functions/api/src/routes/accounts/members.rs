//! `/api/v1/members`: the members of an account and their roles.

use crate::caller::{Caller, MayManageKeys, MayRead};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::api_keys::{Role, Scope};
use domain::accounts::members::Member;
use domain::billing::plans::Limit;
use flows::accounts;
use flows::accounts::people;
use http::StatusCode;
use rest::{Body, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Type};

/// The members of the account.
#[derive(Serialize, ToSchema)]
pub struct Members {
    members: Vec<MemberShown>,
    /// The number of members.
    used: u64,
    /// How many members the plan has places for; 0 means unlimited. An account with more keeps them,
    /// and nobody else can join.
    limit: u64,
}

/// A member.
#[derive(Serialize, ToSchema)]
pub struct MemberShown {
    /// The member's GitHub user id.
    id: String,
    login: String,
    /// The role: `viewer`, `member` or `admin`.
    role: String,
    /// Where the role comes from: `github` at the last sign-in, an admin's `hand`, or the account's
    /// `key`, which the member has presented.
    role_by: String,
    since: String,
}

/// A member's new role.
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

/// Lists the members of your account.
///
/// A person who can reach one of the account's installations on GitHub becomes a member at their
/// first sign-in, if the plan has a place for another one.
#[utoipa::path(get, path = "/api/v1/members", tag = "people",
    responses((status = 200, body = Members)))]
pub async fn list(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<Members>, ApiError> {
    let members = ctx.store.member_list(&caller.account).await?;
    let now = ctx.outside.now();
    let places = accounts::places(&ctx.store, &ctx.catalogue, &caller.account, now).await?;
    Ok(Json(Members {
        members: members.iter().map(shown).collect(),
        used: ctx.store.member_count(&caller.account).await?,
        limit: match places {
            Limit::Of(most) => most,
            Limit::Unlimited => 0,
        },
    }))
}

/// Changes a member's role.
///
/// The role no longer follows GitHub: the next sign-in keeps it. The caller needs every scope of an
/// admin. The last admin keeps the role.
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
            format!(
                "`role` must be one of {}.",
                Role::ALL.map(Role::as_str).join(", ")
            ),
        )
    })?;
    let user = people::user(&id)?;
    may_all(&caller)?;
    let by = caller.by.to_string();
    let who = (&caller.account, by.as_str());
    let member = people::set_role(&ctx.store, who, user, role).await?;
    Ok(Json(shown(&member)))
}

/// Removes a member.
///
/// Their sessions lose access to the account within a minute. A person to whom GitHub shows one of
/// the account's installations becomes a member again at their next sign-in, so remove them on
/// GitHub, too. The caller needs every scope of an admin. The last admin cannot be removed.
#[utoipa::path(delete, path = "/api/v1/members/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 204),
        (status = 409)))]
pub async fn remove(
    MayManageKeys(caller): MayManageKeys,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let user = people::user(&id)?;
    may_all(&caller)?;
    let by = caller.by.to_string();
    people::remove(&ctx.store, (&caller.account, &by), user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Requires every scope, because a role can grant more than one.
fn may_all(caller: &Caller) -> Result<(), ApiError> {
    Scope::ALL
        .into_iter()
        .try_for_each(|scope| caller.may(scope).map(|_| ()))
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
