//! `/api/v1/credits/holds`: clients reserve credits for work of their own and settle once its cost
//! is known.
//!
//! Safe to run twice: a hold's id follows from the idempotency key, and a hold settles once.

use crate::caller::{Caller, MayRead, MayRecordUsage};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::plans::{cost, price};
use domain::billing::spending::{SpendChange, SpendUnit, billing_period};
use domain::billing::usage::Tokens;
use domain::ids::ActionId;
use domain::ledger::{EntryDetails, HoldId, Posting};
use domain::units::Credits;
use flows::accounts::load;
use flows::billing::spend_limit;
use http::StatusCode;
use rest::{Body, IdempotencyKey, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use store::{OpenHold, Post};
use utoipa::ToSchema;

/// A reservation, either of credits or for the tokens of a model call. Provide exactly one of
/// `credits` and `tokens`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldWanted {
    /// The number of credits, as a decimal with at most six places.
    #[schema(example = "12.5", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    credits: Option<String>,
    /// The most tokens that the model call can use.
    tokens: Option<ModelTokens>,
    /// The purpose. The ledger entry shows it.
    #[schema(
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*$",
        example = "a summary"
    )]
    description: Option<String>,
    /// Seconds until an unsettled hold is released automatically, within a minute. Defaults to one
    /// hour.
    #[schema(minimum = 60, maximum = 86400)]
    expires_in_seconds: Option<u32>,
}

/// The tokens of a model call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelTokens {
    /// The provider's name for the model.
    #[schema(example = "claude-sonnet-4-5")]
    pub(super) model: String,
    /// The number of prompt tokens.
    #[schema(example = 1200)]
    pub(super) input: u64,
    /// The number of completion tokens. Defaults to the catalogue's reserve.
    pub(super) output: Option<u64>,
}

/// The used part of a hold. Provide exactly one of `credits` and `tokens`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// The number of credits.
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

/// A reservation of credits.
#[derive(Serialize, ToSchema)]
pub struct HoldShown {
    id: String,
    /// The credits reserved.
    credits: String,
    held_at: String,
    /// When an unsettled hold is released automatically.
    expires_at: Option<String>,
}

/// The account's open holds.
#[derive(Serialize, ToSchema)]
pub struct Holds {
    holds: Vec<HoldShown>,
}

/// A settled hold.
#[derive(Serialize, ToSchema)]
pub struct Settled {
    id: String,
    /// The credits spent.
    spent: String,
    /// The credits returned to the balance.
    returned: String,
}

const EXPIRES_SECONDS: u32 = 3_600;
const EXPIRES_SECONDS_MIN: u32 = 60;
const EXPIRES_SECONDS_MAX: u32 = 86_400;
const DESCRIPTION_CHARS_MAX: usize = 200;

/// Lists your open holds.
#[utoipa::path(get, path = "/api/v1/credits/holds", tag = "credits",
    responses((status = 200, body = Holds)))]
pub async fn list(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<Holds>, ApiError> {
    let now = ctx.outside.now();
    ctx.store
        .holds_release_expired(&caller.account, now)
        .await?;
    let holds = ctx.store.hold_list(&caller.account).await?;
    let shown = |hold: OpenHold| HoldShown {
        id: hold.hold.to_string(),
        credits: hold.amount.to_string(),
        held_at: hold.held_at.to_string(),
        expires_at: hold.until.map(|end| end.to_string()),
    };
    Ok(Json(Holds {
        holds: holds.into_iter().map(shown).collect(),
    }))
}

/// Reserves credits.
///
/// The reserved credits cannot be spent elsewhere until the hold is captured or released.
#[utoipa::path(post, path = "/api/v1/credits/holds", tag = "credits", request_body = HoldWanted,
    params(IdempotencyKey),
    responses((status = 201, body = HoldShown), (status = 200, body = HoldShown, description = "The hold exists already."), (status = 402), (status = 409), (status = 422)))]
