//! What a customer has to be told of his invoices and subscriptions, each once; in words without addresses or links, which
//! stand where the customer has signed in.

use crate::{Ctx, invoice, subscription};
use domain::billing::entitlements::plan_of;
use domain::billing::subscriptions::{Invoice, Status, Subscription};
use domain::ids::AccountId;
use domain::notices::{Notice, Topic};
use domain::retry::Failure;
use domain::units::{Currency, Money};
use queues::Message;
use std::time::Duration;
use store::NoticeOwed;

/// A trial ends, unless that is no longer so.
pub async fn trial_ending(
    ctx: &Ctx,
    account: &AccountId,
    told: &Subscription,
) -> Result<(), Failure> {
    let Some(known) = subscription::find(ctx, account, &told.id).await? else {
        return Ok(());
    };
    let (Status::Trialing, Some(end)) = (&known.status, known.trial_end) else {
        return Ok(());
    };
    let plan = plan_of(&ctx.catalogue, &known).map_or("your plan", |plan| &plan.name);
    let words = format!(
        "The trial of {plan} ends on {}; from then on it has to be paid for.",
        end.day()
    );
    owe(
        ctx,
        account,
        &Notice::new(Topic::TrialEnding(known.id), words, told.as_of),
    )
    .await
}

/// A payment has failed, unless the invoice is settled by now.
pub async fn payment_failed(ctx: &Ctx, account: &AccountId, told: &Invoice) -> Result<(), Failure> {
    if is_settled(ctx, account, told).await? {
        return Ok(());
    }
    let mut words = format!(
        "The payment of {} for {} has failed. Stripe will try again.",
        money(told),
        named(told)
    );
    if let Some(then) = then(ctx, account, told).await? {
        words.push(' ');
        words.push_str(&then);
    }
    let topic = Topic::PaymentFailed(told.id.clone());
    owe(ctx, account, &Notice::new(topic, words, told.as_of)).await
}

/// The payer's bank wants to hear from him, unless the invoice is settled by now.
pub async fn action_required(
    ctx: &Ctx,
    account: &AccountId,
    told: &Invoice,
) -> Result<(), Failure> {
    if is_settled(ctx, account, told).await? {
        return Ok(());
    }
    let place = if told.url.is_some() {
        "on the invoice's page"
    } else {
        "with your bank"
    };
    let words = format!(
        "The payment of {} for {} has to be confirmed {place}.",
        money(told),
        named(told)
    );
    let topic = Topic::ActionRequired(told.id.clone());
    owe(ctx, account, &Notice::new(topic, words, told.as_of)).await
}

/// Owes a notice and sends its message; where that gets lost, the row is found due.
async fn owe(ctx: &Ctx, account: &AccountId, notice: &Notice) -> Result<(), Failure> {
    if ctx
        .store
        .notice_owe(account, notice, ctx.outside.now())
        .await?
        == NoticeOwed::Now
    {
        ctx.queues
            .send(&Message::Notice(notice.key(account)), Some(account))
            .await?;
    }
    Ok(())
}

/// Whether the invoice has got further than what is told of it.
async fn is_settled(ctx: &Ctx, account: &AccountId, told: &Invoice) -> Result<bool, Failure> {
    let known = invoice::find(ctx, account, &told.id).await?;
    Ok(known.is_some_and(|known| Invoice::rank(&known.status) > Invoice::rank(&told.status)))
}

/// What becomes of the plan that the invoice is for. The period that is not paid for began when the invoice was made.
async fn then(ctx: &Ctx, account: &AccountId, told: &Invoice) -> Result<Option<String>, Failure> {
    let Some(id) = &told.subscription else {
        return Ok(None);
    };
    let Some(subscription) = subscription::find(ctx, account, id).await? else {
        return Ok(None);
    };
    Ok(plan_of(&ctx.catalogue, &subscription).map(|plan| {
        let until = told
            .created_at
            .plus(Duration::from_secs(u64::from(plan.grace_days) * 86_400));
        match plan.grace_days {
            0 => format!("{} rests until it is paid.", plan.name),
            _ => format!(
                "{} goes on until {}, and rests then until it is paid.",
                plan.name,
                until.day()
            ),
        }
    }))
}

fn money(invoice: &Invoice) -> String {
    match Currency::parse(&invoice.currency) {
        Some(currency) => Money {
            minor: invoice.amount_due_minor,
            currency,
        }
        .to_string(),
        None => "what is due".to_owned(),
    }
}

fn named(invoice: &Invoice) -> String {
    invoice.number.as_ref().map_or_else(
        || "an invoice".to_owned(),
        |number| format!("invoice {number}"),
    )
}
