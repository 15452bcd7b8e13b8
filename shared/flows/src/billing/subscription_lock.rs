//! The lock of an account's subscription. Whatever creates or changes one holds it: a customer's
//! request, a trial's conversion, the creation of a Checkout session for a plan. So an account has
//! one subscription.
//!
//! Safe to run twice: the same act may take the lock again. A process that dies gives the lock back
//! when its time is over.

use crate::billing::Shop;
use domain::ids::{AccountId, ActionId};
use domain::refusal::{FlowError, Refusal};
use std::future::Future;
use std::time::Duration;
use store::SubscriptionLock;

/// The timeout of the functions that take the lock, plus five seconds.
const LASTS: Duration = Duration::from_secs(35);
/// The code of the refusal while another act holds the lock.
pub const BUSY: &str = "subscription_busy";

/// Does the work while the act holds the lock.
pub async fn locked<T>(
    shop: &Shop<'_>,
    account: &AccountId,
    act: &ActionId,
    work: impl Future<Output = Result<T, FlowError>>,
) -> Result<T, FlowError> {
    take(shop, account, act).await?;
    let result = work.await;
    // After an unclear answer Stripe may still carry out the request. The lock then stays until its
    // time is over, and only a repetition of this act comes before.
    if !matches!(result, Err(FlowError::Failed(_))) {
        release(shop, account, act).await;
    }
    result
}

/// Takes the lock, or refuses.
pub async fn take(shop: &Shop<'_>, account: &AccountId, act: &ActionId) -> Result<(), FlowError> {
    let span = (shop.now, shop.now.plus(LASTS));
    match shop.store.subscription_lock(account, act, span).await? {
        SubscriptionLock::Taken => Ok(()),
        SubscriptionLock::Busy => {
            let detail =
                "A concurrent request changes the account's subscription; retry in a minute.";
            Err(Refusal::conflict(BUSY, detail).into())
        }
    }
}

/// Gives the lock back. If that fails, it ends with its time.
pub async fn release(shop: &Shop<'_>, account: &AccountId, act: &ActionId) {
    if let Err(error) = shop.store.subscription_unlock(account, act).await {
        tracing::warn!(account.id = %account, %error, "could not give back the lock of a subscription");
    }
}
