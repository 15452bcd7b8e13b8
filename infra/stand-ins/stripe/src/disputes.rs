//! `/v1/disputes`: money that a cardholder claims back through the bank. An inquiry takes no money
//! yet. A chargeback takes the amount and a fee at once, and returns both only if it is won.

use axum::extract::{Path, State as From};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Stripe;
use super::account::{Account, Answer, answer, number, shape, text};
use super::error::ApiError;
use super::objects::{CHARGE, DISPUTE, PAGING, list, shown};
use super::params::{NoParams, Params};

const URL: &str = "/v1/disputes";
const FEE_MINOR: i64 = 1500;
const DUE_SECONDS: i64 = 9 * 86_400;

pub(super) fn routes() -> Router<Stripe> {
    Router::new()
        .route(URL, get(index))
        .route("/v1/disputes/{id}", get(show))
}

/// The status of a dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeStatus {
    /// An inquiry: the bank only asks.
    WarningNeedsResponse,
    /// An inquiry with a response.
    WarningUnderReview,
    /// An inquiry that ended without a chargeback.
    WarningClosed,
    /// A chargeback: the amount was withdrawn.
    NeedsResponse,
    /// A chargeback with a response.
    UnderReview,
    /// The amount was returned.
    Won,
    /// The amount stays withdrawn.
    Lost,
}

impl DisputeStatus {
    fn word(self) -> &'static str {
        match self {
            Self::WarningNeedsResponse => "warning_needs_response",
            Self::WarningUnderReview => "warning_under_review",
            Self::WarningClosed => "warning_closed",
            Self::NeedsResponse => "needs_response",
            Self::UnderReview => "under_review",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    fn follows(self, before: &str) -> bool {
        match self {
            Self::WarningNeedsResponse => false,
            Self::WarningUnderReview => before == "warning_needs_response",
            Self::WarningClosed | Self::NeedsResponse => {
                ["warning_needs_response", "warning_under_review"].contains(&before)
            }
            Self::UnderReview => before == "needs_response",
            Self::Won | Self::Lost => ["needs_response", "under_review"].contains(&before),
        }
    }
}

impl Stripe {
    /// Disputes a payment, or a part of it, as the cardholder: as a chargeback (`NeedsResponse`) or
    /// as an inquiry (`WarningNeedsResponse`).
    pub fn open_dispute(
        &self,
        payment_intent: &str,
        amount_minor: Option<i64>,
        status: DisputeStatus,
    ) -> Result<Value, ApiError> {
        self.account()
            .open_dispute(payment_intent, amount_minor, status)
            .map(|dispute| shown(&dispute))
    }

    /// Changes a dispute's status, as the bank or our response does. An inquiry that changes to
    /// `NeedsResponse` becomes a chargeback.
    pub fn move_dispute(&self, dispute: &str, status: DisputeStatus) -> Result<Value, ApiError> {
        self.account()
            .move_dispute(dispute, status)
            .map(|dispute| shown(&dispute))
    }

    /// Every dispute, oldest first.
    pub fn disputes(&self) -> Vec<Value> {
        self.read_all(DISPUTE)
    }
}

async fn show(From(stripe): From<Stripe>, Path(id): Path<String>, _: NoParams) -> Answer {
    answer(&stripe.account().find(DISPUTE, &id)?)
}

async fn index(From(stripe): From<Stripe>, params: Params) -> Answer {
    params.only(&[&PAGING[..], &["charge", "created", "payment_intent"]].concat())?;
    let wanted = |dispute: &Value| {
        ["charge", "payment_intent"]
            .into_iter()
            .all(|field| params.get(field).is_none_or(|id| dispute[field] == id))
    };
    Ok(Json(list(
        URL,
        &params,
        stripe.account().select(DISPUTE, wanted),
    )?))
}

impl Account<'_> {
    fn open_dispute(
        &mut self,
        intent: &str,
        amount: Option<i64>,
        status: DisputeStatus,
    ) -> Result<Value, ApiError> {
        let charge = self.charge_of(intent)?;
        let amount = amount.unwrap_or_else(|| number(&charge, "amount"));
        let chargeback = status == DisputeStatus::NeedsResponse;
        if !chargeback && status != DisputeStatus::WarningNeedsResponse {
            return Err(ApiError::invalid(
                "A dispute begins as needs_response or warning_needs_response.",
            ));
        }
        if amount < 1 || amount > number(&charge, "amount") {
            return Err(ApiError::invalid(
                "A dispute is about the charge's amount or a part of it.",
            )
            .about("amount"));
        }
        let mut dispute = self.dispute_shape(&charge, amount, status);
        if chargeback {
            let taken = self.movement(&dispute, -amount, FEE_MINOR);
            dispute["balance_transactions"] = json!([taken]);
        }
        self.set(CHARGE, text(&charge, "id"), json!({"disputed": true}))?;
        let dispute = self.create(DISPUTE, "charge.dispute.created", dispute);
        if chargeback {
            self.emit("charge.dispute.funds_withdrawn", &dispute);
        }
        Ok(dispute)
    }

