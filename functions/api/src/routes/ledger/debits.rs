//! `POST /api/v1/credits/debit` and `GET /api/v1/credits/check`: clients charge work of their own in
//! one call, and ask whether there are enough credits for it.
//!
//! A debit is one transaction: entry, balance and spending. Safe to run twice: the idempotency key
//! is the cause of the entry. A check reserves nothing, so its answer can be outdated at once; a
//! client that must be sure places a hold.

use super::credits::current;
use super::holds::{ModelTokens, amount, label};
use crate::caller::{MayRead, MayRecordUsage};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::spending::{SpendChange, SpendUnit, billing_period};
use domain::ledger::Posting;
use domain::units::Credits;
use flows::accounts::load;
use flows::billing::spend_limit;
use http::StatusCode;
use rest::{Body, IdempotencyKey, Params};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Post;
use utoipa::{IntoParams, ToSchema};

/// Work to charge. Provide exactly one of `credits` and `tokens`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DebitWanted {
    /// The number of credits, as a decimal with at most six places.
    #[schema(example = "7.25", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    credits: Option<String>,
    /// The tokens of the model call, as the provider counted them.
    tokens: Option<ModelTokens>,
    /// The purpose. The ledger entry shows it.
    #[schema(
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*$",
        example = "a summary"
    )]
    description: Option<String>,
}

/// A debit that was carried out.
#[derive(Serialize, ToSchema)]
pub struct Debited {
    id: String,
    /// The credits spent.
    spent: String,
    /// The credits available now.
    balance: String,
}

/// The work to check. Provide exactly one of `credits` and `model`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CheckWanted {
    /// The number of credits, as a decimal with at most six places.
    #[param(example = "12.5", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    credits: Option<String>,
    /// The provider's name for the model.
    model: Option<String>,
    /// With `model`: the number of prompt tokens.
    input: Option<u64>,
    /// With `model`: the number of completion tokens. Defaults to the catalogue's reserve.
    output: Option<u64>,
}

/// Whether there are enough credits.
#[derive(Serialize, ToSchema)]
pub struct Checked {
    /// Whether a debit or a hold of this amount would be accepted now.
    enough: bool,
    /// `insufficient_credits` or `spend_limit_reached`, if there are not enough.
    reason: Option<&'static str>,
    /// The credits needed.
    needed: String,
    /// The credits available now.
    balance: String,
}

/// Spends credits in one call.
///
/// Nothing is spent unless the balance and the spend limit cover the whole amount. A repeated
/// request spends nothing more.
#[utoipa::path(post, path = "/api/v1/credits/debit", tag = "credits", request_body = DebitWanted,
    params(IdempotencyKey),
    responses((status = 201, body = Debited), (status = 200, body = Debited, description = "It was spent before."), (status = 402), (status = 403), (status = 409), (status = 422)))]
pub async fn create(
    MayRecordUsage(caller): MayRecordUsage,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<DebitWanted>,
) -> Result<(StatusCode, Json<Debited>), ApiError> {
    caller.may_begin(&ctx).await?;
    let account = &caller.account;
    let amount = amount(&ctx, wanted.credits.as_deref(), wanted.tokens.as_ref())?;
    if amount.is_zero() {
        return Err(ApiError::bad_request(
            "bad_amount",
            "The amount must be greater than zero.",
        ));
    }
    let now = ctx.outside.now();
    let entitled = load(&ctx.store, &ctx.catalogue, account, now).await?;
    let period = billing_period(&entitled.entitlements, now).key;
    let id = once.act(account, "credits/debit").id();
    let label = label(&ctx, &caller, wanted.description.as_deref(), "spent")?;
    let posting = Posting::debit(account, id.clone(), amount, label, now);
    let outlay = SpendChange::debit(account, &period, amount);
    let status = match ctx.store.hold_make(&posting, &outlay).await? {
        Post::Posted => StatusCode::CREATED,
        Post::AlreadyPosted => StatusCode::OK,
        Post::CauseReused => return Err(key_reused()),
        Post::Insufficient(balance) => {
            let detail = format!(
                "{amount} credits are needed and {} are available; top up at {}.",
                balance.available,
                ctx.dashboard()
            );
            return Err(ApiError::payment_required("insufficient_credits", detail));
        }
        Post::SpendLimitReached | Post::NoHold => {
            let unit = SpendUnit::Credits;
            let refusal = spend_limit::reached(&ctx.store, account, unit, &period, now);
            return Err(refusal.await?.into());
        }
    };
    let counted = (SpendUnit::Credits, period.as_str());
    ctx.store.spend_warn(account, counted, now).await?;
    ctx.store
        .balance_warn(account, ctx.catalogue.low_balance, now)
        .await?;
    let balance = ctx.store.balance_find(account).await?;
    Ok((
        status,
        Json(Debited {
            id: id.to_string(),
            spent: amount.to_string(),
            balance: balance.available.to_string(),
        }),
    ))
}

/// Checks whether there are enough credits, without reserving any.
///
/// Work that starts in the meantime can spend them. Place a hold to be sure.
#[utoipa::path(get, path = "/api/v1/credits/check", tag = "credits", params(CheckWanted),
    responses((status = 200, body = Checked), (status = 422)))]
pub async fn check(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
    Params(wanted): Params<CheckWanted>,
) -> Result<Json<Checked>, ApiError> {
    let account = &caller.account;
    let tokens = tokens(&wanted)?;
    let needed = amount(&ctx, wanted.credits.as_deref(), tokens.as_ref())?;
    let now = ctx.outside.now();
    let balance = current(&ctx, account).await?;
    let reason = if balance.available < needed || !balance.debt.is_zero() {
        Some("insufficient_credits")
    } else {
        let entitled = load(&ctx.store, &ctx.catalogue, account, now).await?;
        let period = billing_period(&entitled.entitlements, now).key;
        let fits = fits(&ctx, &caller.account, &period, needed).await?;
        (!fits).then_some("spend_limit_reached")
    };
    Ok(Json(Checked {
        enough: reason.is_none(),
        reason,
        needed: needed.to_string(),
        balance: balance.available.to_string(),
    }))
}

/// Whether the spend limit leaves this amount.
async fn fits(
    ctx: &Ctx,
    account: &domain::ids::AccountId,
    period: &str,
    needed: Credits,
) -> Result<bool, ApiError> {
    let limit = ctx.store.spend_limit_find(account).await?;
    let Some(most) = limit.of(SpendUnit::Credits) else {
        return Ok(true);
    };
    let unit = SpendUnit::Credits;
    let spent = ctx.store.spent_find(account, period, unit).await?;
    let used = spent.spent.saturating_add(spent.reserved);
    Ok(used.saturating_add(needed.micros()) <= most)
}

fn tokens(wanted: &CheckWanted) -> Result<Option<ModelTokens>, ApiError> {
    match (&wanted.model, wanted.input, wanted.output) {
        (Some(model), Some(input), output) => Ok(Some(ModelTokens {
            model: model.clone(),
            input,
            output,
        })),
        (None, None, None) => Ok(None),
        (Some(_), None, _) | (None, _, _) => Err(ApiError::bad_request(
            "bad_amount",
            "`input` and `output` are the tokens of a `model`; provide `model` and `input` together.",
        )),
    }
}

fn key_reused() -> ApiError {
    let detail = "This `Idempotency-Key` was used for another debit; use a new one for each debit.";
    ApiError::conflict("idempotency_key_reused", detail)
}