pub async fn create(
    MayRecordUsage(caller): MayRecordUsage,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<HoldWanted>,
) -> Result<(StatusCode, Json<HoldShown>), ApiError> {
    caller.may_begin(&ctx).await?;
    let amount = amount(&ctx, wanted.credits.as_deref(), wanted.tokens.as_ref())?;
    if amount.is_zero() {
        return Err(ApiError::bad_request(
            "bad_amount",
            "The amount must be greater than zero.",
        ));
    }
    let seconds = wanted.expires_in_seconds.unwrap_or(EXPIRES_SECONDS);
    if !(EXPIRES_SECONDS_MIN..=EXPIRES_SECONDS_MAX).contains(&seconds) {
        let detail =
            format!("`expires_in_seconds` must be {EXPIRES_SECONDS_MIN} to {EXPIRES_SECONDS_MAX}.");
        return Err(ApiError::bad_request("bad_expiry", detail));
    }
    let now = ctx.outside.now();
    let period = billing_period(
        &load(&ctx.store, &ctx.catalogue, &caller.account, now)
            .await?
            .entitlements,
        now,
    )
    .key;
    let end = now.plus(Duration::from_secs(u64::from(seconds)));
    let id = once.act(&caller.account, "credits/holds").id();
    let label = label(&ctx, &caller, wanted.description.as_deref(), "reserved")?;
    let hold = HoldId::Own(id.clone());
    let posting = Posting::hold(&caller.account, hold, (amount, Credits::ZERO), label, now)
        .until(end)
        .counted_in(&period);
    let outlay = SpendChange::hold(&caller.account, &period, amount);
    let post = ctx.store.hold_make(&posting, &outlay).await?;
    // Also for a repeated request, because the first one may have died before this.
    if matches!(post, Post::Posted | Post::AlreadyPosted) {
        ctx.store
            .balance_warn(&caller.account, ctx.catalogue.low_balance, now)
            .await?;
    }
    let shown = HoldShown {
        id: id.to_string(),
        credits: amount.to_string(),
        held_at: now.to_string(),
        expires_at: Some(end.to_string()),
    };
    match post {
        Post::Posted => Ok((StatusCode::CREATED, Json(shown))),
        Post::AlreadyPosted => Ok((StatusCode::OK, Json(shown))),
        Post::CauseReused => Err(key_reused()),
        Post::Insufficient(balance) => {
            let detail = format!(
                "{amount} credits are needed and {} are available; top up at {}.",
                balance.available,
                ctx.dashboard()
            );
            Err(ApiError::payment_required("insufficient_credits", detail))
        }
        Post::SpendLimitReached => {
            let refusal = spend_limit::reached(
                &ctx.store,
                &caller.account,
                SpendUnit::Credits,
                &period,
                now,
            );
            Err(refusal.await?.into())
        }
        Post::NoHold => Err(no_hold()),
    }
}

/// Spends the used part of a hold and returns the rest.
///
/// A repeated request gets the same answer.
#[utoipa::path(post, path = "/api/v1/credits/holds/{id}/capture", tag = "credits", request_body = Capture,
    params(("id" = String, Path), IdempotencyKey),
    responses((status = 200, body = Settled), (status = 409), (status = 422)))]
pub async fn capture(
    MayRecordUsage(caller): MayRecordUsage,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    _: IdempotencyKey,
    Body(used): Body<Capture>,
) -> Result<Json<Settled>, ApiError> {
    let amount = amount(&ctx, used.credits.as_deref(), used.tokens.as_ref())?;
    settle(&ctx, &caller, &id, amount, used.description.as_deref()).await
}

/// Releases a hold in full.
///
/// A repeated request gets the same answer.
#[utoipa::path(post, path = "/api/v1/credits/holds/{id}/release", tag = "credits",
    params(("id" = String, Path), IdempotencyKey),
    responses((status = 200, body = Settled), (status = 409)))]
pub async fn release(
    MayRecordUsage(caller): MayRecordUsage,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    _: IdempotencyKey,
) -> Result<Json<Settled>, ApiError> {
    settle(&ctx, &caller, &id, Credits::ZERO, None).await
}

