//! Notices about quotas: at four fifths, and when a quota is used up. What happens beyond a quota
//! depends on the plan: work is refused until the next period, or for good, or it is charged.

use super::{Notice, Topic};
use crate::billing::entitlements::Entitlements;
use crate::billing::plans::{
    Catalogue, Limit, MeteredUnit, OverQuota, Period, Plan, Quota, Renewal,
};
use crate::billing::usage::Meter;
use crate::time::Timestamp;
use crate::units::{MICROS, Money};

/// The notice that a count on a meter causes, if any.
pub fn quota_notice(
    catalogue: &Catalogue,
    entitlements: &Entitlements<'_>,
    (meter, used): (&Meter, u64),
    now: Timestamp,
) -> Option<Notice> {
    let plan = entitlements.plan;
    let quota = plan.quotas.get(meter)?;
    let Limit::Of(limit) = quota.limit else {
        return None;
    };
    let period = Period::at(quota.renews, entitlements.period, now);
    let topic = warning(meter, &period.key, used, limit)?;
    let units = units(catalogue, meter);
    let state = if used > limit {
        format!(
            "{used} {units} are used; the plan {} includes {limit}.",
            plan.name
        )
    } else {
        format!(
            "{used} of the {limit} {units} of the plan {} are used.",
            plan.name
        )
    };
    let outlook = outlook(catalogue, plan, (meter, quota, used >= limit), &period);
    Some(Notice::new(topic, format!("{state} {outlook}"), now))
}

/// What happens beyond a quota, in one or two sentences. `used_up` says whether it is used up by
/// now.
fn outlook(
    catalogue: &Catalogue,
    plan: &Plan,
    (meter, quota, used_up): (&Meter, &Quota, bool),
    period: &Period,
) -> String {
    let units = units(catalogue, meter);
    if quota.beyond == OverQuota::Charge {
        return match price_beyond(catalogue, plan, meter, quota.limit) {
            Some(price) => format!("Work continues, and each further one costs {price}."),
            None => "Work continues, and what exceeds it is charged.".to_owned(),
        };
    }
    let opening = if used_up {
        "Further ones are refused"
    } else {
        "When they are used up, further ones are refused"
    };
    let next = plan.converts_to.as_ref().and_then(|id| catalogue.plan(id));
    match (quota.renews, next, period.end) {
        (Renewal::Never, Some(next), _) => format!(
            "{opening}, because these {units} do not renew. To continue, add a payment method; the plan {} follows.",
            next.name
        ),
        (Renewal::Never, None, _) => {
            format!("{opening}, because these {units} do not renew. To continue, choose a plan.")
        }
        (Renewal::Month | Renewal::Subscription, _, Some(end)) => {
            format!("{opening} until the next period begins on {}.", end.day())
        }
        (Renewal::Month | Renewal::Subscription, _, None) => {
            format!("{opening} until the next period begins.")
        }
    }
}

/// What one more unit costs beyond the limit, if it costs whole minor units.
fn price_beyond(catalogue: &Catalogue, plan: &Plan, meter: &Meter, limit: Limit) -> Option<Money> {
    let Limit::Of(limit) = limit else {
        return None;
    };
    let charge = plan
        .charges
        .iter()
        .find(|charge| charge.meter == *meter && charge.counts == MeteredUnit::Pulls)?;
    let up_to = |units| charge.rate.micros(units);
    let micros = up_to(limit.checked_add(1)?).checked_sub(up_to(limit))?;
    (micros % MICROS == 0).then_some(Money {
        minor: i64::try_from(micros / MICROS).ok()?,
        currency: catalogue.currency,
    })
}

/// The name of a meter within a sentence, for example "pull requests" or "API calls".
fn units(catalogue: &Catalogue, meter: &Meter) -> String {
    let Some(info) = catalogue.meters.get(meter) else {
        return meter.to_string();
    };
    let mut chars = info.name.chars();
    let (first, second) = (chars.next(), chars.next());
    match (first, second) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain([second]).chain(chars).collect()
        }
        _ => info.name.clone(),
    }
}

/// The warning that a count causes, if any: at four fifths of a limit, and at the limit.
fn warning(meter: &Meter, period: &str, used: u64, limit: u64) -> Option<Topic> {
    let topic = |kind: fn(Meter, String) -> Topic| Some(kind(meter.clone(), period.to_owned()));
    if used >= limit {
        return topic(Topic::QuotaUsed);
    }
    // This is `used / limit >= 4 / 5`, without fractions or overflow.
    if u128::from(used) * 5 >= u128::from(limit) * 4 {
        topic(Topic::QuotaNearlyUsed)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notices::NoticeKind;

    #[test]
    fn a_quota_warns_at_four_fifths_and_at_the_end() {
        let meter = Meter::pull_requests();
        for (used, limit, expected) in [
            (79, 100, None),
            (80, 100, Some(NoticeKind::QuotaNearlyUsed)),
            (99, 100, Some(NoticeKind::QuotaNearlyUsed)),
            (100, 100, Some(NoticeKind::QuotaUsed)),
            (101, 100, Some(NoticeKind::QuotaUsed)),
            (1, 1, Some(NoticeKind::QuotaUsed)),
            (u64::MAX - 1, u64::MAX, Some(NoticeKind::QuotaNearlyUsed)),
        ] {
            let topic = warning(&meter, "2026-11", used, limit);
            assert_eq!(
                topic.as_ref().map(Topic::kind),
                expected,
                "{used} of {limit}"
            );
        }
    }
}
