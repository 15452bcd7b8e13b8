//! `/api/v1/admin/accounts/{id}/balance`, `…/ledger` and `…/adjustments`: shows an account's
//! credits and the entries behind them, and corrects the balance.

use crate::operator::Authorized;
use crate::routes::accounts::account::existing;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use domain::accounts::operators::Operator;
use domain::ids::AccountId;
use domain::ledger::{AdjustmentSide, Entry, EntryDetails, EntryKind, Posting};
use domain::units::{Credits, decimal};
use http::StatusCode;
use rest::IdempotencyKey;
use rest::cursors;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Cursor, Post};

const PAGE: usize = 50;
const REASON_CHARS_MAX: usize = 500;
/// The most credits that one adjustment may move, so that a typing error cannot give away more.
const ADJUSTMENT_MAX: u64 = 1_000_000;

/// Shows an account's balance.
pub async fn balance(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let account = existing(&ctx, &id).await?;
    Ok(Json(shown_balance(&ctx, &account).await?))
}

async fn shown_balance(ctx: &Ctx, account: &AccountId) -> Result<Value, ApiError> {
    let balance = ctx.store.balance_find(account).await?;
    Ok(json!({
        "available": balance.available.to_string(),
        "held": balance.held.to_string(),
        "debt": balance.debt.to_string(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    cursor: Option<String>,
}

/// Lists an account's ledger entries, newest first.
pub async fn ledger(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    Query(from): Query<From>,
) -> Result<Json<Value>, ApiError> {
    let account = existing(&ctx, &id).await?;
    let cursor = from.cursor.as_deref().map(cursors::read).transpose()?;
    let cursor = cursor.map(Cursor::from);
    let page = ctx
        .store
        .entry_list(&account, cursor.as_ref(), PAGE)
        .await?;
    Ok(Json(json!({
        "entries": page.rows.iter().map(shown).collect::<Vec<_>>(),
        "next_cursor": page.next.map(|next| cursors::write(next.at, &next.id)),
    })))
}

fn shown(entry: &Entry) -> Value {
    let side = match entry.kind {
        EntryKind::Hold => "hold",
        EntryKind::Release => "release",
        _ if entry.free.saturating_add(entry.held) < 0 => "debit",
        _ => "credit",
    };
    json!({
        "id": entry.cause,
        "type": side,
        "kind": entry.kind.as_str(),
        "amount": entry.amount.to_string(),
        "available_change": decimal(entry.free),
        "held_change": decimal(entry.held),
        "description": entry.note,
        "source": entry.source,
        "price_version": (!entry.priced_by.is_empty()).then_some(&entry.priced_by),
        "at": entry.at.to_string(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Credits, such as `12.5`. A negative amount takes credits away.
    amount: String,
    /// Recorded on the ledger entry.
    reason: String,
}

/// Corrects a balance, once for each idempotency key.
pub async fn adjust(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    once: IdempotencyKey,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Json(wanted) =
        body.map_err(|error| ApiError::bad_request("bad_body", error.body_text()))?;
    let account = existing(&ctx, &id).await?;
    let (amount, side) = amount(&wanted.amount)?;
    let reason = reason(&wanted.reason)?;
    let action = once.act(&account, "admin/adjustments").id();
    let Operator { name } = operator;
    let label = EntryDetails {
        note: reason.to_owned(),
        source: format!("operator {name}"),
        priced_by: String::new(),
    };
    let posting = Posting::adjustment(&account, action, (amount, side), label, ctx.outside.now());
    let post = ctx
        .store
        .ledger_post(std::slice::from_ref(&posting))
        .await?;
    tracing::info!(operator.name = name, account.id = %account, entry.cause = posting.entry().cause, outcome = ?post, audit = true, "adjusted a balance");
    let status = match post {
        Post::Posted => StatusCode::CREATED,
        Post::AlreadyPosted => StatusCode::OK,
        Post::CauseReused => {
            let detail = "this Idempotency-Key has made another adjustment; take a new one for a new adjustment";
            return Err(ApiError::conflict("idempotency_key_reused", detail));
        }
        Post::Insufficient(_) | Post::NoHold | Post::SpendLimitReached => {
            return Err(ApiError::unprocessable(
                "out_of_bounds",
                "no balance can be that large",
            ));
        }
    };
    let balance = shown_balance(&ctx, &account).await?;
    Ok((
        status,
        Json(json!({ "id": posting.entry().cause, "balance": balance })),
    ))
}

/// Checks the reason that an operator gave, and trims it.
pub fn reason(text: &str) -> Result<&str, ApiError> {
    let reason = text.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        let detail = format!("reason says why, in 1 to {REASON_CHARS_MAX} characters");
        return Err(ApiError::bad_request("bad_reason", detail));
    }
    Ok(reason)
}

fn amount(text: &str) -> Result<(Credits, AdjustmentSide), ApiError> {
    let (digits, side) = text
        .strip_prefix('-')
        .map_or((text, AdjustmentSide::Credit), |digits| {
            (digits, AdjustmentSide::Debit)
        });
    let amount = Credits::parse(digits)
        .map_err(|error| ApiError::bad_request("bad_amount", error.to_string()))?;
    if amount.is_zero() {
        return Err(ApiError::bad_request(
            "bad_amount",
            "an adjustment of nothing changes nothing",
        ));
    }
    if Credits::whole(ADJUSTMENT_MAX).is_some_and(|most| amount > most) {
        let detail = format!(
            "one adjustment moves at most {ADJUSTMENT_MAX} credits; split it if it has to be more"
        );
        return Err(ApiError::bad_request("bad_amount", detail));
    }
    Ok((amount, side))
}
