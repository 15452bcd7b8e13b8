//! The mail address of an account that an operator changed: sets it at Stripe, which sends receipts
//! there.
//!
//! The account's row is due until Stripe has the address. A run sends the account's
//! present address, so a customer's own later change is never undone, and ends the row only for the
//! change that it read. Safe to run twice, at once, and after a death: the same address is set again.

use crate::Ctx;
use domain::ids::AccountId;
use domain::retry::{Done, Failure};
use std::time::Duration;
use store::{Finished, OwedMail};
use stripe_api::{CustomerChange, StripeError};

/// How long to wait before the call is made under another key.
const KEY_WAIT: Duration = Duration::from_secs(1);

/// Sets the address at Stripe, unless that is done.
pub async fn handle(ctx: &Ctx, account: &AccountId) -> Result<Done, Failure> {
    let Some(owed) = ctx.store.account_mail_owed(account).await? else {
        return Ok(Done::Duplicate);
    };
    let Some(address) = &owed.address else {
        ctx.store.account_mail_settled(&owed).await?;
        return Ok(Done::Ignored("Stripe documents no way to clear an address"));
    };
    let Some(stripe) = ctx.stripe_maybe().await? else {
        ctx.store.account_mail_settled(&owed).await?;
        return Ok(Done::Ignored("Stripe is not set up here"));
    };
    let change = CustomerChange {
        email: Some(address.as_str()),
        name: None,
        address: None,
    };
    let key = owed.idempotency_key();
    match stripe.customer_update(&owed.customer, &change, &key).await {
        Ok(()) => settled(ctx, &owed, "Stripe has the account's mail address").await,
        // The account's address has changed since the key was used, or Stripe has stored a failure
        // of its own under it.
        Err(error) if error.key_reused() || error.failure_is_stored() => {
            ctx.store.account_mail_next_key(&owed).await?;
            Err(Failure::after(KEY_WAIT, "the call needs another key"))
        }
        Err(error) if matches!(error, StripeError::Refused { .. }) => {
            tracing::error!(account.id = %account, customer.id = %owed.customer, %error, alarm = true,
                "Stripe refuses an account's mail address");
            settled(ctx, &owed, "Stripe refuses the account's mail address").await
        }
        Err(error) => Err(error.into()),
    }
}

async fn settled(ctx: &Ctx, owed: &OwedMail, what: &str) -> Result<Done, Failure> {
    Ok(match ctx.store.account_mail_settled(owed).await? {
        Finished::Now => Done::Applied(what.to_owned()),
        Finished::Already => Done::Duplicate,
    })
}
