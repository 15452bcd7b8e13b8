//! Two live subscriptions of one account, which should not be. One stands, and the others are
//! cancelled at once.
//!
//! The account's lock makes them rare: two Checkouts that were open at the same time and are both
//! paid, or a person at Stripe's dashboard. `domain::billing::subscriptions::standing` is the rule.
//! Safe to run twice: Stripe is asked which ones are live, and one that has ended is not ended again.

use crate::{Ctx, subscription};
use domain::accounts::Account;
use domain::billing::entitlements::plan_of;
use domain::ids::{AccountId, ActionId};
use domain::refusal::FlowError;
use domain::retry::Failure;
use flows::billing::rivals::{live, needs_last_invoice, stands};
use flows::billing::subscription_lock::locked;
use flows::billing::subscriptions::is_alive;
use sha2::{Digest, Sha256};
use std::time::Duration;
use stripe_api::StripeApi;

const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Ends all but one of the account's live subscriptions, if several are recorded. Returns what was
/// done, if anything was.
pub async fn settle(ctx: &Ctx, account: &AccountId) -> Result<Option<String>, Failure> {
    let Some((account, contracts)) = ctx.store.account_find_whole(account).await? else {
        return Ok(None);
    };
    let alive = contracts
        .subscriptions
        .iter()
        .filter(|one| is_alive(&one.status) && plan_of(&ctx.catalogue, one).is_some());
    if alive.count() < 2 {
        return Ok(None);
    }
    let Some(stripe) = ctx.stripe_maybe().await? else {
        tracing::error!(account.id = %account.id, alarm = true,
            "an account has several live subscriptions; set `STRIPE_SECRET_KEY` or cancel all but one");
        return Ok(None);
    };
    let shop = ctx.shop(&stripe);
    let digest: [u8; 32] = Sha256::digest(format!("rivals {}", account.id)).into();
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    let act = ActionId::of_digest(first);
    let work = end_others(ctx, &stripe, &account);
    match locked(&shop, &account.id, &act, work).await {
        Ok(done) => Ok(done),
        Err(FlowError::Failed(failure)) => Err(failure),
        Err(FlowError::Refused(refusal)) => Err(Failure::after(BUSY_WAIT, refusal.detail)),
    }
}

async fn end_others(
    ctx: &Ctx,
    stripe: &StripeApi,
    account: &Account,
) -> Result<Option<String>, FlowError> {
    let all = stripe.subscription_list(&account.customer).await?;
    // An event that was lost may have left one recorded as live.
    for ended in all.iter().filter(|one| one.ended_at.is_some()) {
        let kept = ended.as_kept(ended.ended_at.unwrap_or(ended.created));
        subscription::note(ctx, &account.id, &kept)
            .await
            .map_err(FlowError::Failed)?;
    }
    let live = live(&ctx.catalogue, &all);
    let standing = stands(&live);
    let Some(standing) = live.iter().find(|one| Some(&one.id) == standing.as_ref()) else {
        return Ok(None);
    };
    let mut ended = Vec::new();
    for other in live.iter().filter(|one| one.id != standing.id) {
        tracing::error!(account.id = %account.id, subscription.id = %standing.id, subscription.superseded = %other.id, alarm = true,
            "an account has two live subscriptions; one is cancelled");
        let last_invoice = needs_last_invoice(other, standing);
        let after = stripe
            .subscription_supersede(&other.id, &standing.id, last_invoice)
            .await?;
        if let Some(after) = after {
            let kept = after.as_kept(after.ended_at.unwrap_or(after.created));
            subscription::note(ctx, &account.id, &kept)
                .await
                .map_err(FlowError::Failed)?;
        }
        ended.push(other.id.to_string());
    }
    Ok((!ended.is_empty()).then(|| {
        format!(
            "subscription {} stands and supersedes {}",
            standing.id,
            ended.join(", ")
        )
    }))
}
