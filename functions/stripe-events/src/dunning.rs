//! Plans the notices that follow a failed payment: one before the grace ends, and one when the plan
//! stops.
//!
//! They are rows that are due later; the sweeper finds them then, and they are sent only if they are
//! still true. The events of the invoice and of the subscription arrive in any order. Each calls
//! this after it has recorded its own fact, so the later one finds both. Safe to run twice: a notice
//! belongs to its invoice.

use crate::Ctx;
use domain::billing::entitlements::{grace_end, grace_reminder, plan_of};
use domain::billing::subscriptions::{Invoice, Status};
use domain::ids::{AccountId, SubscriptionId};
use domain::notices::{Notice, PlannedNotice, Topic};
use domain::retry::Failure;
use domain::units::{Currency, Money};

/// Plans the notices of a subscription that waits for a payment.
pub async fn plan(ctx: &Ctx, account: &AccountId, id: &SubscriptionId) -> Result<(), Failure> {
    let Some(known) = ctx.store.subscription_find(account, id).await? else {
        return Ok(());
    };
    let ended = match known.status {
        Status::PastDue => false,
        Status::Unpaid | Status::Canceled => true,
        _ => return Ok(()),
    };
    let Some(failure) = ctx.store.payment_failures(account).await?.remove(id) else {
        return Ok(());
    };
    let Some(plan) = plan_of(&ctx.catalogue, &known) else {
        return Ok(());
    };
    let Some(invoice) = ctx.store.invoice_find(account, &failure.invoice).await? else {
        return Ok(());
    };
    let due = format!("{} ({})", named(&invoice), money(&invoice));
    let end = grace_end(plan, failure.since);
    // A final status can come before the grace has ended.
    let stops_at = if ended { end.min(known.as_of) } else { end };
    let stopped = match known.status {
        Status::Canceled => format!("{} has ended, and {due} is not paid.", plan.name),
        _ => format!("{} is suspended, because {due} is not paid.", plan.name),
    };
    let topic = Topic::ServiceStopped(failure.invoice.clone());
    let stopped = PlannedNotice {
        notice: Notice::new(topic, stopped, known.as_of),
        due_at: stops_at,
        valid_until: None,
    };
    ctx.store.notice_plan(account, &stopped).await?;
    let Some(remind_at) = grace_reminder(plan, failure.since).filter(|_| !ended) else {
        return Ok(());
    };
    let words = format!(
        "{} is suspended on {} unless {due} is paid by then.",
        plan.name,
        end.day()
    );
    let ending = PlannedNotice {
        notice: Notice::new(Topic::ServiceEnding(failure.invoice), words, known.as_of),
        due_at: remind_at,
        valid_until: Some(end),
    };
    Ok(ctx.store.notice_plan(account, &ending).await?)
}

/// Says what is due of an invoice.
pub fn money(invoice: &Invoice) -> String {
    match Currency::parse(&invoice.currency) {
        Some(currency) => Money {
            minor: invoice.amount_due_minor,
            currency,
        }
        .to_string(),
        None => "what is due".to_owned(),
    }
}

/// Names an invoice by its number, if it has one.
pub fn named(invoice: &Invoice) -> String {
    invoice.number.as_ref().map_or_else(
        || "an invoice".to_owned(),
        |number| format!("invoice {number}"),
    )
}
