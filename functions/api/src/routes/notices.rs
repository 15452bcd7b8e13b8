//! `/api/v1/notices`: what the account is told of by mail.
//!
//! A program may switch kinds on and off. Where the mail goes it may neither read nor change: whoever held a key could lead
//! the links of a welcome or of a payment to himself. That stays with operators.

use crate::caller::{Caller, MayBill, MayRead};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::notices::{self, NoticeKind};
use rest::Body;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// What the account is told of.
#[derive(Serialize, ToSchema)]
pub struct NoticesShown {
    /// Whether an address is known; without one nothing is told.
    has_address: bool,
    /// Each kind of notice, and whether the account is told of it.
    #[schema(example = json!({ "payment_failed": true, "job_finished": false }))]
    kinds: BTreeMap<String, bool>,
}

/// What is to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticesWanted {
    /// Kinds of notice, and whether the account shall be told of them; the others stay as they are.
    #[schema(example = json!({ "job_finished": true }))]
    kinds: BTreeMap<String, bool>,
}

/// What you are told of by mail.
#[utoipa::path(get, path = "/api/v1/notices", tag = "account",
    responses((status = 200, body = NoticesShown)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<NoticesShown>, ApiError> {
    shown(&ctx, &caller).await
}

/// Switches kinds of notice on and off.
#[utoipa::path(patch, path = "/api/v1/notices", tag = "account", request_body = NoticesWanted,
    responses((status = 200, body = NoticesShown)))]
pub async fn switch(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    Body(wanted): Body<NoticesWanted>,
) -> Result<Json<NoticesShown>, ApiError> {
    let switches = notices::switches(&wanted.kinds)
        .map_err(|error| ApiError::bad_request("bad_kind", error.to_string()))?;
    for (kind, switch) in switches {
        ctx.store
            .account_notices_set(&caller.account, kind, switch)
            .await?;
    }
    tracing::info!(account.id = %caller.account, by = %caller.by, audit = true, "changed what the account is told by mail");
    shown(&ctx, &caller).await
}

async fn shown(ctx: &Ctx, caller: &Caller) -> Result<Json<NoticesShown>, ApiError> {
    let mailing = ctx.store.account_mail_find(&caller.account).await?;
    let kinds = NoticeKind::ALL
        .iter()
        .map(|kind| (kind.as_str().to_owned(), mailing.switch(*kind).is_on()));
    Ok(Json(NoticesShown {
        has_address: mailing.address.is_some(),
        kinds: kinds.collect(),
    }))
}
