//! Entitlements: an account's plan at a moment, and whether it is paid for.
//!
//! They are computed each time from the last known state at Stripe and GitHub, so nothing can be
//! stale. One table decides by Stripe's status; of several subscriptions the best counts, so that
//! no account has two quotas. A plan that GitHub bills comes before Stripe's, so that no job is
//! paid for twice; a free plan on GitHub comes after it. Work that a plan meters needs somebody who
//! is billed for it: a live subscription to that plan, or an operator's word that it is free.

use crate::accounts::{Account, AccountBilling};
use crate::billing::marketplace::{ListedPrice, MarketplacePurchase, PurchaseState};
use crate::billing::plans::{Catalogue, Pays, Plan, PlanId, Span};
use crate::billing::subscriptions::{Contracts, Status, Subscription, SubscriptionItem};
use crate::billing::usage::Meter;
use crate::text::words;
use crate::time::Timestamp;
use std::cmp::Reverse;
use std::time::Duration;

/// What an account may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlements<'a> {
    pub plan: &'a Plan,
    pub coverage: Coverage,
    /// The status of the subscription that counts, if there is one.
    pub status: Option<Status>,
    pub period: Option<Span>,
    pub metered_to: MeteredTo,
}

words! {
    /// Who is billed for metered work.
    MeteredTo {
        /// The plan meters nothing.
        NothingMetered = "nothing_metered",
        /// A live subscription to the plan.
        Subscription = "subscription",
        /// Nobody, because an operator said so.
        Free = "free",
        /// Nobody, because there is no live subscription. Metered work is refused.
        Missing = "missing",
    }
}

impl MeteredTo {
    fn of(plan: &Plan, account: &Account, subscribed: bool) -> Self {
        match (plan.pays, account.billing) {
            (Pays::Credits | Pays::Nothing, _) => Self::NothingMetered,
            (Pays::Meters, AccountBilling::None) => Self::Free,
            (Pays::Meters, AccountBilling::Stripe) if subscribed => Self::Subscription,
            (Pays::Meters, AccountBilling::Stripe) => Self::Missing,
        }
    }
}

/// Whether a plan is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    Full,
    /// A payment failed; the plan continues for a limited time.
    Grace {
        until: Timestamp,
    },
    /// The subscription lapsed; the plan is the fallback.
    Lapsed,
}

/// What a status at Stripe means for the service.
enum Meaning {
    Serve,
    ServeForAWhile,
    NotYet,
    Over,
}

const fn meaning(status: &Status) -> Meaning {
    match status {
        Status::Active | Status::Trialing => Meaning::Serve,
        Status::PastDue => Meaning::ServeForAWhile,
        Status::Incomplete => Meaning::NotYet,
        Status::Unpaid | Status::Paused | Status::IncompleteExpired | Status::Canceled => {
            Meaning::Over
        }
        // The store keeps the last status that this code knew, so an unknown one means that no
        // known status was ever reported. A customer is not cut off because of it.
        Status::Other(_) => Meaning::Serve,
    }
}

const fn rank(status: &Status) -> u8 {
    match meaning(status) {
        Meaning::Serve => 3,
        Meaning::ServeForAWhile => 2,
        Meaning::NotYet => 1,
        Meaning::Over => 0,
    }
}

/// The account's entitlements at `now`, or `None` if the catalogue lacks its default plan.
pub fn entitlements<'a>(
    catalogue: &'a Catalogue,
    account: &Account,
    contracts: &Contracts,
    now: Timestamp,
) -> Option<Entitlements<'a>> {
    let default = catalogue.plan(&catalogue.default_plan)?;
    let own = PlanId::parse(&account.plan)
        .and_then(|id| catalogue.plan(&id))
        .unwrap_or(default);
    let beside_stripe = |plan: &'a Plan, coverage| {
        Some(Entitlements {
            plan,
            coverage,
            status: None,
            period: None,
            metered_to: MeteredTo::of(plan, account, false),
        })
    };
    let bought = bought(catalogue, &contracts.purchases);
    if let Some((plan, PurchaseState::Active, ListedPrice::Paid)) = bought {
        return beside_stripe(plan, Coverage::Full);
    }
    let sold = |subscription: &&'_ Subscription| plan_of(catalogue, subscription).is_some();
    let best = contracts
        .subscriptions
        .iter()
        .filter(sold)
        .max_by_key(|one| (rank(&one.status), one.created_at, Reverse(one.id.clone())));
    let Some(best) = best else {
        return match bought {
            // If an operator chose another plan for this account, a free purchase on GitHub does
            // not replace it.
            Some((plan, PurchaseState::Active, _)) if own.id == catalogue.default_plan => {
                beside_stripe(plan, Coverage::Full)
            }
            Some((plan, PurchaseState::Cancelled, ListedPrice::Paid)) => {
                beside_stripe(after_purchase(catalogue, plan, own), Coverage::Lapsed)
            }
            Some(_) | None => beside_stripe(own, Coverage::Full),
        };
    };
    let sold = plan_of(catalogue, best)?;
    let (plan, coverage) = in_effect(catalogue, contracts, best, (sold, own), now);
    // A live subscription bills what its own plan meters, and nothing of another plan.
    let live = coverage != Coverage::Lapsed
        && matches!(
            meaning(&best.status),
            Meaning::Serve | Meaning::ServeForAWhile
        );
    Some(Entitlements {
        plan,
        coverage,
        status: Some(best.status.clone()),
        period: best.period,
        metered_to: MeteredTo::of(plan, account, live && plan.id == sold.id),
    })
}

