//! What all these events have in common: they say what something is now.

use crate::Ctx;
use domain::events::{InvoiceEvent, SubscriptionEvent};
use domain::ids::{AccountId, CustomerId};
use domain::retry::{Done, Failure};
use store::Noted;

/// Notes a subscription's new standing.
pub async fn subscription(ctx: &Ctx, event: &SubscriptionEvent) -> Result<Done, Failure> {
    let Some(account) = account_of(ctx, &event.customer).await? else { return Ok(UNATTRIBUTED) };
    let noted = ctx.store.subscription_note(&account, &event.subscription).await?;
    Ok(done(noted, format!("subscription {} is {}", event.subscription.id, event.subscription.status)))
}

/// Notes an invoice's new standing.
pub async fn invoice(ctx: &Ctx, event: &InvoiceEvent) -> Result<Done, Failure> {
    let Some(account) = account_of(ctx, &event.customer).await? else { return Ok(UNATTRIBUTED) };
    let noted = ctx.store.invoice_note(&account, &event.invoice).await?;
    Ok(done(noted, format!("invoice {} is {}", event.invoice.id, event.invoice.status)))
}

const UNATTRIBUTED: Done = Done::Ignored("unattributed: no account has this customer");

async fn account_of(ctx: &Ctx, customer: &CustomerId) -> Result<Option<AccountId>, Failure> {
    let found = ctx.store.customer_find(customer).await?;
    if found.is_none() {
        tracing::warn!(customer.id = %customer, alarm = true, "an event of a customer without an account");
    }
    Ok(found)
}

fn done(noted: Noted, what: String) -> Done {
    match noted {
        Noted::Now => Done::Applied(what),
        Noted::Outdated => Done::Ignored("something newer is known"),
    }
}
