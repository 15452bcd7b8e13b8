//! `GET /api/v1/repositories`: lists the account's repositories with their policies. Read-only.

use crate::caller::MayRead;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use flows::jobs::repositories;
use rest::views::repositories::{OwnerShown, RepositoryShown};
use rest::{Params, cursors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Cursor;
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 100;

/// The query of a listing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// A page of repositories, the last that Tallyhook saw for the first time first.
#[derive(Serialize, ToSchema)]
pub struct Repositories {
    /// All GitHub owners that the account pays for.
    owners: Vec<OwnerShown>,
    repositories: Vec<RepositoryShown>,
    /// The cursor of the next page; absent on the last page.
    next_cursor: Option<String>,
}

/// Lists your repositories, with each policy as Tallyhook reads it.
///
/// A repository appears when the App is installed for it, and its policy with the first event that
/// may become a job.
#[utoipa::path(get, path = "/api/v1/repositories", tag = "jobs", params(Filter),
    responses((status = 200, body = Repositories)))]
pub async fn list(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Json<Repositories>, ApiError> {
    let cursor = filter.cursor.as_deref().map(cursors::read).transpose()?;
    let cursor = cursor.map(Cursor::from);
    let listed = repositories::list(&ctx.store, &caller.account, cursor.as_ref(), PAGE).await?;
    Ok(Json(Repositories {
        owners: listed.owners.iter().map(OwnerShown::of).collect(),
        repositories: listed
            .repositories
            .iter()
            .map(RepositoryShown::of)
            .collect(),
        next_cursor: listed.next.map(|next| cursors::write(next.at, &next.id)),
    }))
}
