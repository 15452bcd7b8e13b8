//! `/api/v1/admin/accounts/{id}/balance`, `…/ledger` and `…/adjustments`: shows an account's
//! credits and the entries behind them, and corrects the balance.

use crate::operator::Authorized;
use crate::reason;
use crate::routes::accounts::account::existing;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::operators::Operator;
use domain::ids::AccountId;
use domain::ledger::{
    AdjustmentSide, Entry, EntryDetails, GrantTerms, GrantType, PRIORITY_MAX, Posting,
};
use domain::time::Timestamp;
use domain::units::{Credits, decimal};
use http::StatusCode;
use rest::views::Transaction;
use rest::{Body, IdempotencyKey, Params, Path, cursors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Cursor, Post};
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 50;
/// The most credits that one adjustment may move, so that a typing error cannot give away more.
const ADJUSTMENT_MAX: u64 = 1_000_000;

/// A balance in credits.
#[derive(Serialize, ToSchema)]
pub struct Balance {
    /// The credits available to spend.
    pub available: String,
    /// The credits reserved for work in progress.
    pub held: String,
    /// The credits owed, because credits were taken back after they had been spent.
    pub debt: String,
}

/// Shows an account's balance.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}/balance", tag = "ledger",
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 200, body = Balance)))]
pub async fn balance(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Balance>, ApiError> {
    let account = existing(&ctx, &id).await?;
    Ok(Json(balance_of(&ctx, &account).await?))
}

async fn balance_of(ctx: &Ctx, account: &AccountId) -> Result<Balance, ApiError> {
    let balance = ctx.store.balance_find(account).await?;
    Ok(Balance {
        available: balance.available.to_string(),
        held: balance.held.to_string(),
        debt: balance.debt.to_string(),
    })
}

/// The query of a listing.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// A page of ledger entries, newest first.
#[derive(Serialize, ToSchema)]
pub struct Entries {
    pub entries: Vec<EntryShown>,
    /// The cursor of the next page; absent on the last page.
    pub next_cursor: Option<String>,
}

/// A ledger entry.
#[derive(Serialize, ToSchema)]
pub struct EntryShown {
    #[serde(flatten)]
    pub transaction: Transaction,
    /// The change of the reserved credits.
    pub held_change: String,
    /// The version of the catalogue that priced it; absent if the catalogue did not price it.
    pub price_version: Option<String>,
}

/// Lists an account's ledger entries, newest first.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}/ledger", tag = "ledger",
    params(("id" = String, Path, description = "The account's id."), Filter),
    responses((status = 200, body = Entries)))]
pub async fn ledger(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    Params(filter): Params<Filter>,
) -> Result<Json<Entries>, ApiError> {
    let account = existing(&ctx, &id).await?;
    let cursor = filter.cursor.as_deref().map(cursors::read).transpose()?;
    let cursor = cursor.map(Cursor::from);
    let page = ctx
        .store
        .entry_list(&account, cursor.as_ref(), PAGE)
        .await?;
    Ok(Json(Entries {
        entries: page.rows.iter().map(shown).collect(),
        next_cursor: page.next.map(|next| cursors::write(next.at, &next.id)),
    }))
}

fn shown(entry: &Entry) -> EntryShown {
    EntryShown {
        transaction: Transaction::of(entry),
        held_change: decimal(entry.held),
        price_version: (!entry.priced_by.is_empty()).then(|| entry.priced_by.clone()),
    }
}

/// A correction of a balance.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Adjustment {
    /// Credits, at most a million. A negative amount takes credits away.
    #[schema(pattern = r"^-?[0-9]+(\.[0-9]{1,6})?$", example = "12.5")]
    pub amount: String,
    /// Why. The ledger entry shows it, also to the customer.
    #[schema(min_length = 1, max_length = 500, pattern = r"\S", example = "A gift.")]
    pub reason: String,
    /// The type of credits that are given: `trial`, `promotional` or `goodwill`. Absent for a
    /// correction.
    #[serde(rename = "type")]
    #[schema(pattern = "^(trial|promotional|goodwill)$", example = "promotional")]
    pub kind: Option<String>,
    /// With `type`: when what is left expires, in UTC. It expires the night after this day.
    #[schema(format = DateTime, example = "2030-01-31T00:00:00Z")]
    pub expires_at: Option<String>,
    /// With `type`: credits with a lower priority are spent first. Defaults to 10 for `trial`, 20
    /// for `promotional` and 30 for `goodwill`; bought credits and corrections have 50.
    #[schema(maximum = 99, example = 20)]
    pub priority: Option<u8>,
}

/// An adjustment that was made.
#[derive(Serialize, ToSchema)]
pub struct Adjusted {
    /// The id of its ledger entry.
    pub id: String,
    /// The balance now.
    pub balance: Balance,
}

/// Corrects a balance, or gives credits of a type that can expire.
///
/// The request is carried out once for each Idempotency-Key; a repeat answers 200.
#[utoipa::path(post, path = "/api/v1/admin/accounts/{id}/adjustments", tag = "ledger",
    params(("id" = String, Path, description = "The account's id."), IdempotencyKey),
    request_body = Adjustment,
    responses((status = 201, body = Adjusted), (status = 409), (status = 422),
        (status = 200, body = Adjusted, description = "It was made before.")))]