/// The plan in effect of an account whose subscription to `plan` counts, and whether it is paid.
fn in_effect<'a>(
    catalogue: &'a Catalogue,
    contracts: &Contracts,
    best: &Subscription,
    (plan, own): (&'a Plan, &'a Plan),
    now: Timestamp,
) -> (&'a Plan, Coverage) {
    match meaning(&best.status) {
        Meaning::Serve => (plan, Coverage::Full),
        Meaning::ServeForAWhile => {
            // The invoice's event may arrive after the subscription's.
            let since = match contracts.failures.get(&best.id) {
                Some(failure) => failure.since,
                None => best.as_of,
            };
            let until = grace_end(plan, since);
            if now < until {
                (plan, Coverage::Grace { until })
            } else {
                (after(catalogue, plan, own), Coverage::Lapsed)
            }
        }
        Meaning::NotYet => (own, Coverage::Full),
        Meaning::Over => (after(catalogue, plan, own), Coverage::Lapsed),
    }
}

/// How long a plan continues after a payment failed at `since`.
pub fn grace_end(plan: &Plan, since: Timestamp) -> Timestamp {
    since.plus(Duration::from_secs(u64::from(plan.grace_days) * 86_400))
}

/// When to remind of the end of the grace: two days before, or half-way through a short one.
/// `None` if there is no grace.
pub fn grace_reminder(plan: &Plan, since: Timestamp) -> Option<Timestamp> {
    let grace = Duration::from_secs(u64::from(plan.grace_days) * 86_400);
    (!grace.is_zero()).then(|| since.plus(grace - REMIND_BEFORE.min(grace / 2)))
}

const REMIND_BEFORE: Duration = Duration::from_secs(2 * 86_400);

/// Returns the purchase that counts, with its plan. An active purchase comes before a cancelled
/// one, then a paid one before a free one, then the latest.
fn bought<'a>(
    catalogue: &'a Catalogue,
    purchases: &[MarketplacePurchase],
) -> Option<(&'a Plan, PurchaseState, ListedPrice)> {
    let order = |one: &MarketplacePurchase| {
        (
            one.state == PurchaseState::Active,
            one.listed.price == ListedPrice::Paid,
        )
    };
    let meant = purchases
        .iter()
        .filter_map(|one| Some((one, catalogue.plan_listed(&one.listed)?)));
    let best = meant.max_by_key(|(one, _)| (order(one), one.rank.clone(), one.owner));
    best.map(|(one, plan)| (plan, one.state, one.listed.price))
}

/// The plan after GitHub stops billing: the account's own plan. If that is the default plan, which
/// nobody chose, the fallback of the cancelled plan comes first.
fn after_purchase<'a>(catalogue: &'a Catalogue, over: &'a Plan, own: &'a Plan) -> &'a Plan {
    let fallback = over.fallback.as_ref().and_then(|id| catalogue.plan(id));
    fallback
        .filter(|_| own.id == catalogue.default_plan)
        .unwrap_or(own)
}

/// The first known plan that the subscription's items sell.
pub fn plan_of<'a>(catalogue: &'a Catalogue, subscription: &Subscription) -> Option<&'a Plan> {
    subscription
        .items
        .iter()
        .find_map(|item| catalogue.plan_sold_by(&item.price, item.product.as_ref()))
}

/// Whether a subscription bills a meter. One that sells no plan of ours may bill any.
pub fn bills(catalogue: &Catalogue, subscription: &Subscription, meter: &Meter) -> bool {
    let sold = |item: &SubscriptionItem| catalogue.plan_sold_by(&item.price, item.product.as_ref());
    let mut plans = subscription.items.iter().filter_map(sold).peekable();
    plans.peek().is_none()
        || plans.any(|plan| plan.charges.iter().any(|charge| charge.meter == *meter))
}

/// The plan after another one has lapsed: the account's own plan, if somebody chose it and it is
/// not the lapsed one; otherwise the fallback of the lapsed plan; otherwise the default plan.
/// Nobody chooses the default plan, so cancelling does not lead to it past a fallback.
fn after<'a>(catalogue: &'a Catalogue, lapsed: &'a Plan, own: &'a Plan) -> &'a Plan {
    if own.id != lapsed.id && own.id != catalogue.default_plan {
        return own;
    }
    let fallback = lapsed.fallback.as_ref().and_then(|id| catalogue.plan(id));
    fallback
        .or_else(|| catalogue.plan(&catalogue.default_plan))
        .unwrap_or(own)
}

#[cfg(test)]
mod tests;
