//! `/api/v1/admin/payments/{id}`: a payment for credits, and its refund.
//!
//! This function has no right to write at Stripe. It records the refund, and `stripe-events` makes
//! it.

use crate::operator::Authorized;
use crate::reason;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::payments::{CreditPurchase, Payment};
use domain::billing::refunds::{RefundKey, RefundProgress, RequestedRefund, Share};
use domain::ids::{PaymentId, PaymentIntentId};
use domain::units::{Currency, Money};
use http::StatusCode;
use queues::Message;
use rest::{Body, IdempotencyKey, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::RefundRequested;
use utoipa::ToSchema;

/// A payment for credits.
#[derive(Serialize, ToSchema)]
pub struct PaymentShown {
    id: String,
    account_id: String,
    /// What was bought.
    what: String,
    credits: String,
    paid_minor: i64,
    currency: String,
    /// What Stripe has reported as refunded, without refunds that failed.
    refunded_minor: i64,
    /// What banks keep because of disputes.
    disputed_minor: i64,
    /// The credits that were taken back.
    credits_taken_back: String,
    /// The refunds that operators requested here.
    refunds: Vec<RefundShown>,
}

/// A refund that an operator requested.
#[derive(Serialize, ToSchema)]
pub struct RefundShown {
    id: String,
    amount_minor: i64,
    currency: String,
    by: String,
    reason: String,
    requested_at: String,
    /// `requested`, `created` at Stripe, or `refused` by Stripe.
    state: &'static str,
    /// The refund at Stripe, once it exists.
    stripe_refund_id: Option<String>,
    /// Why Stripe refuses it.
    refused: Option<String>,
}

/// A refund to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundWanted {
    /// The amount in minor units of the payment's currency. Absent for all that is not refunded yet.
    #[schema(minimum = 1, maximum = 99999999, example = 250)]
    amount_minor: Option<i64>,
    /// Why. It is recorded.
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"\S",
        example = "Paid twice."
    )]
    reason: String,
}

/// Shows a payment for credits.
#[utoipa::path(get, path = "/api/v1/admin/payments/{id}", tag = "billing",
    params(("id" = String, Path, description = "The payment's id at Stripe.", example = "pi_1")),
    responses((status = 200, body = PaymentShown)))]
pub async fn show(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<PaymentShown>, ApiError> {
    let (payment, bought) = existing(&ctx, &id).await?;
    let refunds = ctx.store.refund_list(&payment.id).await?;
    let disputed_minor = payment.disputed_minor();
    Ok(Json(PaymentShown {
        id: payment.id.to_string(),
        account_id: bought.account.to_string(),
        what: bought.what,
        credits: bought.credits.to_string(),
        paid_minor: bought.paid_minor,
        currency: bought.currency,
        refunded_minor: payment.refunded_minor(),
        disputed_minor,
        credits_taken_back: payment.taken.to_string(),
        refunds: refunds.iter().map(shown).collect(),
    }))
}

/// Refunds a payment for credits, in whole or in part.
///
/// `stripe-events` makes the refund at Stripe in a moment. The credits are taken back in the same
/// proportion, when Stripe reports the refund. The request is carried out once for each
/// Idempotency-Key; a repeat answers 200 and shows what became of it.
#[utoipa::path(post, path = "/api/v1/admin/payments/{id}/refund", tag = "billing",
    params(("id" = String, Path, description = "The payment's id at Stripe.", example = "pi_1"), IdempotencyKey),
    request_body = RefundWanted,
    responses((status = 202, body = RefundShown, description = "Accepted; Stripe follows."), (status = 409),
        (status = 422), (status = 200, body = RefundShown, description = "It was requested before.")))]
