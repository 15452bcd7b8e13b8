//! `checkout.session.*`: grants the credits that were paid for, once for each payment, whichever of
//! its events comes first.
//!
//! A session that our API created carries the terms on which it sold (`domain::billing::pack_terms`),
//! so a bank debit that takes days grants what was sold even if the catalogue has changed meanwhile.
//! For any other session, the catalogue says how many credits a line sells. Stripe returns the lines.
//! The amount paid does not matter, because it may be discounted. A paid pack of ours that neither
//! describes waits, with an alarm, until an operator has added it to the catalogue and replays the
//! event.

use crate::{Ctx, attribution, record_payment};
use domain::billing::pack_terms::{PackTerms, sells_a_pack};
use domain::billing::payments::{CreditPurchase, PaymentFact};
use domain::billing::plans::PACK_PRODUCT;
use domain::ids::PaymentId;
use domain::inbox::EventRow;
use domain::inbox::events::{CheckoutChange, CheckoutEvent, CheckoutPayment, CheckoutPurpose};
use domain::refusal::FlowError;
use domain::retry::{Done, Failure};
use domain::units::Credits;
use flows::billing::subscriptions::expire_checkouts;
use std::time::Duration;
use stripe_api::Line;

struct Goods {
    credits: Credits,
    what: String,
    /// The days of the pack that expires first.
    expires_days: Option<u32>,
    /// The catalogue version that set the terms.
    priced_by: String,
}

/// The outcome of a paid session that sells a pack on unknown terms.
const UNKNOWN_PACK: Done =
    Done::Unattributed("a pack was paid for that is not in the catalogue; add it and replay");

/// Handles a change of a checkout session.
pub async fn handle(ctx: &Ctx, event: &CheckoutEvent, row: &EventRow) -> Result<Done, Failure> {
    match event.change {
        CheckoutChange::Completed | CheckoutChange::PaymentSucceeded
            if event.purpose == CheckoutPurpose::Subscription =>
        {
            subscribed(ctx, event, row).await
        }
        CheckoutChange::Completed | CheckoutChange::PaymentSucceeded => {
            grant(ctx, event, row).await
        }
        CheckoutChange::PaymentFailed => {
            Ok(Done::Ignored("the payment failed; nothing was granted"))
        }
        CheckoutChange::Expired => Ok(Done::Ignored("nobody has paid; nothing was granted")),
    }
}

/// Expires the customer's other Checkouts for plans, because the account now has a subscription.
/// The subscription has events of its own.
async fn subscribed(ctx: &Ctx, event: &CheckoutEvent, row: &EventRow) -> Result<Done, Failure> {
    let Some(account) = attribution::account(ctx, row, event.customer.as_ref()).await? else {
        return Ok(attribution::UNATTRIBUTED);
    };
    let Some(account) = ctx.store.account_find(&account).await? else {
        return Ok(Done::Ignored("the account is gone"));
    };
    let Some(stripe) = ctx.stripe_maybe().await? else {
        return Ok(Done::Ignored("the subscription has events of its own"));
    };
    let expired =
        expire_checkouts(&stripe, &account.customer)
            .await
            .map_err(|error| match error {
                FlowError::Failed(failure) => failure,
                FlowError::Refused(refusal) => Failure::never(refusal.detail),
            })?;
    Ok(match expired {
        0 => Done::Ignored("the subscription has events of its own"),
        _ => Done::Applied(format!("{expired} other Checkouts for plans are expired")),
    })
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
    let goods = match PackTerms::read(&event.metadata) {
        Ok(Some(terms)) => Some(as_sold(terms, &lines)?),
        Ok(None) => goods(ctx, &lines)?,
        Err(error) => {
            tracing::error!(checkout.id = %event.session, %error, "a session of ours is damaged; the catalogue decides");
            goods(ctx, &lines)?
        }
    };
    let Some(goods) = goods else {
        if sells_a_pack(&event.metadata) || lines.iter().any(is_pack_of_ours) {
            tracing::error!(event.key = %row.key, checkout.id = %event.session, alarm = true,
                "a pack was paid for that is not in the catalogue; an operator has to add it and replay the event");
            return Ok(UNKNOWN_PACK);
        }
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
        priced_by: goods.priced_by,
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

/// What a session of ours sold. Its lines are as many packs as the customer bought.
fn as_sold(terms: PackTerms, lines: &[Line]) -> Result<Goods, Failure> {
    let packs: u64 = lines.iter().map(|line| line.quantity.unwrap_or(1)).sum();
    Ok(Goods {
        credits: times(terms.credits, packs)?,
        what: counted(packs, &terms.name),
        expires_days: terms.expires_days,
        priced_by: terms.priced_by,
    })
}

/// Whether a push of our catalogue created the product that a line sells.
fn is_pack_of_ours(line: &Line) -> bool {
    line.price.product.as_str().starts_with(PACK_PRODUCT)
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
        let more = times(pack.credits, quantity)?;
        credits = credits.checked_add(more).ok_or_else(too_many)?;
        expires_days = expires_days.into_iter().chain(pack.expires_days).min();
        what.push(counted(quantity, &pack.name));
    }
    Ok((!credits.is_zero()).then(|| Goods {
        credits,
        what: what.join(", "),
        expires_days,
        priced_by: ctx.catalogue.version.clone(),
    }))
}

fn times(credits: Credits, packs: u64) -> Result<Credits, Failure> {
    let sum = credits.micros().checked_mul(packs);
    sum.and_then(Credits::from_micros).ok_or_else(too_many)
}

fn counted(packs: u64, name: &str) -> String {
    if packs == 1 {
        name.to_owned()
    } else {
        format!("{packs} × {name}")
    }
}

fn too_many() -> Failure {
    Failure::never("more credits were bought than can be counted")
}
