//! `GET /api/v1/billing/balance` and `…/billing/transactions`: the balance of an account and its
//! transactions.

use crate::caller::MayRead;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::ids::AccountId;
use domain::ledger::{Balance, EntryKind};
use http::header;
use rest::views::Transaction;
use rest::{Params, cursors, tables};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Cursor;
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 50;
const PAGE_MAX: usize = 200;
const RECENT: usize = 10;

/// A balance in credits.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BalanceShown {
    /// The credits available to spend.
    balance: String,
    /// The credits reserved for work in progress.
    held: String,
    /// The credits owed, because credits were taken back after they had been spent.
    debt: String,
    /// The most recent transactions, newest first.
    recent_transactions: Vec<Transaction>,
}

/// Retrieves your balance.
#[utoipa::path(get, path = "/api/v1/billing/balance", tag = "billing",
    responses((status = 200, body = BalanceShown)))]
pub async fn balance(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<BalanceShown>, ApiError> {
    let balance = current(&ctx, &caller.account).await?;
    let recent = ctx.store.entry_list(&caller.account, None, RECENT).await?;
    Ok(Json(BalanceShown {
        balance: balance.available.to_string(),
        held: balance.held.to_string(),
        debt: balance.debt.to_string(),
        recent_transactions: recent.rows.iter().map(Transaction::of).collect(),
    }))
}

/// Reads the balance of an account, after its expired holds are released.
pub async fn current(ctx: &Ctx, account: &AccountId) -> Result<Balance, ApiError> {
    let balance = ctx.store.balance_find(account).await?;
    if balance.held.is_zero() {
        return Ok(balance);
    }
    let now = ctx.outside.now();
    if ctx.store.holds_release_expired(account, now).await? == 0 {
        return Ok(balance);
    }
    Ok(ctx.store.balance_find(account).await?)
}

/// The query of a listing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
    /// The page size. Defaults to 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// Return only this kind of transaction: `grant`, `hold`, `capture`, `release`, `take_back`,
    /// `give_back`, `adjustment` or `expiry`.
    #[param(pattern = "^(grant|hold|capture|release|take_back|give_back|adjustment|expiry)$")]
    kind: Option<String>,
    /// The format: `json`, or `csv` for a table.
    #[param(pattern = "^(json|csv)$", example = "json")]
    format: Option<String>,
}

/// A page of transactions, newest first.
#[derive(Serialize, ToSchema)]
pub struct Transactions {
    transactions: Vec<Transaction>,
    /// The cursor of the next page; absent on the last page.
    next_cursor: Option<String>,
}

/// Lists every transaction of your credits, newest first.
#[utoipa::path(get, path = "/api/v1/billing/transactions", tag = "billing", params(Filter),
    responses((status = 200, content((Transactions = "application/json"), (String = "text/csv")))))]
pub async fn transactions(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Response, ApiError> {
    let limit = filter.limit.unwrap_or(PAGE);
    if limit == 0 || limit > PAGE_MAX {
        return Err(ApiError::bad_request(
            "bad_limit",
            format!("`limit` must be 1 to {PAGE_MAX}."),
        ));
    }
    let kind = filter.kind.as_deref().map(kind).transpose()?;
    let cursor = filter.cursor.as_deref().map(cursors::read).transpose()?;
    let cursor = cursor.map(Cursor::from);
    let page = ctx
        .store
        .entry_list(&caller.account, cursor.as_ref(), limit)
        .await?;
    let next_cursor = page.next.map(|next| cursors::write(next.at, &next.id));
    let entries: Vec<_> = page
        .rows
        .iter()
        .filter(|entry| kind.is_none_or(|kind| entry.kind == kind))
        .collect();
    match filter.format.as_deref() {
        None | Some("json") => {
            let transactions = entries.into_iter().map(Transaction::of).collect();
            Ok(Json(Transactions {
                transactions,
                next_cursor,
            })
            .into_response())
        }
        Some("csv") => {
            let mut headers = vec![(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned())];
            headers.extend(
                next_cursor.map(|next| (header::LINK, format!("<?cursor={next}>; rel=\"next\""))),
            );
            let headers: http::HeaderMap = headers
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
                .collect();
            let rows = entries.into_iter().map(|entry| (entry, None));
            Ok((headers, tables::transactions(rows)).into_response())
        }
        Some(_) => Err(ApiError::bad_request(
            "bad_format",
            "`format` must be `json` or `csv`.",
        )),
    }
}

fn kind(word: &str) -> Result<EntryKind, ApiError> {
    EntryKind::parse(word).ok_or_else(|| {
        let known = EntryKind::ALL.map(EntryKind::as_str).join(", ");
        ApiError::bad_request("bad_kind", format!("`kind` must be one of {known}."))
    })
}