/// Settles a hold. The ledger entry keeps the amount of a hold permanently, so a repeat for a
/// settled hold gets the same answer.
async fn settle(
    ctx: &Ctx,
    caller: &Caller,
    id: &str,
    used: Credits,
    description: Option<&str>,
) -> Result<Json<Settled>, ApiError> {
    let action = ActionId::parse(id).map_err(|_| no_hold())?;
    let hold = HoldId::Own(action);
    let held = ctx
        .store
        .hold_amount(&caller.account, &hold)
        .await?
        .ok_or_else(no_hold)?;
    let used = used.min(held);
    let label = label(ctx, caller, description, "spent")?;
    // A settled hold is no longer open, so it has no period here. Its ledger entry answers the
    // repeat, which changes no spending.
    let period = ctx
        .store
        .hold_find(&caller.account, &hold)
        .await?
        .and_then(|open| open.period);
    let outlay = period
        .as_deref()
        .map(|period| SpendChange::settlement(&caller.account, period, (held, used)));
    let now = ctx.outside.now();
    let posting = Posting::settle(&caller.account, hold, (held, used), label, now);
    let settled = || Settled {
        id: id.to_owned(),
        spent: used.to_string(),
        returned: held.less(used).to_string(),
    };
    let post = ctx.store.hold_settle(&posting, outlay.as_ref()).await?;
    if let (Post::Posted, Some(period)) = (post, &period) {
        ctx.store
            .spend_warn(&caller.account, (SpendUnit::Credits, period), now)
            .await?;
    }
    match post {
        Post::Posted | Post::AlreadyPosted => Ok(Json(settled())),
        Post::CauseReused => Err(ApiError::conflict(
            "hold_settled",
            "This hold was settled with another amount; see its ledger entry.",
        )),
        Post::NoHold | Post::Insufficient(_) | Post::SpendLimitReached => Err(no_hold()),
    }
}

pub(super) fn amount(
    ctx: &Ctx,
    credits: Option<&str>,
    tokens: Option<&ModelTokens>,
) -> Result<Credits, ApiError> {
    let bad = |detail: String| ApiError::bad_request("bad_amount", detail);
    match (credits, tokens) {
        (Some(credits), None) => Credits::parse(credits).map_err(|error| bad(error.to_string())),
        (None, Some(tokens)) => {
            let model = ctx.catalogue.model(&tokens.model).ok_or_else(|| {
                let detail = format!(
                    "The catalogue has no price for the model {:?}.",
                    head(&tokens.model)
                );
                ApiError::unprocessable("unknown_model", detail)
            })?;
            let output = tokens
                .output
                .unwrap_or_else(|| u64::from(ctx.catalogue.output_reserve));
            let used = Tokens::of(tokens.input, output);
            let cost =
                cost(used, model).ok_or_else(|| bad("The token count is too large.".to_owned()))?;
            Ok(price(cost, ctx.catalogue.markup, Credits::ZERO))
        }
        (None, None) | (Some(_), Some(_)) => Err(bad(
            "Provide exactly one of `credits` and `tokens`.".to_owned(),
        )),
    }
}

fn head(text: &str) -> &str {
    domain::text::truncate(text, 100)
}

pub(super) fn label(
    ctx: &Ctx,
    caller: &Caller,
    description: Option<&str>,
    usual: &str,
) -> Result<EntryDetails, ApiError> {
    let note = description.map_or(usual, str::trim);
    if note.chars().count() > DESCRIPTION_CHARS_MAX || note.chars().any(char::is_control) {
        let detail = format!(
            "`description` must have at most {DESCRIPTION_CHARS_MAX} characters on one line."
        );
        return Err(ApiError::bad_request("bad_description", detail));
    }
    let source = caller.by.to_string();
    Ok(EntryDetails {
        note: note.to_owned(),
        source,
        priced_by: ctx.catalogue.version.clone(),
    })
}

fn no_hold() -> ApiError {
    ApiError::not_found("There is no such hold.")
}

fn key_reused() -> ApiError {
    let detail = "This `Idempotency-Key` was used for another hold; use a new one for each hold.";
    ApiError::conflict("idempotency_key_reused", detail)
}
