//! `/v1/customers/{id}/balance_transactions`: credits and debits on a customer's balance. A credit
//! is negative; the next invoice that is finalized uses it.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, Answer, answer, number, text};
use super::error::ApiError;
use super::metadata;
use super::objects::{BALANCE_TRANSACTION, CUSTOMER, PAGING, list};
use super::params::{NoParams, Params};

pub(super) fn routes() -> Router<Stripe> {
    let one = "/v1/customers/{customer}/balance_transactions/{id}";
    Router::new()
        .route(
            "/v1/customers/{customer}/balance_transactions",
            post(create).get(index),
        )
        .route(one, get(show))
}

impl Stripe {
    /// All movements on customers' balances, oldest first.
    pub fn balance_transactions(&self) -> Vec<Value> {
        self.read_all(BALANCE_TRANSACTION)
    }
}

async fn create(
    From(stripe): From<Stripe>,
    Path(customer): Path<String>,
    params: Params,
) -> Answer {
    params.only(&["amount", "currency", "description", "metadata"])?;
    params.required("amount")?;
    let amount = params.integer("amount")?.unwrap_or_default();
    let currency = params.required("currency")?.to_owned();
    let metadata = metadata::new(&params)?;
    let mut account = stripe.account();
    account.customer(&customer)?;
    answer(&account.move_balance(Movement {
        customer: &customer,
        amount,
        currency: json!(currency),
        description: json!(params.get("description")),
        invoice: Value::Null,
        metadata,
        kind: "adjustment",
    })?)
}

async fn index(From(stripe): From<Stripe>, Path(customer): Path<String>, params: Params) -> Answer {
    params.only(&[&PAGING[..], &["created", "invoice"]].concat())?;
    let account = stripe.account();
    account.customer(&customer)?;
    let wanted = |one: &Value| {
        let invoice = params.get("invoice");
        one["customer"] == customer && invoice.is_none_or(|invoice| one["invoice"] == invoice)
    };
    Ok(Json(list(
        &format!("/v1/customers/{customer}/balance_transactions"),
        &params,
        account.select(BALANCE_TRANSACTION, wanted),
    )?))
}

async fn show(
    From(stripe): From<Stripe>,
    Path((customer, id)): Path<(String, String)>,
    _: NoParams,
) -> Answer {
    let found = stripe.account().find(BALANCE_TRANSACTION, &id)?;
    if found["customer"] != customer {
        return Err(ApiError::no_such(BALANCE_TRANSACTION.noun, &id));
    }
    answer(&found)
}

/// A change of a customer's balance.
pub(super) struct Movement<'a> {
    pub customer: &'a str,
    pub amount: i64,
    pub currency: Value,
    pub description: Value,
    pub invoice: Value,
    pub metadata: Value,
    pub kind: &'a str,
}

impl Account<'_> {
    /// Moves a customer's balance and records why.
    pub fn move_balance(&mut self, movement: Movement<'_>) -> Result<Value, ApiError> {
        let customer = self.find(CUSTOMER, movement.customer)?;
        let balance = number(&customer, "balance") + movement.amount;
        let id = self.fresh_id(BALANCE_TRANSACTION);
        let transaction = json!({
            "id": id,
            "object": BALANCE_TRANSACTION.object,
            "amount": movement.amount,
            "checkout_session": null,
            "created": self.now,
            "credit_note": null,
            "currency": movement.currency,
            "customer": movement.customer,
            "customer_account": null,
            "description": movement.description,
            "ending_balance": balance,
            "invoice": movement.invoice,
            "livemode": false,
            "metadata": movement.metadata,
            "type": movement.kind,
        });
        self.objects
            .insert(BALANCE_TRANSACTION, transaction.clone());
        let change = json!({ "balance": balance });
        self.update(CUSTOMER, text(&customer, "id"), "customer.updated", change)?;
        Ok(transaction)
    }
}
