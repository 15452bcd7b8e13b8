//! `/api/v1/notices`: which notices an account receives by email, and below which balance.
//!
//! A program may switch kinds of notice on and off. It may neither read nor change the address: a
//! stolen key could redirect the links in welcome and payment mails. Operators change addresses.

use crate::caller::{Caller, MayBill, MayRead};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::notices;
use flows::accounts::mailing;
use rest::Body;
use rest::views::NoticesShown;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// A change of notice preferences.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticesWanted {
    /// Kinds of notice, and whether the account should receive them. Other kinds keep their
    /// setting.
    #[schema(example = json!({ "job_finished": true }))]
    #[serde(default)]
    kinds: BTreeMap<String, bool>,
    /// The available credits below which you are warned, as a decimal with at most six places.
    /// `null` returns to the usual threshold.
    #[schema(example = "500", value_type = Option<String>, pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    #[serde(default, deserialize_with = "given")]
    low_balance: Option<Option<String>>,
}

/// Tells `null` from an absent field.
fn given<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// Retrieves your notice preferences.
#[utoipa::path(get, path = "/api/v1/notices", tag = "account",
    responses((status = 200, body = NoticesShown)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<NoticesShown>, ApiError> {
    shown(&ctx, &caller).await
}

/// Switches kinds of notice on or off.
#[utoipa::path(patch, path = "/api/v1/notices", tag = "account", request_body = NoticesWanted,
    responses((status = 200, body = NoticesShown)))]
pub async fn switch(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    Body(wanted): Body<NoticesWanted>,
) -> Result<Json<NoticesShown>, ApiError> {
    if wanted.kinds.is_empty() && wanted.low_balance.is_none() {
        return Err(ApiError::bad_request(
            "bad_body",
            "Provide `kinds`, `low_balance` or both.",
        ));
    }
    let switches = notices::switches(&wanted.kinds)
        .map_err(|error| ApiError::bad_request("bad_kind", error.to_string()))?;
    let threshold = wanted.low_balance.as_ref().map(Option::as_deref);
    let by = caller.by.to_string();
    let who = (&caller.account, by.as_str());
    mailing::change(&ctx.store, who, switches, threshold).await?;
    shown(&ctx, &caller).await
}

async fn shown(ctx: &Ctx, caller: &Caller) -> Result<Json<NoticesShown>, ApiError> {
    let mailing = ctx.store.account_mail_find(&caller.account).await?;
    let is_on = |kind| mailing.switch(kind).is_on();
    let usual = ctx.catalogue.low_balance;
    let low_balance = ctx.store.low_balance_find(&caller.account, usual).await?;
    let has_address = mailing.address.is_some();
    Ok(Json(NoticesShown::of(has_address, is_on, low_balance)))
}
