//! `/v1/payment_intents` and `/v1/charges`: payments, and each attempt to collect them. They are also
//! created when a session or an invoice is paid; `payment_calls.rs` has the calls that change them.

use axum::extract::{Path, State as From};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, Answer, answer, number, shape, text};
use super::cards;
use super::error::ApiError;
use super::objects::{CHARGE, CUSTOMER, INTENT, Kind, METHOD, PAGING, list};
use super::params::Params;

const INTENTS: &str = "/v1/payment_intents";
const CHARGES: &str = "/v1/charges";

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(
            INTENTS,
            get(async |From(stripe): From<Stripe>, params: Params| {
                index(&stripe, INTENT, INTENTS, &params)
            }),
        )
        .route(
            CHARGES,
            get(async |From(stripe): From<Stripe>, params: Params| {
                index(&stripe, CHARGE, CHARGES, &params)
            }),
        )
        .route(
            "/v1/payment_intents/{id}",
            get(async |From(stripe): From<Stripe>, Path(id): Path<String>| {
                answer(&stripe.account().find(INTENT, &id)?)
            }),
        )
        .route(
            "/v1/charges/{id}",
            get(async |From(stripe): From<Stripe>, Path(id): Path<String>| {
                answer(&stripe.account().find(CHARGE, &id)?)
            }),
        )
}

impl Stripe {
    /// A payment intent as Stripe would answer it.
    pub fn payment_intent(&self, id: &str) -> Result<Value, ApiError> {
        self.read(INTENT, id)
    }

    /// Every charge, failed ones included, oldest first.
    pub fn charges(&self) -> Vec<Value> {
        self.read_all(CHARGE)
    }

    /// Makes the bank decline the next attempt to charge this customer.
    pub fn fail_next_payment(&self, customer: &str) -> Result<(), ApiError> {
        let mut account = self.account();
        account.find(CUSTOMER, customer)?;
        *account.declines.entry(customer.to_owned()).or_default() += 1;
        Ok(())
    }
}

fn index(stripe: &Stripe, kind: Kind, url: &str, params: &Params) -> Answer {
    params.only(&[&PAGING[..], &["created", "customer", "payment_intent"]].concat())?;
    let wanted = |object: &Value| {
        ["customer", "payment_intent"]
            .into_iter()
            .all(|field| params.get(field).is_none_or(|id| object[field] == id))
    };
    Ok(Json(list(
        url,
        params,
        stripe.account().select(kind, wanted),
    )?))
}

/// The parameters of a new payment.
pub(super) struct NewPayment {
    pub amount: i64,
    pub currency: Value,
    pub customer: Value,
    pub description: Value,
    pub metadata: Value,
}

/// The result of an attempt to collect a payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Paid,
    Declined(&'static str),
}

