//! Compares what Stripe bills with what was reported, when an invoice is final and when a
//! subscription ends or changes.

use crate::Ctx;
use domain::billing::subscriptions::Invoice;
use domain::ids::{AccountId, SubscriptionId};
use domain::retry::{Failure, Retry};
use flows::billing::unbilled::InvoiceCheck;
use std::time::Duration;
use stripe_api::StripeApi;

/// How long a comparison waits for Stripe.
const STRIPE_WAIT: Duration = Duration::from_secs(60);

/// Sets aside usage that no invoice of a subscription covers, if the subscription no longer bills
/// its meter.
pub async fn after_subscription(
    ctx: &Ctx,
    account: &AccountId,
    subscription: &SubscriptionId,
) -> Result<(), Failure> {
    if let Some(stripe) = ctx.stripe_maybe().await? {
        let check = check(ctx, &stripe);
        let checked = check.check_end(account, subscription);
        checked.await.map_err(later)?;
    }
    Ok(())
}

/// Sets aside usage that a final invoice lacks.
pub async fn after_invoice(
    ctx: &Ctx,
    account: &AccountId,
    invoice: &Invoice,
) -> Result<(), Failure> {
    let Some(subscription) = &invoice.subscription else {
        return Ok(());
    };
    if let Some(stripe) = ctx.stripe_maybe().await? {
        let check = check(ctx, &stripe);
        let checked = check.check_invoice(account, &invoice.id, subscription);
        checked.await.map_err(later)?;
        let checked = check.check_end(account, subscription);
        checked.await.map_err(later)?;
    }
    Ok(())
}

/// An outage of Stripe, however long, does not end the comparison.
fn later(failure: Failure) -> Failure {
    match failure.retry {
        Retry::Soon | Retry::Outage => Failure {
            retry: Retry::After(STRIPE_WAIT),
            ..failure
        },
        Retry::After(_) | Retry::Alarm(_) | Retry::Never => failure,
    }
}

fn check<'a>(ctx: &'a Ctx, stripe: &'a StripeApi) -> InvoiceCheck<'a> {
    InvoiceCheck {
        store: &ctx.store,
        stripe,
        catalogue: &ctx.catalogue,
        now: ctx.outside.now(),
    }
}
