//! `/v1/payment_methods`: the payment methods of customers. A card that was detached from a
//! customer can never be attached again.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, Answer, answer, text};
use super::cards::card;
use super::error::ApiError;
use super::metadata;
use super::objects::{CUSTOMER, METHOD, PAGING, PRIVATE, SUBSCRIPTION, list, shown};
use super::params::{NoParams, Params};

const URL: &str = "/v1/payment_methods";

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, get(index))
        .route("/v1/payment_methods/{id}", get(show).post(update))
        .route("/v1/payment_methods/{id}/attach", post(attach))
        .route("/v1/payment_methods/{id}/detach", post(detach))
        .route("/v1/customers/{id}/payment_methods", get(of_customer))
}

impl Stripe {
    /// Adds a test card, such as `pm_card_visa`, to a customer and makes it the default for
    /// invoices. Returns the payment method's id.
    pub fn add_card(&self, customer: &str, test_card: &str) -> Result<String, ApiError> {
        let mut account = self.account();
        let method = account.attach(test_card, customer)?;
        let id = text(&method, "id").to_owned();
        account.set_default_method(customer, &json!(id))?;
        Ok(id)
    }

    /// Adds a test card to a customer, as Checkout in `setup` mode does: it becomes no default.
    pub fn leave_card(&self, customer: &str, test_card: &str) -> Result<String, ApiError> {
        let method = self.account().attach(test_card, customer)?;
        Ok(text(&method, "id").to_owned())
    }

    /// Detaches a card from its customer.
    pub fn remove_card(&self, payment_method: &str) -> Result<Value, ApiError> {
        self.account()
            .detach(payment_method)
            .map(|method| shown(&method))
    }
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(METHOD, &id)?)
}

async fn update(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["metadata"])?;
    let mut account = stripe.account();
    let metadata = metadata::merged(&account.find(METHOD, &id)?, &params)?;
    answer(&account.update(
        METHOD,
        &id,
        "payment_method.updated",
        json!({"metadata": metadata}),
    )?)
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[&PAGING[..], &["customer", "type"]].concat())?;
    listed(&stripe, params.required("customer")?, URL, &params)
}

async fn of_customer(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[&PAGING[..], &["type"]].concat())?;
    listed(
        &stripe,
        &id,
        &format!("/v1/customers/{id}/payment_methods"),
        &params,
    )
}

fn listed(stripe: &Stripe, customer: &str, url: &str, params: &Params) -> Answer {
    let account = stripe.account();
    account.customer(customer)?;
    let wanted = |method: &Value| {
        method["customer"] == customer
            && params.get("type").is_none_or(|kind| method["type"] == kind)
    };
    Ok(Json(list(url, params, account.select(METHOD, wanted))?))
}

async fn attach(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["customer"])?;
    answer(&stripe.account().attach(&id, params.required("customer")?)?)
}

async fn detach(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&[])?;
    answer(&stripe.account().detach(&id)?)
}

impl Account<'_> {
    /// Attaches a payment method, or a new one created from a test card.
    pub fn attach(&mut self, id: &str, customer: &str) -> Result<Value, ApiError> {
        self.customer(customer)
            .map_err(|_| ApiError::no_such_reference(CUSTOMER.noun, customer, "customer"))?;
        if let Ok(method) = self.find(METHOD, id)
            && method["customer"] == customer
        {
            return Ok(method);
        }
        self.check_attachable(id)?;
        let id = card(id).map_or_else(|| id.to_owned(), |card| self.new_card(card));
        self.attach_to(&id, &json!(customer))?;
        self.find(METHOD, &id)
    }

    /// Whether a test card or a payment method can be attached to a customer.
    pub fn check_attachable(&self, id: &str) -> Result<(), ApiError> {
        if let Some(card) = card(id) {
            let refused = card.decline_code.filter(|_| !card.attaches);
            return refused.map_or(Ok(()), |code| Err(ApiError::card_declined(code)));
        }
        let method = self.find(METHOD, id)?;
        if method["customer"].is_string() {
            let message =
                "The payment method you provided has already been attached to a customer.";
            return Err(ApiError::invalid(message).coded("payment_method_unexpected_state"));
        }
        if method[PRIVATE]["used"] == true {
            let message = "This PaymentMethod was previously used without being attached to a Customer or was detached \
                           from a Customer, and may not be used again.";
            return Err(ApiError::invalid(message));
        }
        Ok(())
    }

    pub fn detach(&mut self, id: &str) -> Result<Value, ApiError> {
        let customer = self.find(METHOD, id)?["customer"].clone();
        let Some(customer) = customer.as_str() else {
            let message = "The payment method you provided is not attached to a customer so detachment is impossible.";
            return Err(ApiError::invalid(message));
        };
        self.set(METHOD, id, json!({PRIVATE: {"used": true}}))?;
        let method = self.update(
            METHOD,
            id,
            "payment_method.detached",
            json!({"customer": null}),
        )?;
        if self.find(CUSTOMER, customer)?["invoice_settings"]["default_payment_method"] == id {
            self.set_default_method(customer, &Value::Null)?;
        }
        for subscription in self.select(SUBSCRIPTION, |subscription| {
            subscription["default_payment_method"] == id
        }) {
            let fields = json!({"default_payment_method": null});
            self.update(
                SUBSCRIPTION,
                text(&subscription, "id"),
                "customer.subscription.updated",
                fields,
            )?;
        }
        Ok(method)
    }

    /// A customer who is not deleted.
    pub fn customer(&self, id: &str) -> Result<Value, ApiError> {
        self.find(CUSTOMER, id)
            .ok()
            .filter(|customer| customer["deleted"] != true)
            .ok_or_else(|| ApiError::no_such(CUSTOMER.noun, id))
    }

    /// Sets the payment method that pays the customer's invoices from now on.
    pub fn set_default_method(&mut self, customer: &str, method: &Value) -> Result<(), ApiError> {
        let mut settings = self.customer(customer)?["invoice_settings"].clone();
        settings["default_payment_method"] = method.clone();
        self.update(
            CUSTOMER,
            customer,
            "customer.updated",
            json!({"invoice_settings": settings}),
        )?;
        Ok(())
    }

    /// A payment method, named by a parameter, that belongs to the customer.
    pub fn own_method(&self, customer: &str, method: &str) -> Result<String, ApiError> {
        match self.find(METHOD, method) {
            Ok(found) if found["customer"] == customer => Ok(method.to_owned()),
            _ => {
                let message = format!(
                    "The customer does not have a payment method with the ID {method}. The payment method must be \
                     attached to the customer."
                );
                Err(ApiError::parameter(
                    "default_payment_method",
                    "resource_missing",
                    message,
                ))
            }
        }
    }
}
