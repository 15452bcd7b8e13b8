//! Refunds that operators request: creates them at Stripe, whose events then take the credits back
//! (`refund.rs`).
//!
//! A refund's amount and identity are fixed in its row. Each run looks for it among the refunds of
//! the payment before it asks for it, and asks under the same idempotency key, so this is safe to
//! run twice, at once, and after a death. Stripe stores its own failures under a key; only then the
//! row moves on to the next key, and the next run looks first.

use crate::Ctx;
use domain::billing::refunds::{RefundKey, RefundProgress, RequestedRefund};
use domain::ids::PaymentIntentId;
use domain::retry::{Done, Failure};
use store::Finished;
use stripe_api::{Refund, RefundOrder, StripeError};

/// Creates a requested refund, unless that is done.
pub async fn handle(ctx: &Ctx, key: &RefundKey) -> Result<Done, Failure> {
    let Some(refund) = ctx.store.refund_find(key).await? else {
        return Ok(Done::Duplicate);
    };
    if refund.progress != RefundProgress::Requested {
        return Ok(Done::Duplicate);
    }
    let payment = PaymentIntentId::parse(key.payment.as_str()).map_err(Failure::never)?;
    let stripe = ctx.stripe().await?;
    let refunds = stripe.refund_list(&payment).await?;
    if let Some(made) = refunds.iter().find(|made| key.is_of(&made.metadata)) {
        return created(ctx, &refund, made).await;
    }
    let order = RefundOrder {
        payment: &payment,
        amount_minor: Some(refund.amount.minor),
        reason: None,
        metadata: &key.metadata(),
    };
    match stripe
        .refund_create(&order, &refund.idempotency_key())
        .await
    {
        Ok(made) => created(ctx, &refund, &made).await,
        Err(error) if matches!(error, StripeError::Refused { .. }) => {
            refused(ctx, &refund, &error).await
        }
        Err(error) => {
            if error.failure_is_stored() {
                ctx.store.refund_next_key(&refund).await?;
            }
            Err(error.into())
        }
    }
}

async fn created(ctx: &Ctx, refund: &RequestedRefund, made: &Refund) -> Result<Done, Failure> {
    if ctx.store.refund_created(&refund.key, &made.id).await? == Finished::Already {
        return Ok(Done::Duplicate);
    }
    tracing::info!(account.id = %refund.account, payment.id = %refund.key.payment, refund.id = %made.id,
        operator.name = refund.by, audit = true, "Stripe created a refund");
    Ok(Done::Applied(format!("refunded {}", refund.amount)))
}

async fn refused(
    ctx: &Ctx,
    refund: &RequestedRefund,
    error: &StripeError,
) -> Result<Done, Failure> {
    let why = error
        .refusal()
        .map(|refusal| refusal.message.as_str())
        .filter(|message| !message.is_empty())
        .unwrap_or("no reason was given");
    if ctx.store.refund_refused(&refund.key, why).await? == Finished::Now {
        tracing::error!(account.id = %refund.account, payment.id = %refund.key.payment, refund.act = %refund.key.act,
            operator.name = refund.by, error = %error, alarm = true, "Stripe refuses a refund that an operator requested");
    }
    Ok(Done::Applied("Stripe refuses the refund".to_owned()))
}
