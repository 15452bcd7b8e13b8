//! `/api/v1/admin/accounts/{id}/mail`: where an account's mail goes, and which notices it gets.
//! `/api/v1/admin/mail/muted`: addresses that get no mail.
//!
//! The API accepts an address but never returns one: the operator who sets it knows it, and nobody
//! else needs it. This function has no right to write at Stripe, which sends receipts to the address.
//! It makes the account's row due, and `stripe-events` sets the address there.

use crate::operator::Authorized;
use crate::routes::accounts::account::existing;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::addresses::{BadAddress, MailAddress};
use domain::ids::AccountId;
use domain::notices;
use queues::Message;
use rest::views::NoticesShown;
use rest::{Body, Path};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Unmuted;
use utoipa::ToSchema;

/// The fields to change. Absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailChange {
    /// The account's address; an empty text removes it.
    #[schema(max_length = 254, example = "ann@acme.example")]
    address: Option<String>,
    /// Kinds of notice, and whether the account receives them. Other kinds keep their setting.
    #[serde(default)]
    #[schema(example = json!({ "job_finished": true }))]
    kinds: BTreeMap<String, bool>,
}

/// An address whose mail bounced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MutedAddress {
    #[schema(min_length = 3, max_length = 254, example = "ann@acme.example")]
    address: String,
}

/// Whether an address was muted.
#[derive(Serialize, ToSchema)]
pub struct AddressUnmuted {
    /// Always `false`.
    muted: bool,
    /// Whether it was muted before the request.
    was_muted: bool,
}

/// Changes where an account's mail goes and which notices it gets.
///
/// Stripe gets the address, too, in a moment. If the address is removed, Stripe keeps its own.
#[utoipa::path(put, path = "/api/v1/admin/accounts/{id}/mail", tag = "notices",
    params(("id" = String, Path, description = "The account's id.")), request_body = MailChange,
    responses((status = 200, body = NoticesShown)))]
pub async fn change(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    Body(wanted): Body<MailChange>,
) -> Result<Json<NoticesShown>, ApiError> {
    let id = existing(&ctx, &id).await?;
    let switches = notices::switches(&wanted.kinds)
        .map_err(|error| ApiError::bad_request("bad_kind", error.to_string()))?;
    if let Some(text) = &wanted.address {
        let address = (!text.trim().is_empty())
            .then(|| MailAddress::parse(text))
            .transpose();
        let address = address.map_err(bad_address)?;
        match &address {
            Some(address) => owe(&ctx, &id, address).await?,
            // Stripe documents no way to clear a customer's address, so it keeps its own.
            None => {
                ctx.store.account_mail_set(&id, None).await?;
            }
        }
    }
    for (kind, switch) in switches {
        ctx.store.account_notices_set(&id, kind, switch).await?;
    }
    tracing::info!(operator.name = operator.name, account.id = %id, address = wanted.address.is_some(), audit = true,
        "changed which mails an account gets");
    shown(&ctx, &id).await
}

/// Sets the address here, and has `stripe-events` set it at Stripe.
async fn owe(ctx: &Ctx, id: &AccountId, address: &MailAddress) -> Result<(), ApiError> {
    let now = ctx.outside.now();
    ctx.store.account_mail_owe(id, address, now).await?;
    // The row is due, so the sweeper sends the message again if it is lost.
    let message = Message::CustomerMail(id.clone());
    ctx.queues.send(&message, Some(id)).await?;
    Ok(())
}

fn bad_address(error: BadAddress) -> ApiError {
    ApiError::bad_request("bad_address", format!("`address` is {error}."))
}

/// Unmutes an address whose mail bounced.
#[utoipa::path(delete, path = "/api/v1/admin/mail/muted", tag = "notices", request_body = MutedAddress,
    responses((status = 200, body = AddressUnmuted)))]
pub async fn unmute(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Body(muted): Body<MutedAddress>,
) -> Result<Json<AddressUnmuted>, ApiError> {
    let address = MailAddress::parse(&muted.address).map_err(bad_address)?;
    let unmuted = ctx.store.mail_unmute(&address, ctx.outside.now()).await?;
    tracing::info!(operator.name = operator.name, outcome = ?unmuted, audit = true, "an address is written to again");
    Ok(Json(AddressUnmuted {
        muted: false,
        was_muted: unmuted == Unmuted::Now,
    }))
}

/// Shows whether an account has an address, and which notices it gets.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}/mail", tag = "notices",
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 200, body = NoticesShown)))]
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<NoticesShown>, ApiError> {
    let id = existing(&ctx, &id).await?;
    shown(&ctx, &id).await
}

async fn shown(ctx: &Ctx, id: &AccountId) -> Result<Json<NoticesShown>, ApiError> {
    let mailing = ctx.store.account_mail_find(id).await?;
    let is_on = |kind| mailing.switch(kind).is_on();
    let usual = ctx.catalogue.low_balance;
    let low_balance = ctx.store.low_balance_find(id, usual).await?;
    let has_address = mailing.address.is_some();
    Ok(Json(NoticesShown::of(has_address, is_on, low_balance)))
}
