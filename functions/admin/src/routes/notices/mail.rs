//! `/api/v1/admin/accounts/{id}/mail`: where an account's mail goes, and which notices it gets.
//! `/api/v1/admin/mail/muted`: addresses that get no mail.
//!
//! The API accepts an address but never returns one: the operator who sets it knows it, and nobody
//! else needs it.

use crate::operator::Authorized;
use crate::routes::accounts::account::existing;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use domain::accounts::addresses::MailAddress;
use domain::notices::{self, NoticeKind};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Unmuted;

/// The fields to change. Absent fields stay as they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// An empty text removes the address.
    address: Option<String>,
    /// Kinds of notice, and whether the account gets mail about each.
    #[serde(default)]
    kinds: BTreeMap<String, bool>,
}

/// Changes where an account's mail goes and which notices it gets.
pub async fn change(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(wanted) =
        body.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    let id = existing(&ctx, &id).await?;
    let switches = notices::switches(&wanted.kinds)
        .map_err(|error| ApiError::bad_request("bad_kind", error.to_string()))?;
    if let Some(text) = &wanted.address {
        let address = (!text.trim().is_empty())
            .then(|| MailAddress::parse(text))
            .transpose();
        let address = address
            .map_err(|error| ApiError::bad_request("bad_address", format!("address is {error}")))?;
        ctx.store.account_mail_set(&id, address.as_ref()).await?;
    }
    for (kind, switch) in switches {
        ctx.store.account_notices_set(&id, kind, switch).await?;
    }
    tracing::info!(operator.name = operator.name, account.id = %id, audit = true, "changed which mails an account gets");
    shown(&ctx, &id).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meant {
    address: String,
}

/// Unmutes an address whose mail bounced.
pub async fn unmute(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    body: Result<Json<Meant>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(meant) = body.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    let address = MailAddress::parse(&meant.address)
        .map_err(|error| ApiError::bad_request("bad_address", format!("address is {error}")))?;
    let unmuted = ctx.store.mail_unmute(&address, ctx.outside.now()).await?;
    tracing::info!(operator.name = operator.name, outcome = ?unmuted, audit = true, "an address is written to again");
    Ok(Json(
        json!({ "muted": false, "was_muted": unmuted == Unmuted::Now }),
    ))
}

/// Shows whether an account has an address, and which notices it gets.
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id = existing(&ctx, &id).await?;
    shown(&ctx, &id).await
}

async fn shown(ctx: &Ctx, id: &domain::ids::AccountId) -> Result<Json<Value>, ApiError> {
    let mailing = ctx.store.account_mail_find(id).await?;
    let kind = |kind: &NoticeKind| {
        (
            kind.as_str().to_owned(),
            Value::from(mailing.switch(*kind).is_on()),
        )
    };
    let kinds: Map<_, _> = NoticeKind::ALL.iter().map(kind).collect();
    Ok(Json(
        json!({ "has_address": mailing.address.is_some(), "kinds": kinds }),
    ))
}
