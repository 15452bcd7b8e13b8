//! Refuses work that would exceed an account's spend limit, and records the notice about it.

use domain::billing::spending::SpendUnit;
use domain::ids::AccountId;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::{Store, StoreError};

/// Returns the refusal of work that would exceed the limit. The account gets one mail about it in
/// each billing period.
pub async fn reached(
    store: &Store,
    account: &AccountId,
    unit: SpendUnit,
    period: &str,
    now: Timestamp,
) -> Result<Refusal, StoreError> {
    let limit = store.spend_limit_find(account).await?;
    let spent = store.spent_find(account, period, unit).await?;
    if let Some(notice) = limit.reached((unit, period), spent, now) {
        store.notice_owe(account, &notice, now).await?;
    }
    let words = limit
        .usage_text(unit, spent)
        .unwrap_or_else(|| "the spend limit is reached".to_owned());
    let detail = format!(
        "This needs more than the spend limit leaves: {words}. Raise the limit with `PUT /api/v1/billing/spend-limit`, or \
         retry in the next billing period."
    );
    Ok(Refusal::forbidden("spend_limit_reached", detail))
}
