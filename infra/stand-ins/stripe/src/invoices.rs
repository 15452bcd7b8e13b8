//! `/v1/invoices` and `/v1/invoice_payments`: what subscriptions ask for. Which payment an invoice has is said by its
//! invoice payments; an invoice itself shows them only when asked to expand `payments`.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

use super::Stripe;
use super::billing::{Collected, subscription_of};
use super::desk::{Answer, Desk, answer, text};
use super::objects::{INVOICE, INVOICE_PAYMENT, PAGING, list, shown};
use super::params::Params;
use super::refusal::Refusal;

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
    pub fn invoice(&self, id: &str) -> Result<Value, Refusal> {
        self.read(INVOICE, id)
    }

    /// Every invoice, oldest first.
    pub fn invoices(&self) -> Vec<Value> {
        self.read_all(INVOICE)
    }

    /// Somebody pays an open invoice at its page, or Stripe tries again.
    pub fn pay_invoice(&self, invoice: &str) -> Result<Value, Refusal> {
        self.desk()
            .pay_invoice(invoice, None)
            .map(|invoice| shown(&invoice))
    }

    /// Somebody voids an invoice at the dashboard.
    pub fn void_invoice(&self, invoice: &str) -> Result<Value, Refusal> {
        self.desk()
            .void_invoice(invoice)
            .map(|invoice| shown(&invoice))
    }

    /// Somebody marks an invoice as bad debt at the dashboard.
    pub fn give_up_invoice(&self, invoice: &str) -> Result<Value, Refusal> {
        self.desk()
            .give_up_invoice(invoice)
            .map(|invoice| shown(&invoice))
    }
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>) -> Answer {
    answer(&stripe.desk().find(INVOICE, &id)?)
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
        stripe.desk().select(INVOICE, wanted),
    )?))
}

async fn lines(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&PAGING)?;
    let invoice = stripe.desk().find(INVOICE, &id)?;
    let lines = invoice["lines"]["data"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    Ok(Json(list(&format!("{URL}/{id}/lines"), &params, lines)?))
}

async fn pay(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["forgive", "off_session", "payment_method"])?;
    let mut desk = stripe.desk();
    let invoice = desk.find(INVOICE, &id)?;
    let method = params
        .get("payment_method")
        .map(|method| desk.own_method(text(&invoice, "customer"), method));
    answer(&desk.pay_invoice(&id, method.transpose()?.as_deref())?)
}

async fn finalize(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["auto_advance"])?;
    let mut desk = stripe.desk();
    if desk.find(INVOICE, &id)?["status"] != "draft" {
        let message =
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.";
        return Err(Refusal::invalid(message).coded("invoice_not_editable"));
    }
    desk.finalize_invoice(&id)?;
    answer(&desk.find(INVOICE, &id)?)
}

async fn void(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[])?;
    answer(&stripe.desk().void_invoice(&id)?)
}

async fn give_up(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[])?;
    answer(&stripe.desk().give_up_invoice(&id)?)
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
        stripe.desk().select(INVOICE_PAYMENT, wanted),
    )?))
}

async fn payment(From(stripe): From<Stripe>, Path(id): Path<String>) -> Answer {
    answer(&stripe.desk().find(INVOICE_PAYMENT, &id)?)
}

impl Desk<'_> {
    pub fn pay_invoice(&mut self, id: &str, method: Option<&str>) -> Result<Value, Refusal> {
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
                    Refusal::invalid("Invoice is already paid").coded("invoice_already_paid")
                );
            }
            status => {
                let message = format!("This invoice cannot be paid because it is {status}.");
                return Err(Refusal::invalid(message).coded("invoice_not_editable"));
            }
        }
        if method.is_none() && self.method_of_invoice(&invoice).is_none() {
            return Err(Refusal::no_method());
        }
        match self.collect_invoice(id, method)? {
            Collected::Declined(code) => Err(Refusal::card_declined(code)),
            Collected::Paid | Collected::NoMethod => self.find(INVOICE, id),
        }
    }
}