pub async fn adjust(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    once: IdempotencyKey,
    Body(wanted): Body<Adjustment>,
) -> Result<(StatusCode, Json<Adjusted>), ApiError> {
    let account = existing(&ctx, &id).await?;
    let (amount, side) = amount(&wanted.amount)?;
    let reason = reason::checked(&wanted.reason)?;
    let action = once.act(&account, "admin/adjustments").id();
    let Operator { name } = operator;
    let label = EntryDetails {
        note: reason.to_owned(),
        source: format!("operator {name}"),
        priced_by: String::new(),
    };
    let now = ctx.outside.now();
    let posting = match terms(&wanted, side)? {
        Some(terms) => Posting::typed_grant(&account, action, (amount, terms), label, now),
        None => Posting::adjustment(&account, action, (amount, side), label, now),
    };
    // A late repeat finds its entry, although its end has passed meanwhile.
    let terms = posting.entry().terms;
    let ends = terms.and_then(|terms| terms.expires_at);
    if ends.is_some_and(|end| end <= now) {
        let made = ctx.store.entry_find(&account, posting.cause()).await?;
        made.ok_or_else(bad_expiry)?;
    }
    let post = ctx
        .store
        .ledger_post(std::slice::from_ref(&posting))
        .await?;
    tracing::info!(operator.name = name, account.id = %account, entry.cause = posting.entry().cause, outcome = ?post, audit = true, "adjusted a balance");
    let status = match post {
        Post::Posted => StatusCode::CREATED,
        Post::AlreadyPosted => StatusCode::OK,
        Post::CauseReused => {
            let detail = "This `Idempotency-Key` has made another adjustment; send a new one for a new adjustment.";
            return Err(ApiError::conflict("idempotency_key_reused", detail));
        }
        Post::Insufficient(_) | Post::NoHold | Post::SpendLimitReached => {
            return Err(ApiError::unprocessable(
                "out_of_bounds",
                "No balance can be that large.",
            ));
        }
    };
    watch(&ctx, &account, side).await?;
    let adjusted = Adjusted {
        id: posting.entry().cause.clone(),
        balance: balance_of(&ctx, &account).await?,
    };
    Ok((status, Json(adjusted)))
}

/// Checks an adjustment without making it. Returns the change of the balance, in millionths of a
/// credit.
pub fn check(wanted: &Adjustment) -> Result<i64, ApiError> {
    let (amount, side) = amount(&wanted.amount)?;
    reason::checked(&wanted.reason)?;
    let change = i64::try_from(amount.micros()).unwrap_or(i64::MAX);
    Ok(match side {
        AdjustmentSide::Credit => change,
        AdjustmentSide::Debit => -change,
    })
}

/// Warns the account of a low balance after credits were taken, or arms that warning again after
/// credits came in. Also after a repeated request, because the first one may have died before this.
async fn watch(ctx: &Ctx, account: &AccountId, side: AdjustmentSide) -> Result<(), ApiError> {
    let (usual, now) = (ctx.catalogue.low_balance, ctx.outside.now());
    match side {
        AdjustmentSide::Credit => ctx.store.balance_restored(account, usual).await?,
        AdjustmentSide::Debit => {
            ctx.store.balance_warn(account, usual, now).await?;
        }
    }
    Ok(())
}

/// Returns the terms of credits with a type.
fn terms(wanted: &Adjustment, side: AdjustmentSide) -> Result<Option<GrantTerms>, ApiError> {
    let bad = |code: &'static str, detail: &str| Err(ApiError::bad_request(code, detail));
    let Some(kind) = &wanted.kind else {
        if wanted.expires_at.is_some() || wanted.priority.is_some() {
            let detail = "`expires_at` and `priority` need a `type`; provide `trial`, `promotional` or `goodwill`.";
            return bad("bad_type", detail);
        }
        return Ok(None);
    };
    let Some(kind) = GrantType::parse(kind) else {
        let detail =
            "`type` must be `trial`, `promotional` or `goodwill`, or absent for a correction.";
        return bad("bad_type", detail);
    };
    if side == AdjustmentSide::Debit {
        let detail =
            "Only credits that are given have a `type`; leave it out, or make `amount` positive.";
        return bad("bad_type", detail);
    }
    let priority = wanted.priority.unwrap_or_else(|| kind.usual_priority());
    if priority > PRIORITY_MAX {
        return bad("bad_priority", "`priority` must be 0 to 99.");
    }
    let end = |text: &String| Timestamp::parse(text).ok_or_else(bad_expiry);
    Ok(Some(GrantTerms {
        kind,
        priority,
        expires_at: wanted.expires_at.as_ref().map(end).transpose()?,
    }))
}

fn bad_expiry() -> ApiError {
    let detail = "`expires_at` must be a time in the future, such as `2030-01-31T00:00:00Z`.";
    ApiError::bad_request("bad_expiry", detail)
}

fn amount(text: &str) -> Result<(Credits, AdjustmentSide), ApiError> {
    let (digits, side) = text
        .strip_prefix('-')
        .map_or((text, AdjustmentSide::Credit), |digits| {
            (digits, AdjustmentSide::Debit)
        });
    let bad = |detail: &str| ApiError::bad_request("bad_amount", detail);
    let detail = "`amount` must be a number of credits with at most six places, such as `12.5`.";
    let amount = Credits::parse(digits).map_err(|_| bad(detail))?;
    if amount.is_zero() {
        return Err(bad("`amount` must not be zero."));
    }
    if Credits::whole(ADJUSTMENT_MAX).is_some_and(|most| amount > most) {
        let most = format!(
            "`amount` must be at most {ADJUSTMENT_MAX} credits; split a larger adjustment."
        );
        return Err(bad(&most));
    }
    Ok((amount, side))
}
