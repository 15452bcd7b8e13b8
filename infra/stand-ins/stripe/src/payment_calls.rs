//! The calls that create, confirm and cancel a payment intent, and the bank's page on which a
//! cardholder confirms one.
//!
//! As Stripe describes them (docs.stripe.com/api/payment_intents, docs.stripe.com/payments/3d-secure/authentication-flow):
//! a confirmation charges the method at once; a declined one is a 402, and the intent asks for a
//! method again. A bank that wants its customer declines with `authentication_required` while they
//! are away (`off_session`), and otherwise makes the intent `requires_action`, with the address of
//! its page if the call named a `return_url`. An intent that is paid or cancelled cannot be
//! confirmed or cancelled.

use axum::Router;
use axum::extract::{Path, State as From};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, Answer, answer, number, text};
use super::cards::{self, AUTHENTICATION_REQUIRED};
use super::error::ApiError;
use super::metadata;
use super::objects::{CUSTOMER, INTENT, METHOD};
use super::params::Params;
use super::payments::{NewPayment, Outcome};
use stand_in_shared::html::{all, button, page, tag, text as words};

const CANCELLATION_REASONS: [&str; 4] = [
    "abandoned",
    "duplicate",
    "fraudulent",
    "requested_by_customer",
];
/// The least amount of a payment in US dollars, in cents.
const AMOUNT_MIN: i64 = 50;

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route("/v1/payment_intents", post(create))
        .route("/v1/payment_intents/{id}/confirm", post(confirm))
        .route("/v1/payment_intents/{id}/cancel", post(cancel))
}

/// The bank's page, outside of the API.
pub(super) fn pages() -> Router<Stripe> {
    Router::new()
        .route("/authenticate/{id}", get(ask))
        .route("/authenticate/{id}/{verb}", post(decide))
}

/// What a cardholder does on their bank's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    Confirmed,
    Failed,
}

impl Stripe {
    /// Every payment intent, oldest first.
    pub fn payment_intents(&self) -> Vec<Value> {
        self.read_all(INTENT)
    }

    /// Has the cardholder confirm a payment on their bank's page, or fail to.
    pub fn authenticate_payment(
        &self,
        intent: &str,
        authentication: Authentication,
    ) -> Result<(), ApiError> {
        self.account().authenticate(intent, authentication)
    }
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[
        "allowed_payment_method_types",
        "amount",
        "currency",
        "customer",
        "description",
        "metadata",
    ])?;
    let amount = params
        .integer("amount")?
        .ok_or_else(|| ApiError::missing_parameter("amount"))?;
    let currency = params.required("currency")?.to_lowercase();
    if amount < AMOUNT_MIN {
        return Err(ApiError::parameter(
            "amount",
            "amount_too_small",
            "Amount must be at least $0.50 usd",
        ));
    }
    if params
        .list("allowed_payment_method_types")
        .iter()
        .any(|kind| *kind != "card")
    {
        return Err(ApiError::invalid("Only card payments are known here.")
            .about("allowed_payment_method_types"));
    }
    let mut account = stripe.account();
    if let Some(customer) = params.get("customer") {
        account
            .customer(customer)
            .map_err(|_| ApiError::no_such_reference(CUSTOMER.noun, customer, "customer"))?;
    }
    let id = account.create_intent(NewPayment {
        amount,
        currency: json!(currency),
        customer: json!(params.get("customer")),
        description: json!(params.get("description")),
        metadata: metadata::new(&params)?,
    });
    answer(&account.find(INTENT, &id)?)
}

async fn confirm(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["off_session", "payment_method", "return_url"])?;
    let is_away = params.boolean("off_session")?.unwrap_or(false);
    let mut account = stripe.account();
    let intent = account.find(INTENT, &id)?;
    check_status(&intent, "confirm")?;
    let method = params.required("payment_method")?;
    let found = account
        .find(METHOD, method)
        .map_err(|_| ApiError::no_such_reference(METHOD.noun, method, "payment_method"))?;
    if found["customer"] != intent["customer"] {
        return Err(ApiError::invalid(
            "The provided PaymentMethod does not belong to the Customer of this PaymentIntent.",
        )
        .about("payment_method"));
    }
    if !is_away && cards::decline_code(&found) == Some(AUTHENTICATION_REQUIRED) {
        account.require_action(&intent, method, params.get("return_url"))?;
    } else if let Outcome::Declined(code) = account.charge(&id, method)? {
        return Err(if code == AUTHENTICATION_REQUIRED {
            ApiError::authentication_required()
        } else {
            ApiError::card_declined(code)
        });
    }
    answer(&account.find(INTENT, &id)?)
}

