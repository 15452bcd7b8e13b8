//! An account's spend limit: its amounts, what is spent of it, and the refusal of work that would
//! exceed it, with the notice about that.

use domain::billing::entitlements::Entitlements;
use domain::billing::plans::Period;
use domain::billing::spending::{SpendLimit, SpendUnit, Spent, billing_period};
use domain::ids::AccountId;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use domain::units::{Credits, Currency, Money};
use store::{Store, StoreError};

const MINOR_MAX: i64 = 99_999_999;

/// Returns the limit of these amounts, at least one of which is given.
pub fn limit(
    money_minor: Option<i64>,
    credits: Option<&str>,
    currency: Currency,
) -> Result<SpendLimit, Refusal> {
    let bad = |detail: String| Refusal::invalid("bad_amount", detail);
    if money_minor.is_some_and(|minor| !(0..=MINOR_MAX).contains(&minor)) {
        return Err(bad(format!("`money_minor` must be 0 to {MINOR_MAX}.")));
    }
    let credits = credits
        .map(Credits::parse)
        .transpose()
        .map_err(|error| bad(error.to_string()))?;
    if money_minor.is_none() && credits.is_none() {
        return Err(bad(
            "Provide `money_minor`, `credits` or both; DELETE removes the limit.".to_owned(),
        ));
    }
    Ok(SpendLimit {
        money: money_minor.map(|minor| Money { minor, currency }),
        credits,
    })
}

/// What an account spends in its current billing period.
pub struct Spending {
    pub period: Period,
    pub limit: SpendLimit,
    pub money: Spent,
    pub credits: Spent,
}

/// Reads the limit and what is spent of it.
pub async fn spending(
    store: &Store,
    account: &AccountId,
    entitlements: &Entitlements<'_>,
    now: Timestamp,
) -> Result<Spending, StoreError> {
    let period = billing_period(entitlements, now);
    let limit = store.spend_limit_find(account).await?;
    let spent = |unit| store.spent_find(account, &period.key, unit);
    let (money, credits) = (
        spent(SpendUnit::Money).await?,
        spent(SpendUnit::Credits).await?,
    );
    Ok(Spending {
        limit,
        money,
        credits,
        period,
    })
}

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
