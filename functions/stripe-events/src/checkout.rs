//! `checkout.session.*`: grants the credits that were paid for, once for each payment, whichever of
//! its events comes first.
//!
//! The catalogue says how many credits a line sells, and Stripe returns the lines. The amount paid
//! does not matter, because it may be discounted. Metadata does not matter either.

use crate::{Ctx, attribution, record_payment};
use domain::billing::payments::{CreditPurchase, PaymentFact};
use domain::ids::PaymentId;
use domain::inbox::EventRow;
use domain::inbox::events::{CheckoutChange, CheckoutEvent, CheckoutPayment, CheckoutPurpose};
use domain::retry::{Done, Failure};
use domain::units::Credits;
use std::time::Duration;
use stripe_api::Line;

struct Goods {
    credits: Credits,
    what: String,
    /// The days of the pack that expires first.
    expires_days: Option<u32>,
}

/// Handles a change of a checkout session.
pub async fn handle(ctx: &Ctx, event: &CheckoutEvent, row: &EventRow) -> Result<Done, Failure> {
    match event.change {
        CheckoutChange::Completed | CheckoutChange::PaymentSucceeded => {
            grant(ctx, event, row).await
        }
        CheckoutChange::PaymentFailed => {
            Ok(Done::Ignored("the payment failed; nothing was granted"))
        }
        CheckoutChange::Expired => Ok(Done::Ignored("nobody has paid; nothing was granted")),
    }
}

/// Grants the credits that a session sold, if it is paid.
pub async fn grant(ctx: &Ctx, event: &CheckoutEvent, row: &EventRow) -> Result<Done, Failure> {
    match (event.purpose, event.paid) {
        (CheckoutPurpose::Subscription | CheckoutPurpose::Setup, _) => {
            return Ok(Done::Ignored("the subscription has events of its own"));
        }
        (CheckoutPurpose::Payment, CheckoutPayment::Unpaid) => {
            return Ok(Done::Applied("not paid yet; nothing granted".to_owned()));
        }
        (CheckoutPurpose::Payment, CheckoutPayment::Paid | CheckoutPayment::NotRequired) => {}
    }
    let payment = payment_of(event)?;
    if is_bought(ctx, &payment).await? {
        return Ok(Done::Duplicate);
    }
    let lines = ctx.stripe().await?.checkout_lines(&event.session).await?;
    let Some(goods) = goods(ctx, &lines)? else {
        return Ok(Done::Ignored("nothing of the catalogue was bought"));
    };
    let Some(account) = attribution::account(ctx, row, event.customer.as_ref()).await? else {
        return Ok(attribution::UNATTRIBUTED);
    };
    let days = |days| Duration::from_secs(u64::from(days) * 86_400);
    let purchase = CreditPurchase {
        account,
        credits: goods.credits,
        paid_minor: event.total_minor,
        currency: event.currency.clone(),
        what: goods.what,
        priced_by: ctx.catalogue.version.clone(),
        expires_at: goods
            .expires_days
            .map(|count| ctx.outside.now().plus(days(count))),
    };
    record_payment::facts(
        ctx,
        &payment,
        &[PaymentFact::Bought(purchase)],
        event.session.as_str(),
    )
    .await
}

/// Reports whether the purchase of a payment is already recorded.
pub async fn is_bought(ctx: &Ctx, payment: &PaymentId) -> Result<bool, Failure> {
    Ok(ctx
        .store
        .payment_find(payment)
        .await?
        .is_some_and(|known| known.purchase.is_some()))
}

/// A session with nothing to pay has no payment; its own id identifies the purchase.
fn payment_of(event: &CheckoutEvent) -> Result<PaymentId, Failure> {
    match &event.payment {
        Some(payment) => Ok(payment.clone()),
        None => PaymentId::parse(event.session.as_str()).map_err(Failure::never),
    }
}

/// Adds up the credits that the lines sold. Returns `None` if no line is a pack.
fn goods(ctx: &Ctx, lines: &[Line]) -> Result<Option<Goods>, Failure> {
    let mut credits = Credits::ZERO;
    let mut what = Vec::new();
    let mut expires_days: Option<u32> = None;
    for line in lines {
        let Some(pack) = ctx
            .catalogue
            .pack_sold_by(&line.price.id, Some(&line.price.product))
        else {
            continue;
        };
        let quantity = line.quantity.unwrap_or(1);
        let more = pack
            .credits
            .micros()
            .checked_mul(quantity)
            .and_then(Credits::from_micros);
        let sum = more.and_then(|more| credits.checked_add(more));
        credits =
            sum.ok_or_else(|| Failure::never("more credits were bought than can be counted"))?;
        expires_days = expires_days.into_iter().chain(pack.expires_days).min();
        what.push(if quantity == 1 {
            pack.name.clone()
        } else {
            format!("{quantity} × {}", pack.name)
        });
    }
    Ok((!credits.is_zero()).then(|| Goods {
        credits,
        what: what.join(", "),
        expires_days,
    }))
}