pub async fn refund(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    once: IdempotencyKey,
    Body(wanted): Body<RefundWanted>,
) -> Result<(StatusCode, Json<RefundShown>), ApiError> {
    let reason = reason::checked(&wanted.reason)?;
    if wanted.amount_minor.is_some_and(|amount| amount < 1) {
        let detail = "`amount_minor` must be greater than zero, or absent for all that is left.";
        return Err(ApiError::bad_request("bad_amount", detail));
    }
    let (payment, bought) = existing(&ctx, &id).await?;
    let route = format!("admin/payments/{id}/refund");
    let key = RefundKey {
        payment: payment.id.clone(),
        act: once.act(&bought.account, &route).id(),
    };
    let known = ctx.store.refund_find(&key).await?;
    let asked = Asked {
        key,
        amount_minor: wanted.amount_minor,
        by: operator.name.clone(),
        reason,
    };
    let refund = match &known {
        // What is left by now does not matter for a repeated request.
        Some(known) => asked.refund(&bought, known.amount.minor, &ctx)?,
        None => {
            let left = bought.paid_minor - payment.refunded_minor() - payment.disputed_minor();
            asked.refund(&bought, refundable(left, wanted.amount_minor)?, &ctx)?
        }
    };
    let (status, refund) = match ctx.store.refund_request(&refund).await? {
        RefundRequested::Now => (StatusCode::ACCEPTED, refund),
        RefundRequested::Already(known) if known.is_same(&refund) => (StatusCode::OK, *known),
        RefundRequested::Already(_) => {
            let detail = "This `Idempotency-Key` has requested another refund; send a new one for a new refund.";
            return Err(ApiError::conflict("idempotency_key_reused", detail));
        }
    };
    tracing::info!(operator.name = operator.name, account.id = %bought.account, payment.id = %payment.id, refund.act = %refund.key.act,
        refund.minor = refund.amount.minor, reason, state = refund.progress.as_str(), audit = true, "requests a refund");
    if refund.progress == RefundProgress::Requested {
        let message = Message::Refund(refund.key.clone());
        ctx.queues.send(&message, Some(&bought.account)).await?;
    }
    Ok((status, Json(shown(&refund))))
}

/// What a request asks for.
struct Asked<'a> {
    key: RefundKey,
    amount_minor: Option<i64>,
    by: String,
    reason: &'a str,
}

impl Asked<'_> {
    fn refund(
        self,
        bought: &CreditPurchase,
        rest_minor: i64,
        ctx: &Ctx,
    ) -> Result<RequestedRefund, ApiError> {
        let currency = Currency::parse(&bought.currency).ok_or_else(|| {
            let detail =
                "The currency of this payment is not known; refund it in Stripe's Dashboard.";
            ApiError::unprocessable("unknown_currency", detail)
        })?;
        Ok(RequestedRefund {
            key: self.key,
            account: bought.account.clone(),
            amount: Money {
                minor: self.amount_minor.unwrap_or(rest_minor),
                currency,
            },
            share: match self.amount_minor {
                Some(_) => Share::Part,
                None => Share::Rest,
            },
            by: self.by,
            reason: self.reason.to_owned(),
            requested_at: ctx.outside.now(),
            progress: RefundProgress::Requested,
            key_number: 1,
        })
    }
}

/// Returns the amount to refund, if so much is left as far as we know. Stripe checks it again.
fn refundable(left: i64, asked: Option<i64>) -> Result<i64, ApiError> {
    if left <= 0 {
        let detail = "Nothing of this payment is left to refund: it was refunded already, or a bank keeps it for a dispute.";
        return Err(ApiError::conflict("nothing_left", detail));
    }
    match asked {
        Some(asked) if asked > left => {
            let detail = format!(
                "`amount_minor` must be at most {left}, which is what is left of the payment."
            );
            Err(ApiError::unprocessable("too_much", detail))
        }
        Some(asked) => Ok(asked),
        None => Ok(left),
    }
}

async fn existing(ctx: &Ctx, id: &str) -> Result<(Payment, CreditPurchase), ApiError> {
    let absent = || {
        ApiError::not_found(
            "There is no such payment for credits; refund payments for invoices in Stripe's Dashboard.",
        )
    };
    // Only payments of this kind are refunded here; older kinds have another prefix.
    let id = PaymentIntentId::parse(id).map_err(|_| absent())?;
    let id = PaymentId::parse(id.as_str()).map_err(|_| absent())?;
    let payment = ctx.store.payment_find(&id).await?.ok_or_else(absent)?;
    let bought = payment.purchase.clone().ok_or_else(absent)?;
    Ok((payment, bought))
}

fn shown(refund: &RequestedRefund) -> RefundShown {
    let (stripe_refund_id, refused) = match &refund.progress {
        RefundProgress::Requested => (None, None),
        RefundProgress::Created(refund) => (Some(refund.to_string()), None),
        RefundProgress::Refused(why) => (None, Some(why.clone())),
    };
    RefundShown {
        id: refund.key.act.to_string(),
        amount_minor: refund.amount.minor,
        currency: refund.amount.currency.to_string(),
        by: refund.by.clone(),
        reason: refund.reason.clone(),
        requested_at: refund.requested_at.to_string(),
        state: refund.progress.as_str(),
        stripe_refund_id,
        refused,
    }
}
