//! `GET /api/v1/admin/invoices`: the invoices of all accounts.

use super::invoices::DatedInvoice;
use crate::days::Days;
use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use rest::{Params, cursors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Cursor, Slice};
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 50;

/// The query of a listing.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The first day on which the invoices were created, in UTC.
    #[param(pattern = "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")]
    pub from: Option<String>,
    /// The last day on which the invoices were created, in UTC.
    #[param(pattern = "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")]
    pub to: Option<String>,
    /// The `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// A page of the invoices of all accounts, newest first.
#[derive(Serialize, ToSchema)]
pub struct AllInvoices {
    pub invoices: Vec<AccountInvoice>,
    /// The cursor of the next page; absent on the last page.
    pub next_cursor: Option<String>,
}

/// An invoice, with its account.
#[derive(Serialize, ToSchema)]
pub struct AccountInvoice {
    pub account: String,
    #[serde(flatten)]
    pub invoice: DatedInvoice,
}

/// Lists the invoices of all accounts, newest first.
#[utoipa::path(get, path = "/api/v1/admin/invoices", tag = "billing", params(Filter),
    responses((status = 200, body = AllInvoices)))]
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Json<AllInvoices>, ApiError> {
    let Days { since, before } = Days::parse(filter.from.as_deref(), filter.to.as_deref())?;
    let cursor = cursors::find(filter.cursor.as_deref())?.map(Cursor::from);
    let slice = Slice {
        since,
        before,
        from: cursor.as_ref(),
        limit: PAGE,
    };
    let page = ctx.store.invoice_list_all(slice).await?;
    let shown = page.rows.iter().map(|(account, invoice)| AccountInvoice {
        account: account.to_string(),
        invoice: super::invoices::shown(invoice),
    });
    Ok(Json(AllInvoices {
        invoices: shown.collect(),
        next_cursor: page.next.map(|next| cursors::write(next.at, &next.id)),
    }))
}
