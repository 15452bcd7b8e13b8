//! `/v1/invoices` and `/v1/invoice_payments`: the invoices of subscriptions. Invoice payments link
//! an invoice to its payment; the invoice itself shows them only if the caller expands `payments`.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

use super::Stripe;
use super::account::{Account, Answer, answer, text};
use super::error::ApiError;
use super::invoicing::{Collected, subscription_of};
use super::objects::{INVOICE, INVOICE_PAYMENT, PAGING, list, shown};
use super::params::{NoParams, Params};

const URL: &str = "/v1/invoices";
const PAYMENTS: &str = "/v1/invoice_payments";

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, get(index))
        .route("/v1/invoices/{id}", get(show))
        .route("/v1/invoices/{id}/lines", get(lines))
        .route("/v1/invoices/{id}/pay", post(pay))
        .route("/v1/invoices/{id}/finalize", post(finalize))
        .route("/v1/invoices/{id}/void", post(void))
        .route("/v1/invoices/{id}/mark_uncollectible", post(give_up))
        .route(PAYMENTS, get(payments))
        .route("/v1/invoice_payments/{id}", get(payment))
}

impl Stripe {
    /// An invoice as Stripe would answer it.
    pub fn invoice(&self, id: &str) -> Result<Value, ApiError> {
        self.read(INVOICE, id)
    }

    /// Every invoice, oldest first.
    pub fn invoices(&self) -> Vec<Value> {
        self.read_all(INVOICE)
    }

    /// Pays an open invoice, as the customer does on its page or Stripe does in a retry.
    pub fn pay_invoice(&self, invoice: &str) -> Result<Value, ApiError> {
        self.account()
            .pay_invoice(invoice, None)
            .map(|invoice| shown(&invoice))
    }

    /// Voids an invoice at the dashboard.
    pub fn void_invoice(&self, invoice: &str) -> Result<Value, ApiError> {
        self.account()
            .void_invoice(invoice)
            .map(|invoice| shown(&invoice))
    }

    /// Marks an invoice as bad debt at the dashboard.
    pub fn mark_uncollectible(&self, invoice: &str) -> Result<Value, ApiError> {
        self.account()
            .mark_uncollectible(invoice)
            .map(|invoice| shown(&invoice))
    }
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(INVOICE, &id)?)
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(
        &[
            &PAGING[..],
            &["created", "customer", "status", "subscription"],
        ]
        .concat(),
    )?;
    let wanted = |invoice: &Value| {
        ["customer", "status"].into_iter().all(|field| {
            params
                .get(field)
                .is_none_or(|value| invoice[field] == value)
        }) && params
            .get("subscription")
            .is_none_or(|id| subscription_of(invoice) == id)
    };
    Ok(Json(list(
        URL,
        &params,
        stripe.account().select(INVOICE, wanted),
    )?))
}

async fn lines(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&PAGING)?;
    let invoice = stripe.account().find(INVOICE, &id)?;
    let lines = invoice["lines"]["data"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    Ok(Json(list(&format!("{URL}/{id}/lines"), &params, lines)?))
}

async fn pay(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["forgive", "off_session", "payment_method"])?;
    let mut account = stripe.account();
    let invoice = account.find(INVOICE, &id)?;
    let method = params
        .get("payment_method")
        .map(|method| account.own_method(text(&invoice, "customer"), method));
    answer(&account.pay_invoice(&id, method.transpose()?.as_deref())?)
}

async fn finalize(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["auto_advance"])?;
    let mut account = stripe.account();
    if account.find(INVOICE, &id)?["status"] != "draft" {
        let message =
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.";
        return Err(ApiError::invalid(message).coded("invoice_not_editable"));
    }
    account.finalize_invoice(&id)?;
    answer(&account.find(INVOICE, &id)?)
}

async fn void(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[])?;
    answer(&stripe.account().void_invoice(&id)?)
}

async fn give_up(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[])?;
    answer(&stripe.account().mark_uncollectible(&id)?)
}

async fn payments(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[&PAGING[..], &["created", "invoice", "payment", "status"]].concat())?;
    let intent = params.get("payment[payment_intent]");
    let wanted = |payment: &Value| {
        ["invoice", "status"].into_iter().all(|field| {
            params
                .get(field)
                .is_none_or(|value| payment[field] == value)
        }) && intent.is_none_or(|intent| payment["payment"]["payment_intent"] == intent)
    };
    Ok(Json(list(
        PAYMENTS,
        &params,
        stripe.account().select(INVOICE_PAYMENT, wanted),
    )?))
}

async fn payment(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(INVOICE_PAYMENT, &id)?)
}

impl Account<'_> {
    pub fn pay_invoice(&mut self, id: &str, method: Option<&str>) -> Result<Value, ApiError> {
        let invoice = self.find(INVOICE, id)?;
        match text(&invoice, "status") {
            "open" | "uncollectible" => {}
            "draft" => {
                self.finalize_invoice(id)?;
                return if self.find(INVOICE, id)?["status"] == "paid" {
                    self.find(INVOICE, id)
                } else {
                    self.pay_invoice(id, method)
                };
            }
            "paid" => {
                return Err(
                    ApiError::invalid("Invoice is already paid").coded("invoice_already_paid")
                );
            }
            status => {
                let message = format!("This invoice cannot be paid because it is {status}.");
                return Err(ApiError::invalid(message).coded("invoice_not_editable"));
            }
        }
        if method.is_none() && self.method_of_invoice(&invoice).is_none() {
            return Err(ApiError::no_method());
        }
        match self.collect_invoice(id, method)? {
            Collected::Declined(code) => Err(ApiError::card_declined(code)),
            Collected::Paid | Collected::NoMethod | Collected::Pending => self.find(INVOICE, id),
        }
    }
}
