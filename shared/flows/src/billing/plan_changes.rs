//! What customers do with their plan: preview a change, change it now or when the period ends, cancel
//! it and resume it.
//!
//! Safe to run twice: `subscription_changes` makes each change once for its act.

use crate::billing::Shop;
use crate::billing::prices::{self, from_stripe};
use crate::billing::purchases::whole;
use crate::billing::subscription_changes::{
    Change, ChangeKind, active_subscription, change, change_to,
};
use crate::billing::usage_reports::Reporter;
use crate::billing::{intents, subscriptions};
use domain::ids::{AccountId, ActionId, SubscriptionId};
use domain::refusal::{FlowError, Refusal};
use stripe_api::{Cancel, PreviewLine};

/// The maximum age of a preview.
pub const PREVIEW_SECONDS: i64 = 3_600;

/// What a change of plan would cost now.
pub struct PlanPreview {
    /// The amount due immediately. Negative for a credit.
    pub amount_due_minor: i64,
    pub currency: String,
    /// The moment of the preview. A change with this moment costs exactly this.
    pub at: i64,
    pub lines: Vec<PreviewLine>,
}

/// Subscribes to a plan, which the account's default payment method pays for.
pub async fn subscribe(
    shop: &Shop<'_>,
    account: &AccountId,
    act: &ActionId,
    plan: &str,
) -> Result<SubscriptionId, FlowError> {
    let plan = prices::plan(shop.catalogue, plan)?;
    let (account, contracts) = whole(shop.store, account).await?;
    let what = format!("subscribe {}", plan.id);
    let begun = match intents::begun(shop.store, &account.id, act, &what).await? {
        Some(begun) => begun,
        None => {
            let order = subscriptions::order(shop, &account, &contracts.subscriptions, plan);
            intents::new(what, &order.await?, shop.now)
        }
    };
    subscriptions::subscribe(shop, &account, act, begun).await
}

/// Previews the cost of a change to another plan now. Nothing is changed.
pub async fn preview(
    shop: &Shop<'_>,
    account: &AccountId,
    plan: &str,
) -> Result<PlanPreview, FlowError> {
    let plan = prices::plan(shop.catalogue, plan)?;
    let (account, _) = whole(shop.store, account).await?;
    let there = active_subscription(shop, &account).await?;
    let at = shop.now.seconds();
    let change = change_to(shop, &there, plan, at).await?;
    if change.items.is_empty() {
        return Ok(PlanPreview {
            amount_due_minor: 0,
            currency: shop.catalogue.currency.to_string(),
            at,
            lines: Vec::new(),
        });
    }
    let preview = shop
        .stripe
        .subscription_preview(&there.id, &change)
        .await
        .map_err(from_stripe)?;
    Ok(PlanPreview {
        amount_due_minor: preview.amount_due_minor,
        currency: preview.currency,
        at,
        lines: preview.lines.data,
    })
}

/// Changes the plan, at the price of the preview of this moment if there is one.
pub async fn change_plan(
    shop: &Shop<'_>,
    reporter: &Reporter<'_>,
    account: &AccountId,
    act: ActionId,
    (plan, previewed_at): (&str, Option<i64>),
) -> Result<SubscriptionId, FlowError> {
    let plan = prices::plan(shop.catalogue, plan)?;
    let now = shop.now.seconds();
    let at = previewed_at.unwrap_or(now);
    if at > now || now - at > PREVIEW_SECONDS {
        let detail = "`at` must come from a preview made within the last hour.";
        return Err(Refusal::invalid("bad_at", detail).into());
    }
    let what = previewed_at.map_or_else(
        || format!("change {}", plan.id),
        |at| format!("change {} {at}", plan.id),
    );
    let (account, _) = whole(shop.store, account).await?;
    // What is owed until now is billed as the present plan bills it.
    reporter.flush(&account.id).await;
    let kind = ChangeKind::To(plan);
    let wanted = Change {
        act,
        what,
        at,
        kind,
    };
    change(shop, &account, wanted).await
}

/// Changes the plan when the period ends. Until then nothing is charged, and the plan stays.
pub async fn change_plan_later(
    shop: &Shop<'_>,
    account: &AccountId,
    act: ActionId,
    plan: &str,
) -> Result<SubscriptionId, FlowError> {
    let plan = prices::plan(shop.catalogue, plan)?;
    let what = format!("change {} at the end of the period", plan.id);
    let kind = ChangeKind::Later(plan);
    change_as(shop, account, act, (what, kind)).await
}

/// Withdraws a change of plan that was to be made when the period ends.
pub async fn keep_plan(
    shop: &Shop<'_>,
    account: &AccountId,
    act: ActionId,
) -> Result<SubscriptionId, FlowError> {
    let what = "keep the plan".to_owned();
    change_as(shop, account, act, (what, ChangeKind::Keep)).await
}

/// Makes a change that has no proration.
async fn change_as(
    shop: &Shop<'_>,
    account: &AccountId,
    act: ActionId,
    (what, kind): (String, ChangeKind<'_>),
) -> Result<SubscriptionId, FlowError> {
    let (account, _) = whole(shop.store, account).await?;
    let wanted = Change {
        act,
        what,
        at: shop.now.seconds(),
        kind,
    };
    change(shop, &account, wanted).await
}

/// Undoes a cancellation, or resumes a paused subscription. Also withdraws a planned change.
pub async fn resume(
    shop: &Shop<'_>,
    account: &AccountId,
    act: ActionId,
) -> Result<SubscriptionId, FlowError> {
    let what = "resume".to_owned();
    change_as(shop, account, act, (what, ChangeKind::Resume)).await
}

/// Cancels the subscription: with its period, or now with a final invoice for usage.
pub async fn cancel(
    shop: &Shop<'_>,
    reporter: &Reporter<'_>,
    account: &AccountId,
    act: ActionId,
    how: Cancel,
) -> Result<SubscriptionId, FlowError> {
    let (account, _) = whole(shop.store, account).await?;
    let wanted = Change {
        act,
        what: format!("cancel {how:?}"),
        at: shop.now.seconds(),
        kind: ChangeKind::Cancel(how),
    };
    // The last invoice bills what Stripe knows when it is made.
    reporter.flush(&account.id).await;
    change(shop, &account, wanted).await
}
