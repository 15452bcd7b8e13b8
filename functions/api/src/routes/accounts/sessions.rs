//! `/api/v1/sessions`: where a person is signed in, and the way to end it.

use crate::sessions::SignedIn;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::sessions::SessionListed;
use domain::ids::{AccountId, SessionId};
use flows::accounts::sessions;
use http::StatusCode;
use rest::Path;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Your sessions.
#[derive(Serialize, ToSchema)]
pub struct Sessions {
    sessions: Vec<SessionOfMine>,
}

/// A session of yours.
#[derive(Serialize, ToSchema)]
pub struct SessionOfMine {
    id: String,
    /// Whether it is the session of this request.
    current: bool,
    /// The account that it acts for, if any.
    account_id: Option<String>,
    /// The browser and the system.
    #[schema(example = "Firefox on Linux")]
    browser: String,
    began_at: String,
    expires_at: String,
}

/// Lists your sessions, newest first.
///
/// This endpoint requires a signed-in session; an API key has none.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "people", security(("session" = [])),
    responses((status = 200, body = Sessions)))]
pub async fn list(
    SignedIn(person): SignedIn,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<Sessions>, ApiError> {
    let all = sessions::list(&ctx.store, &person, ctx.outside.now()).await?;
    let one = |session: SessionListed| SessionOfMine {
        current: session.id == person.session.id,
        id: session.id.to_string(),
        account_id: session.account.as_ref().map(AccountId::to_string),
        browser: session.browser,
        began_at: session.began_at.to_string(),
        expires_at: session.expires_at.to_string(),
    };
    Ok(Json(Sessions {
        sessions: all.into_iter().map(one).collect(),
    }))
}

/// Ends one of your sessions.
///
/// Its browser has to sign in again, within a minute at the latest.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "people", security(("session" = [])),
    params(("id" = String, Path, description = "The session's id.")),
    responses((status = 204), (status = 404)))]
pub async fn end(
    SignedIn(person): SignedIn,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let absent = || ApiError::not_found("You have no such session.");
    let id = SessionId::parse(&id).map_err(|_| absent())?;
    if sessions::end_one(&ctx.store, &ctx.sessions, &person, &id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(absent())
    }
}

/// Ends all your sessions except this one.
///
/// Use it if a browser of yours was lost or stolen.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "people", security(("session" = [])),
    responses((status = 204)))]
pub async fn end_others(
    SignedIn(person): SignedIn,
    State(ctx): State<Arc<Ctx>>,
) -> Result<StatusCode, ApiError> {
    sessions::end_others(&ctx.store, &ctx.sessions, &person).await?;
    Ok(StatusCode::NO_CONTENT)
}