async fn cancel(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["cancellation_reason"])?;
    let reason = params.word("cancellation_reason", &CANCELLATION_REASONS)?;
    let mut account = stripe.account();
    check_status(&account.find(INTENT, &id)?, "cancel")?;
    let fields = json!({
        "canceled_at": account.now,
        "cancellation_reason": reason,
        "next_action": null,
        "status": "canceled",
    });
    answer(&account.update(INTENT, &id, "payment_intent.canceled", fields)?)
}

/// Whether an intent still waits for a payment.
fn check_status(intent: &Value, verb: &str) -> Result<(), ApiError> {
    let status = text(intent, "status");
    let open = [
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
    ];
    if open.contains(&status) {
        Ok(())
    } else {
        Err(ApiError::unexpected_state(verb, status))
    }
}

impl Account<'_> {
    /// The payment waits for the cardholder to confirm it.
    fn require_action(
        &mut self,
        intent: &Value,
        method: &str,
        return_url: Option<&str>,
    ) -> Result<(), ApiError> {
        let id = text(intent, "id").to_owned();
        let next = match return_url {
            Some(url) => json!({
                "type": "redirect_to_url",
                "redirect_to_url": {"return_url": url, "url": format!("{}/authenticate/{id}", self.site)},
            }),
            None => json!({"type": "use_stripe_sdk", "use_stripe_sdk": {}}),
        };
        let fields = json!({
            "next_action": next,
            "payment_method": method,
            "status": "requires_action",
        });
        let intent = self.set(INTENT, &id, fields)?;
        self.emit("payment_intent.requires_action", &intent);
        Ok(())
    }

    fn authenticate(&mut self, id: &str, authentication: Authentication) -> Result<(), ApiError> {
        let intent = self.find(INTENT, id)?;
        if intent["status"] != "requires_action" {
            return Err(ApiError::unexpected_state(
                "authenticate",
                text(&intent, "status"),
            ));
        }
        let method = self.find(METHOD, text(&intent, "payment_method"))?;
        match authentication {
            Authentication::Confirmed => self.succeed(&intent, &method),
            Authentication::Failed => {
                let fields = json!({
                    "last_payment_error": {
                        "code": "payment_intent_authentication_failure",
                        "message": "The provided PaymentMethod has failed authentication.",
                        "payment_method": method,
                        "type": "card_error",
                    },
                    "next_action": null,
                    "payment_method": null,
                    "status": "requires_payment_method",
                });
                let intent = self.set(INTENT, id, fields)?;
                self.emit("payment_intent.payment_failed", &intent);
                Ok(())
            }
        }
    }
}

async fn ask(From(stripe): From<Stripe>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let (intent, site) = {
        let account = stripe.account();
        (account.find(INTENT, &id)?, account.site.clone())
    };
    let minor = number(&intent, "amount");
    let body = [
        tag(
            "p",
            words(format!(
                "{minor} {} (in minor units)",
                text(&intent, "currency")
            )),
        ),
        button(&format!("{site}/authenticate/{id}/confirm"), "Confirm"),
        button(&format!("{site}/authenticate/{id}/fail"), "Fail"),
    ];
    Ok(page("Your bank", all(body)))
}

async fn decide(
    From(stripe): From<Stripe>,
    Path((id, verb)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let back = {
        let intent = stripe.account().find(INTENT, &id)?;
        intent["next_action"]["redirect_to_url"]["return_url"]
            .as_str()
            .unwrap_or("/")
            .to_owned()
    };
    let authentication = match verb.as_str() {
        "confirm" => Authentication::Confirmed,
        "fail" => Authentication::Failed,
        verb => return Err(ApiError::unknown_address(verb)),
    };
    stripe.authenticate_payment(&id, authentication)?;
    Ok(Redirect::to(&back).into_response())
}
