//! What our own work counts on its plan's quotas, besides pull requests: the agents that work at a
//! time, the tokens that models use, and the calls of the API that begin work. Also how many members
//! an account may have.
//!
//! The write that begins the work counts them, and only if the quotas have room. An agent is
//! returned when its work is done. How many tokens the work uses is known only afterwards, so it
//! begins while any are left.

use crate::billing::entitlements::Entitlements;
use crate::billing::plans::{Limit, Period, Quota, Renewal};
use crate::billing::usage::Meter;
use crate::time::Timestamp;

/// The period of a level: it does not begin or end.
pub const LEVEL: &str = "now";

/// An amount that work counts on a quota when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaUse {
    pub meter: Meter,
    pub period: String,
    /// Zero if the amount is counted later, and only something must be left now.
    pub amount: u64,
    pub limit: Limit,
}

/// What is fixed about quotas when work begins, because the plan may change until it ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuotaPlaces {
    /// Whether it takes one of the plan's agents while it works.
    pub agent: bool,
    /// The period whose quota counts its tokens, if that is not the period of its terms.
    pub tokens_in: Option<String>,
}

/// Whether a meter says how many there are at a time.
pub fn is_level(meter: &Meter) -> bool {
    *meter == Meter::agents() || *meter == Meter::users()
}

/// The period in which a meter counts for these entitlements.
pub fn period_of(entitlements: &Entitlements<'_>, meter: &Meter, now: Timestamp) -> Period {
    if is_level(meter) {
        return Period {
            key: LEVEL.to_owned(),
            start: None,
            end: None,
        };
    }
    let quota = entitlements.plan.quotas.get(meter);
    let renews = quota.map_or(Renewal::Month, |quota| quota.renews);
    Period::at(renews, entitlements.period, now)
}

fn quota<'a>(entitlements: &Entitlements<'a>, meter: &Meter) -> Option<&'a Quota> {
    entitlements.plan.quotas.get(meter)
}

/// An agent that works until its job is done, if the plan limits agents.
pub fn agent(entitlements: &Entitlements<'_>) -> Option<QuotaUse> {
    let meter = Meter::agents();
    Some(QuotaUse {
        limit: quota(entitlements, &meter)?.hard_limit(),
        meter,
        period: LEVEL.to_owned(),
        amount: 1,
    })
}

/// How many members the account may have. Like agents, a plan that does not limit them has places
/// for all.
pub fn places(entitlements: &Entitlements<'_>) -> Limit {
    quota(entitlements, &Meter::users()).map_or(Limit::Unlimited, Quota::hard_limit)
}

/// The tokens that models are going to use, if the plan limits tokens.
pub fn tokens(entitlements: &Entitlements<'_>, now: Timestamp) -> Option<QuotaUse> {
    of_period(entitlements, Meter::tokens(), 0, now)
}

/// A call of the API that begins work, if the plan limits calls.
pub fn api_call(entitlements: &Entitlements<'_>, now: Timestamp) -> Option<QuotaUse> {
    of_period(entitlements, Meter::api_calls(), 1, now)
}

fn of_period(
    entitlements: &Entitlements<'_>,
    meter: Meter,
    amount: u64,
    now: Timestamp,
) -> Option<QuotaUse> {
    Some(QuotaUse {
        limit: quota(entitlements, &meter)?.hard_limit(),
        period: period_of(entitlements, &meter, now).key,
        meter,
        amount,
    })
}

impl QuotaUse {
    /// Whether a quota of which this much is used has no room for it.
    pub const fn is_beyond(&self, used: u64) -> bool {
        match self.limit {
            Limit::Unlimited => false,
            // Of an amount that is counted later, something must be left.
            Limit::Of(most) => {
                let needed = if self.amount == 0 { 1 } else { self.amount };
                used.saturating_add(needed) > most
            }
        }
    }
}

/// Why work is refused for a quota, and until when: without a full stop, to be followed by what to
/// do.
pub fn refusal(entitlements: &Entitlements<'_>, meter: &Meter, now: Timestamp) -> String {
    let plan = &entitlements.plan.name;
    let count = match quota(entitlements, meter).map(|quota| quota.limit) {
        Some(Limit::Of(count)) => count.to_string(),
        Some(Limit::Unlimited) | None => "all".to_owned(),
    };
    if *meter == Meter::agents() {
        let jobs = if count == "1" { "job" } else { "jobs" };
        return format!(
            "the plan {plan} runs {count} {jobs} at a time; ask again when one has finished, or change the plan"
        );
    }
    if *meter == Meter::users() {
        let members = if count == "1" { "member" } else { "members" };
        return format!(
            "the plan {plan} has places for {count} {members}, and all are taken; remove a member or change the plan"
        );
    }
    let renews = quota(entitlements, meter).map_or(Renewal::Month, |quota| quota.renews);
    let until = match (renews, period_of(entitlements, meter, now).end) {
        (Renewal::Never, _) => " and do not renew".to_owned(),
        (_, Some(end)) => format!(" until the next period begins on {}", end.day()),
        (_, None) => " until the next period begins".to_owned(),
    };
    let what = meter.as_str().replace("api", "API").replace('_', " ");
    format!("the {count} {what} of the plan {plan} are used up{until}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_later_needs_something_left() {
        let of = |amount, limit| QuotaUse {
            meter: Meter::tokens(),
            period: LEVEL.to_owned(),
            amount,
            limit,
        };
        for (amount, limit, used, beyond) in [
            (1, Limit::Of(2), 1, false),
            (1, Limit::Of(2), 2, true),
            (0, Limit::Of(2), 1, false),
            (0, Limit::Of(2), 2, true),
            (0, Limit::Unlimited, 9, false),
        ] {
            assert_eq!(
                of(amount, limit).is_beyond(used),
                beyond,
                "{amount} of {used}"
            );
        }
    }
}
