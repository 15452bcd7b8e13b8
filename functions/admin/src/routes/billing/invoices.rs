//! `GET /api/v1/admin/accounts/{id}/invoices`: an account's invoices.

use crate::operator::Authorized;
use crate::routes::accounts::account::existing;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::subscriptions::Invoice;
use rest::Path;
use rest::views::InvoiceShown;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The account's invoices.
#[derive(Serialize, ToSchema)]
pub struct Invoices {
    pub invoices: Vec<DatedInvoice>,
}

/// An invoice, with its subscription and the time of its state.
#[derive(Serialize, ToSchema)]
pub struct DatedInvoice {
    #[serde(flatten)]
    pub invoice: InvoiceShown,
    /// The id of its subscription at Stripe.
    pub subscription: Option<String>,
    /// When the event that this state comes from was created.
    pub as_of: String,
}

/// Lists an account's invoices, newest first.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}/invoices", tag = "billing",
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 200, body = Invoices)))]
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Invoices>, ApiError> {
    let account = existing(&ctx, &id).await?;
    let invoices = ctx.store.invoice_list(&account).await?;
    Ok(Json(Invoices {
        invoices: invoices.iter().map(shown).collect(),
    }))
}

pub fn shown(invoice: &Invoice) -> DatedInvoice {
    DatedInvoice {
        invoice: InvoiceShown::of(invoice),
        subscription: invoice.subscription.as_ref().map(ToString::to_string),
        as_of: invoice.as_of.to_string(),
    }
}