impl Account<'_> {
    /// Creates a payment intent and returns its id.
    pub fn create_intent(&mut self, bill: NewPayment) -> String {
        let id = self.fresh_id(INTENT);
        let intent = shape(
            &INTENT_NULLS,
            json!({
                "id": id,
                "object": INTENT.object,
                "amount": bill.amount,
                "amount_capturable": 0,
                "amount_details": {"tip": {}},
                "amount_received": 0,
                "capture_method": "automatic_async",
                "client_secret": format!("{id}_secret_test"),
                "confirmation_method": "automatic",
                "created": self.now,
                "currency": bill.currency,
                "customer": bill.customer,
                "description": bill.description,
                "livemode": false,
                "metadata": bill.metadata,
                "payment_method_options": {},
                "payment_method_types": ["card"],
                "status": "requires_payment_method",
            }),
        );
        self.create(INTENT, "payment_intent.created", intent);
        id
    }

    /// Makes one attempt to charge a payment method for an intent.
    pub fn charge(&mut self, intent: &str, method: &str) -> Result<Outcome, ApiError> {
        let (intent, method) = (self.find(INTENT, intent)?, self.find(METHOD, method)?);
        match self.declined(text(&intent, "customer"), &method) {
            Some(code) => {
                let charge = self.charge_shape(&intent, &method, Some(code));
                let charge = self.create(CHARGE, "charge.failed", charge);
                self.fail_intent(&intent, &charge, &method, code)?;
                Ok(Outcome::Declined(code))
            }
            None => {
                self.succeed(&intent, &method)?;
                Ok(Outcome::Paid)
            }
        }
    }

    /// Collects a payment.
    pub fn succeed(&mut self, intent: &Value, method: &Value) -> Result<(), ApiError> {
        let mut charge = self.charge_shape(intent, method, None);
        self.collect(&mut charge);
        let charge = self.create(CHARGE, "charge.succeeded", charge);
        self.settle_intent(intent, &charge, method)
    }

    /// Starts a payment that takes days: the intent is processing and its charge is pending.
    pub fn start_delayed_charge(&mut self, intent: &str, method: &str) -> Result<(), ApiError> {
        let (intent, method) = (self.find(INTENT, intent)?, self.find(METHOD, method)?);
        let charge = self.charge_shape(&intent, &method, None);
        let charge = self.create(CHARGE, "charge.pending", charge);
        let fields = json!({
            "latest_charge": charge["id"],
            "payment_method": method["id"],
            "payment_method_types": ["card", method["type"]],
            "processing": null,
            "status": "processing",
        });
        let intent = self.set(INTENT, text(&intent, "id"), fields)?;
        self.emit("payment_intent.processing", &intent);
        Ok(())
    }

    /// Ends a payment that took days.
    pub fn settle_delayed_charge(
        &mut self,
        intent: &str,
        arrived: Result<(), &'static str>,
    ) -> Result<(), ApiError> {
        let intent = self.find(INTENT, intent)?;
        let method = self.find(METHOD, text(&intent, "payment_method"))?;
        let mut charge = self.find(CHARGE, text(&intent, "latest_charge"))?;
        let id = text(&charge, "id").to_owned();
        if let Err(code) = arrived {
            fail_charge(
                &mut charge,
                code,
                "The customer's account has insufficient funds to cover this payment.",
            );
            let charge = self.set(CHARGE, &id, charge)?;
            self.emit("charge.failed", &charge);
            return self.fail_intent(&intent, &charge, &method, code);
        }
        self.collect(&mut charge);
        let charge = self.set(CHARGE, &id, charge)?;
        self.emit("charge.succeeded", &charge);
        self.settle_intent(&intent, &charge, &method)
    }

    fn declined(&mut self, customer: &str, method: &Value) -> Option<&'static str> {
        if let Some(ordered) = self
            .declines
            .get_mut(customer)
            .filter(|ordered| **ordered > 0)
        {
            *ordered -= 1;
            return Some("generic_decline");
        }
        cards::decline_code(method)
    }

    fn collect(&mut self, charge: &mut Value) {
        charge["amount_captured"] = charge["amount"].clone();
        charge["balance_transaction"] = json!(self.objects.fresh_id("txn"));
        for yes in ["captured", "paid"] {
            charge[yes] = json!(true);
        }
        charge["status"] = json!("succeeded");
        charge["receipt_url"] = json!(format!("{}/receipts/{}", self.site, text(charge, "id")));
    }

    fn settle_intent(
        &mut self,
        intent: &Value,
        charge: &Value,
        method: &Value,
    ) -> Result<(), ApiError> {
        let fields = json!({
            "amount_received": number(intent, "amount"),
            "last_payment_error": null,
            "latest_charge": charge["id"],
            "next_action": null,
            "payment_method": method["id"],
            "processing": null,
            "status": "succeeded",
        });
        let intent = self.set(INTENT, text(intent, "id"), fields)?;
        self.emit("payment_intent.succeeded", &intent);
        Ok(())
    }

    fn fail_intent(
        &mut self,
        intent: &Value,
        charge: &Value,
        method: &Value,
        code: &str,
    ) -> Result<(), ApiError> {
        let fields = json!({
            "last_payment_error": {
                "charge": charge["id"],
                "code": charge["failure_code"],
                "decline_code": code,
                "message": charge["failure_message"],
                "payment_method": method,
                "type": if method["type"] == "card" { "card_error" } else { "invalid_request_error" },
            },
            "latest_charge": charge["id"],
            "payment_method": null,
            "processing": null,
            "status": "requires_payment_method",
        });
        let intent = self.set(INTENT, text(intent, "id"), fields)?;
        self.emit("payment_intent.payment_failed", &intent);
        Ok(())
    }

    /// A new charge: pending, or failed if the bank declined it.
    fn charge_shape(&mut self, intent: &Value, method: &Value, declined: Option<&str>) -> Value {
        let mut charge = shape(
            &CHARGE_NULLS,
            json!({
                "id": self.fresh_id(CHARGE),
                "object": CHARGE.object,
                "amount": intent["amount"],
                "amount_captured": 0,
                "amount_refunded": 0,
                "billing_details": method["billing_details"],
                "captured": false,
                "created": self.now,
                "currency": intent["currency"],
                "customer": intent["customer"],
                "description": intent["description"],
                "disputed": false,
                "fraud_details": {},
                "livemode": false,
                "metadata": intent["metadata"],
                "outcome": {
                    "advice_code": null,
                    "network_advice_code": null,
                    "network_decline_code": null,
                    "network_status": "approved_by_network",
                    "reason": null,
                    "risk_level": "normal",
                    "seller_message": "Payment complete.",
                    "type": "authorized",
                },
                "paid": false,
                "payment_intent": intent["id"],
                "payment_method": method["id"],
                "payment_method_details": cards::details(method),
                "refunded": false,
                "status": "pending",
            }),
        );
        if let Some(code) = declined {
            fail_charge(&mut charge, code, "Your card was declined.");
            let failure = match code {
                cards::AUTHENTICATION_REQUIRED => code,
                _ => "card_declined",
            };
            charge["failure_code"] = json!(failure);
        }
        charge
    }
}

fn fail_charge(charge: &mut Value, code: &str, message: &str) {
    charge["status"] = json!("failed");
    charge["failure_code"] = json!(code);
    charge["failure_message"] = json!(message);
    let outcome = &mut charge["outcome"];
    outcome["network_status"] = json!("declined_by_network");
    outcome["reason"] = json!(code);
    outcome["seller_message"] =
        json!("The bank did not return any further details with this decline.");
    outcome["type"] = json!("issuer_declined");
}

const INTENT_NULLS: [&str; 26] = [
    "allowed_payment_method_types",
    "application",
    "application_fee_amount",
    "automatic_payment_methods",
    "canceled_at",
    "cancellation_reason",
    "customer_account",
    "excluded_payment_method_types",
    "last_payment_error",
    "latest_charge",
    "managed_payments",
    "next_action",
    "on_behalf_of",
    "payment_method",
    "payment_method_configuration_details",
    "payment_record",
    "processing",
    "receipt_email",
    "review",
    "setup_future_usage",
    "shipping",
    "source",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
];

const CHARGE_NULLS: [&str; 20] = [
    "application",
    "application_fee",
    "application_fee_amount",
    "balance_transaction",
    "calculated_statement_descriptor",
    "failure_balance_transaction",
    "failure_code",
    "failure_message",
    "on_behalf_of",
    "receipt_email",
    "receipt_number",
    "receipt_url",
    "review",
    "shipping",
    "source",
    "source_transfer",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
];
