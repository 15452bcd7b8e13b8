//! `/v1/refunds`: money returned to the payer. A charge never refunds more than it collected. A
//! refund that fails returns the money to the account, usually days later.

use axum::extract::{Path, State as From};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, Answer, answer, number, shape, text};
use super::error::ApiError;
use super::metadata;
use super::objects::{CHARGE, DISPUTE, INTENT, PAGING, REFUND, list, shown};
use super::params::{NoParams, Params};

const URL: &str = "/v1/refunds";
const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, post(create).get(index))
        .route("/v1/refunds/{id}", get(show).post(update))
}

impl Stripe {
    /// Refunds a payment, or all that is left of it, at the dashboard.
    pub fn refund(
        &self,
        payment_intent: &str,
        amount_minor: Option<i64>,
    ) -> Result<Value, ApiError> {
        let mut account = self.account();
        let charge = account.charge_of(payment_intent)?;
        account
            .refund(&charge, amount_minor, Value::Null, json!({}))
            .map(|refund| shown(&refund))
    }

    /// Fails a refund, as the bank does when it returns it. The charge's refunded amount decreases
    /// accordingly.
    pub fn fail_refund(&self, refund: &str) -> Result<Value, ApiError> {
        self.account()
            .fail_refund(refund)
            .map(|refund| shown(&refund))
    }

    /// Every refund, failed ones included, oldest first.
    pub fn refunds(&self) -> Vec<Value> {
        self.read_all(REFUND)
    }
}

async fn create(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&["amount", "charge", "metadata", "payment_intent", "reason"])?;
    let amount = params.integer("amount")?;
    let reason = json!(params.word("reason", &REASONS)?);
    let metadata = metadata::new(&params)?;
    let mut account = stripe.account();
    let charge = match (params.get("charge"), params.get("payment_intent")) {
        (Some(charge), None) => account
            .find(CHARGE, charge)
            .map_err(|_| ApiError::no_such_reference(CHARGE.noun, charge, "charge"))?,
        (None, Some(intent)) => account.charge_of(intent)?,
        _ => {
            let message = "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(ApiError::invalid(message));
        }
    };
    answer(&account.refund(&charge, amount, reason, metadata)?)
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(REFUND, &id)?)
}

async fn update(From(stripe): From<Stripe>, Path(id): Path<String>, params: Params) -> Answer {
    params.only(&["metadata"])?;
    let mut account = stripe.account();
    let metadata = metadata::merged(&account.find(REFUND, &id)?, &params)?;
    answer(&account.update(REFUND, &id, "refund.updated", json!({"metadata": metadata}))?)
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[&PAGING[..], &["charge", "created", "payment_intent"]].concat())?;
    let wanted = |refund: &Value| {
        ["charge", "payment_intent"]
            .into_iter()
            .all(|field| params.get(field).is_none_or(|id| refund[field] == id))
    };
    Ok(Json(list(
        URL,
        &params,
        stripe.account().select(REFUND, wanted),
    )?))
}

