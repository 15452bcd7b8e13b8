//! Whether an account's next job would be accepted. `can_use_service` is the answer of [`obstacle`].
//! A job is refused by [`Barred`], which `obstacle` asks first, and by the conditions of the
//! transaction that creates the job, which `obstacle` foretells in the same order.

use super::{Funding, Offer};
use crate::accounts::Account;
use crate::billing::entitlements::MeteredTo;
use crate::billing::plans::Limit;
use crate::billing::usage::Meter;
use crate::ids::JobId;
use crate::ledger::{Balance, HoldId};
use crate::text::words;
use crate::time::Timestamp;

words! {
    /// Why an account's next job would be refused, in order of precedence.
    Obstacle {
        /// The owner has moved to another account.
        AccountClosed = "account_closed",
        /// The plan is billed through a subscription, and there is none.
        NoSubscription = "no_subscription",
        /// Too many delivered jobs are not reported to Stripe yet.
        TooMuchUnbilled = "too_much_unbilled",
        QuotaUsed = "quota_used",
        /// As many jobs are at work as the plan has agents.
        AgentsBusy = "agents_busy",
        SpendLimitReached = "spend_limit_reached",
        InsufficientCredits = "insufficient_credits",
    }
}

/// Why an account gets no job at all, whatever it would cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barred {
    AccountClosed,
    NoSubscription,
    /// That many delivered jobs are not reported to Stripe yet.
    TooMuchUnbilled(u64),
}

impl Barred {
    /// Returns why the account gets no job with this funding, if it gets none. `unbilled` is the
    /// number of delivered jobs that are not reported to Stripe yet.
    pub fn of(
        account: &Account,
        metered_to: MeteredTo,
        unbilled_max: Limit,
        funding: &Funding,
        unbilled: u64,
    ) -> Option<Self> {
        if !account.is_open() {
            return Some(Self::AccountClosed);
        }
        if !matches!(funding, Funding::Metered { .. }) {
            return None;
        }
        if metered_to == MeteredTo::Missing {
            return Some(Self::NoSubscription);
        }
        is_full(unbilled, unbilled_max).then_some(Self::TooMuchUnbilled(unbilled))
    }

    const fn obstacle(self) -> Obstacle {
        match self {
            Self::AccountClosed => Obstacle::AccountClosed,
            Self::NoSubscription => Obstacle::NoSubscription,
            Self::TooMuchUnbilled(_) => Obstacle::TooMuchUnbilled,
        }
    }
}

const fn is_full(count: u64, limit: Limit) -> bool {
    match limit {
        Limit::Of(most) => count >= most,
        Limit::Unlimited => false,
    }
}

/// What has to be read about an account to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How many delivered jobs are not reported to Stripe yet.
    pub unbilled: u64,
    /// How many jobs the quota's period counts.
    pub used: u64,
    /// How much is used of each of the offer's other quotas, in its order.
    pub others_used: Vec<u64>,
    pub balance: Balance,
    /// Whether the job's reservation fits the spend limit.
    pub spending_fits: bool,
}

/// Returns why the account's next job would be refused, if it would be.
pub fn obstacle(
    account: &Account,
    metered_to: MeteredTo,
    unbilled_max: Limit,
    offer: &Offer,
    standing: &Standing,
) -> Option<Obstacle> {
    let funding = &offer.terms.funding;
    if let Some(barred) = Barred::of(
        account,
        metered_to,
        unbilled_max,
        funding,
        standing.unbilled,
    ) {
        return Some(barred.obstacle());
    }
    if is_full(standing.used, offer.limit) {
        return Some(Obstacle::QuotaUsed);
    }
    let mut others = offer.uses.iter().zip(&standing.others_used);
    if let Some((full, _)) = others.find(|(one, used)| one.is_beyond(**used)) {
        return Some(if full.meter == Meter::agents() {
            Obstacle::AgentsBusy
        } else {
            Obstacle::QuotaUsed
        });
    }
    if !standing.spending_fits {
        return Some(Obstacle::SpendLimitReached);
    }
    (!covers(account, offer, &standing.balance)).then_some(Obstacle::InsufficientCredits)
}

/// Whether the balance covers what the job reserves.
fn covers(account: &Account, offer: &Offer, balance: &Balance) -> bool {
    // The bounds of a hold depend on neither its id nor its time.
    let at = Timestamp::default();
    let hold = HoldId::Job(JobId::mint(at, [0; 10]));
    let Some(posting) = offer.hold(&account.id, hold, "", at) else {
        return true;
    };
    let (least, _) = posting.bounds();
    let sum = |credits: crate::units::Credits| i64::try_from(credits.micros()).unwrap_or(i64::MAX);
    sum(balance.available).saturating_sub(sum(balance.debt)) >= least
}