    fn move_dispute(&mut self, id: &str, status: DisputeStatus) -> Result<Value, ApiError> {
        let dispute = self.find(DISPUTE, id)?;
        let before = text(&dispute, "status");
        if !status.follows(before) {
            return Err(ApiError::invalid(format!(
                "A dispute that is {before} cannot become {}.",
                status.word()
            )));
        }
        let amount = number(&dispute, "amount");
        let mut fields = json!({"status": status.word()});
        let mut movements = dispute["balance_transactions"].clone();
        match status {
            DisputeStatus::NeedsResponse => {
                movements = json!([self.movement(&dispute, -amount, FEE_MINOR)]);
                fields["is_charge_refundable"] = json!(false);
                fields["payment_method_details"] = method_details("chargeback");
            }
            DisputeStatus::Won => {
                let back = self.movement(&dispute, amount, -FEE_MINOR);
                movements
                    .as_array_mut()
                    .into_iter()
                    .for_each(|movements| movements.push(back.clone()));
                fields["is_charge_refundable"] = json!(true);
            }
            DisputeStatus::UnderReview | DisputeStatus::WarningUnderReview => {
                fields["evidence_details"] =
                    evidence_details(&dispute["evidence_details"]["due_by"], 1);
            }
            DisputeStatus::WarningNeedsResponse
            | DisputeStatus::WarningClosed
            | DisputeStatus::Lost => {}
        }
        fields["balance_transactions"] = movements;
        let closed = [
            DisputeStatus::Won,
            DisputeStatus::Lost,
            DisputeStatus::WarningClosed,
        ]
        .contains(&status);
        let event = if closed {
            "charge.dispute.closed"
        } else {
            "charge.dispute.updated"
        };
        let dispute = self.update(DISPUTE, id, event, fields)?;
        match status {
            DisputeStatus::NeedsResponse => self.emit("charge.dispute.funds_withdrawn", &dispute),
            DisputeStatus::Won => self.emit("charge.dispute.funds_reinstated", &dispute),
            DisputeStatus::WarningNeedsResponse
            | DisputeStatus::WarningUnderReview
            | DisputeStatus::WarningClosed
            | DisputeStatus::UnderReview
            | DisputeStatus::Lost => {}
        }
        Ok(dispute)
    }

    /// The balance transaction for a dispute.
    fn movement(&mut self, dispute: &Value, amount: i64, fee: i64) -> Value {
        let currency = &dispute["currency"];
        json!({
            "id": self.objects.fresh_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": self.now,
            "balance_type": "payments",
            "created": self.now,
            "currency": currency,
            "description": null,
            "exchange_rate": null,
            "fee": fee,
            "fee_details": [{
                "amount": fee,
                "application": null,
                "currency": currency,
                "description": "Dispute fee",
                "type": "stripe_fee",
            }],
            "net": amount - fee,
            "reporting_category": if amount < 0 { "dispute" } else { "dispute_reversal" },
            "source": dispute["id"],
            "status": "available",
            "type": "adjustment",
        })
    }

    fn dispute_shape(&mut self, charge: &Value, amount: i64, status: DisputeStatus) -> Value {
        let inquiry = status == DisputeStatus::WarningNeedsResponse;
        json!({
            "id": self.fresh_id(DISPUTE),
            "object": DISPUTE.object,
            "amount": amount,
            "balance_transactions": [],
            "charge": charge["id"],
            "created": self.now,
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": shape(&EVIDENCE, json!({"enhanced_evidence": {}})),
            "evidence_details": evidence_details(&json!(self.now + DUE_SECONDS), 0),
            "is_charge_refundable": inquiry,
            "livemode": false,
            "metadata": {},
            "network_reason_code": "10.4",
            "payment_intent": charge["payment_intent"],
            "payment_method_details": method_details(if inquiry { "inquiry" } else { "chargeback" }),
            "reason": "fraudulent",
            "status": status.word(),
        })
    }
}

fn evidence_details(due_by: &Value, submissions: i64) -> Value {
    json!({
        "due_by": due_by,
        "enhanced_eligibility": {},
        "has_evidence": submissions > 0,
        "past_due": false,
        "submission_count": submissions,
    })
}

fn method_details(case_type: &str) -> Value {
    json!({
        "type": "card",
        "card": {"brand": "visa", "case_type": case_type, "network": "visa", "network_reason_code": "10.4"},
    })
}

const EVIDENCE: [&str; 27] = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
];
