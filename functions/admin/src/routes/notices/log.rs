//! `GET /api/v1/admin/accounts/{id}/notices`: the notices of an account.

use crate::operator::Authorized;
use crate::routes::accounts::account::existing;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use rest::Path;
use serde::Serialize;
use std::sync::Arc;
use store::NoticeRow;
use utoipa::ToSchema;

/// The account's notices.
#[derive(Serialize, ToSchema)]
pub struct Notices {
    notices: Vec<NoticeShown>,
}

/// A notice, sent or to be sent.
#[derive(Serialize, ToSchema)]
pub struct NoticeShown {
    kind: String,
    /// The fact that it reports. Each fact is reported once.
    fact: String,
    /// Its text.
    words: String,
    at: String,
    /// What became of it; absent while it is to be sent.
    outcome: Option<&'static str>,
    ended_at: Option<String>,
    /// The reason for the outcome, if there is more to say.
    why: Option<String>,
}

/// Lists the notices that were or will be sent to the customer, newest first.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}/notices", tag = "notices",
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 200, body = Notices)))]
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Notices>, ApiError> {
    let id = existing(&ctx, &id).await?;
    let notices = ctx.store.notice_list(&id).await?;
    Ok(Json(Notices {
        notices: notices.iter().map(shown).collect(),
    }))
}

fn shown(notice: &NoticeRow) -> NoticeShown {
    NoticeShown {
        kind: notice.kind.clone(),
        fact: notice.fact.clone(),
        words: notice.words.clone(),
        at: notice.at.to_string(),
        outcome: notice.ended.map(|(outcome, _)| outcome.as_str()),
        ended_at: notice.ended.map(|(_, at)| at.to_string()),
        why: notice.why.clone(),
    }
}
