//! Why an account's next job would be refused, as the rows say it now: reads what
//! `domain::jobs::admission` needs and writes nothing.

use crate::accounts::Entitled;
use domain::billing::entitlements::Entitlements;
use domain::billing::plans::{Catalogue, Limit, Plan};
use domain::billing::quotas;
use domain::billing::usage::Meter;
use domain::ids::AccountId;
use domain::jobs::admission::{Obstacle, Standing, obstacle};
use domain::jobs::{Funding, Offer};
use domain::refusal::Refusal;
use domain::retry::Failure;
use domain::time::Timestamp;
use store::Store;

/// Returns why the account's next job would be refused. It counts expired holds that nobody has
/// released yet as held.
pub async fn next_job_as_recorded(
    store: &Store,
    catalogue: &Catalogue,
    entitled: &Entitled<'_>,
    now: Timestamp,
) -> Result<Option<Obstacle>, Failure> {
    let (account, entitlements) = (&entitled.account, &entitled.entitlements);
    let offer = Offer::of(catalogue, entitlements, &account.customer, now);
    let meter = Meter::pull_requests();
    let begins = offer.terms.begins(&account.id);
    let mut others_used = Vec::new();
    for other in &offer.uses {
        let used = store.quota_used(&account.id, &other.meter, &other.period);
        others_used.push(used.await?);
    }
    let standing = Standing {
        unbilled: unbilled(store, &account.id, entitlements.plan, &offer.terms.funding).await?,
        used: store
            .quota_used(&account.id, &meter, &offer.terms.period)
            .await?,
        others_used,
        balance: store.balance_find(&account.id).await?,
        spending_fits: store.spending_fits(begins.as_ref()).await?,
    };
    let most = entitlements.plan.unbilled_max;
    Ok(obstacle(
        account,
        entitlements.metered_to,
        most,
        &offer,
        &standing,
    ))
}

/// Returns how many delivered jobs are not reported to Stripe yet, counted up to the plan's limit.
pub async fn unbilled(
    store: &Store,
    account: &AccountId,
    plan: &Plan,
    funding: &Funding,
) -> Result<u64, Failure> {
    let (Funding::Metered { counts, .. }, Limit::Of(most)) = (funding, plan.unbilled_max) else {
        return Ok(0);
    };
    let records = u64::try_from(counts.len()).unwrap_or(u64::MAX).max(1);
    let owed = store
        .owed_count(account, most.saturating_mul(records))
        .await?;
    Ok(owed / records)
}

/// The refusal of work for which a quota of the plan has no room.
pub fn quota_used(
    entitlements: &Entitlements<'_>,
    meter: &Meter,
    url: &str,
    now: Timestamp,
) -> Refusal {
    let why = quotas::refusal(entitlements, meter, now);
    let mut letters = why.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    let detail = format!("{first}{}; see your plan at {url}.", letters.as_str());
    Refusal::forbidden("quota_used", detail)
}