impl Account<'_> {
    /// The charge that paid an intent.
    pub fn charge_of(&self, intent: &str) -> Result<Value, ApiError> {
        let found = self.find(INTENT, intent);
        let found = found
            .map_err(|_| ApiError::no_such_reference(INTENT.noun, intent, "payment_intent"))?;
        if found["status"] != "succeeded" {
            let message = format!(
                "This PaymentIntent ({intent}) does not have a successful charge to refund."
            );
            return Err(ApiError::invalid(message).about("payment_intent"));
        }
        self.find(CHARGE, text(&found, "latest_charge"))
    }

    pub fn refund(
        &mut self,
        charge: &Value,
        amount: Option<i64>,
        reason: Value,
        metadata: Value,
    ) -> Result<Value, ApiError> {
        let id = text(charge, "id");
        let amount = self.refundable(charge, amount)?;
        let refund = self.refund_shape(charge, amount, reason, metadata);
        let refund = self.create(REFUND, "refund.created", refund);
        let given = number(charge, "amount_refunded") + amount;
        let fields =
            json!({"amount_refunded": given, "refunded": given == number(charge, "amount")});
        self.update(CHARGE, id, "charge.refunded", fields)?;
        let mut destination = refund["destination_details"].clone();
        let kind = text(&destination, "type").to_owned();
        destination[&kind]["reference_status"] = json!("available");
        destination[&kind]["reference"] = json!("000000000001");
        self.update(
            REFUND,
            text(&refund, "id"),
            "refund.updated",
            json!({"destination_details": destination}),
        )
    }

    /// The amount to refund, if that much is left.
    fn refundable(&self, charge: &Value, amount: Option<i64>) -> Result<i64, ApiError> {
        let id = text(charge, "id");
        if charge["status"] != "succeeded" {
            return Err(ApiError::invalid(format!(
                "Charge {id} has not succeeded, so it cannot be refunded."
            )));
        }
        let left = number(charge, "amount") - number(charge, "amount_refunded");
        if left == 0 {
            let message = format!("Charge {id} has already been refunded.");
            return Err(ApiError::invalid(message).coded("charge_already_refunded"));
        }
        // An inquiry can still be answered with a refund. After a chargeback the money is already
        // gone.
        let gone =
            |dispute: &Value| dispute["charge"] == id && dispute["is_charge_refundable"] == false;
        if !self.select(DISPUTE, gone).is_empty() {
            let message = format!("Charge {id} has been charged back; cannot issue a refund.");
            return Err(ApiError::invalid(message).coded("charge_disputed"));
        }
        let amount = amount.unwrap_or(left);
        if amount < 1 {
            return Err(ApiError::parameter(
                "amount",
                "parameter_invalid_integer",
                "Invalid positive integer",
            ));
        }
        if amount > left {
            let money = |minor: i64| format!("${}.{:02}", minor / 100, minor % 100);
            let (asked, left) = (money(amount), money(left));
            let message = format!(
                "Refund amount ({asked}) is greater than unrefunded amount on charge ({left})"
            );
            return Err(ApiError::invalid(message).about("amount"));
        }
        Ok(amount)
    }

    fn fail_refund(&mut self, id: &str) -> Result<Value, ApiError> {
        let refund = self.find(REFUND, id)?;
        if refund["status"] == "failed" {
            return Err(ApiError::invalid(format!(
                "Refund {id} has failed already."
            )));
        }
        let charge = text(&refund, "charge");
        let given =
            number(&self.find(CHARGE, charge)?, "amount_refunded") - number(&refund, "amount");
        self.set(
            CHARGE,
            charge,
            json!({"amount_refunded": given, "refunded": false}),
        )?;
        let fields = json!({
            "failure_balance_transaction": self.objects.fresh_id("txn"),
            "failure_reason": "expired_or_canceled_card",
            "status": "failed",
        });
        self.update_and_emit(REFUND, id, &["refund.failed", "refund.updated"], fields)
    }

    fn refund_shape(
        &mut self,
        charge: &Value,
        amount: i64,
        reason: Value,
        metadata: Value,
    ) -> Value {
        let destination = if charge["payment_method_details"]["type"] == "card" {
            json!({
                "type": "card",
                "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
            })
        } else {
            json!({
                "type": "us_bank_transfer",
                "us_bank_transfer": {"reference": null, "reference_status": "pending"},
            })
        };
        shape(
            &[
                "customer_account",
                "receipt_number",
                "source_transfer_reversal",
                "transfer_reversal",
            ],
            json!({
                "id": self.fresh_id(REFUND),
                "object": REFUND.object,
                "amount": amount,
                "balance_transaction": self.objects.fresh_id("txn"),
                "charge": charge["id"],
                "created": self.now,
                "currency": charge["currency"],
                "customer": charge["customer"],
                "destination_details": destination,
                "metadata": metadata,
                "payment_intent": charge["payment_intent"],
                "payment_method": charge["payment_method"],
                "reason": reason,
                "status": "succeeded",
            }),
        )
    }
}
