//! Checks the relations between a catalogue's entries.

use crate::fault::Faults;
use crate::fields::Placed;
use crate::plans::Read;
use domain::billing::plans::{Availability, CreditPack, ModelPrice, OverQuota, Pays, Plan, PlanId};
use domain::billing::usage::Meter;
use domain::ids::PriceId;
use std::collections::BTreeMap;

/// Records every inconsistency.
pub fn check(
    faults: &Faults,
    plans: &[Read],
    packs: &[CreditPack],
    models: &[ModelPrice],
    default_plan: Option<&Placed<PlanId>>,
) {
    if plans.is_empty() {
        faults.note(None, "the catalogue", "has no plans; add one with [[plan]]");
    }
    for (at, read) in plans.iter().enumerate() {
        let fault =
            |what: String| faults.note(Some(read.line), &format!("plan {}", read.plan.id), what);
        if plans[..at]
            .iter()
            .any(|before| before.plan.id == read.plan.id)
        {
            fault("another plan has this id; give each plan its own".to_owned());
        }
        payment(&read.plan, models, &fault);
        marketplace(&read.plan, &plans[..at], &fault);
        for (field, named) in [
            ("fallback", &read.plan.fallback),
            ("converts_to", &read.plan.converts_to),
        ] {
            let Some(named) = named else { continue };
            if *named == read.plan.id {
                fault(format!(
                    "{field} names the plan itself; name another plan or remove it"
                ));
            } else if find(plans, named).is_none() {
                fault(format!(
                    "{field} names {named}, which is not a plan in this catalogue; correct it or add that plan"
                ));
            }
        }
        if let Some(free) = read
            .plan
            .fallback
            .as_ref()
            .and_then(|id| find(plans, id))
            .filter(|plan| costs(plan))
        {
            fault(format!(
                "fallback names {}, which has a price; name a plan without one",
                free.id
            ));
        }
        if circles(plans, &read.plan) {
            fault("its fallbacks form a loop; remove the fallback of one of them".to_owned());
        }
    }
    if let Some(Placed { value: id, line }) = default_plan {
        let fault = |what: String| faults.note(Some(*line), "default_plan", what);
        match find(plans, id) {
            None => fault(format!(
                "no plan has the id {id}; use the id of one of the plans"
            )),
            Some(plan) if costs(plan) => fault(format!("{id} has a price; use a plan without one")),
            Some(_) => {}
        }
    }
    twice(
        plans.iter().map(|read| &read.plan),
        packs,
        &|entry, what| faults.note(None, entry, what),
    );
}

fn find<'p>(plans: &'p [Read], id: &PlanId) -> Option<&'p Plan> {
    plans
        .iter()
        .map(|read| &read.plan)
        .find(|plan| plan.id == *id)
}

fn costs(plan: &Plan) -> bool {
    plan.price.is_some() || plan.sold == Availability::ByAgreement
}

/// Checks that a plan has every field that its payment method needs, and no others.
fn payment(plan: &Plan, models: &[ModelPrice], fault: &impl Fn(String)) {
    let way = match plan.pays {
        Pays::Credits => "credits",
        Pays::Meters => "meters",
        Pays::Nothing => "nothing",
    };
    if plan.pays == Pays::Credits {
        if plan.budget.is_zero() {
            fault(
                "pays from credits but has no budget; add the most credits that a job can cost, such as budget = 600"
                    .to_owned(),
            );
        } else if plan.budget <= plan.fee {
            fault(format!(
                "its fee of {} uses up its whole budget of {}; raise budget",
                plan.fee, plan.budget
            ));
        }
        if models.is_empty() {
            fault(
                "pays from credits, but no model has a price; add models with [[model]]".to_owned(),
            );
        }
    } else if !plan.fee.is_zero() || !plan.overdraft.is_zero() {
        fault(format!(
            "fee and overdraft are amounts of credits, but this plan pays {way}; remove them or set pays = \"credits\""
        ));
    }
    if plan.pays == Pays::Meters && plan.charges.is_empty() {
        fault(
            "pays by meters but has no charges; add charges, or set pays = \"nothing\"".to_owned(),
        );
    }
    if plan.pays != Pays::Meters && !plan.charges.is_empty() {
        fault(format!(
            "charges apply to plans that pay by meters, but this plan pays {way}; remove the charges or change pays"
        ));
    }
    let charged = |meter: &Meter| plan.charges.iter().any(|charge| charge.meter == *meter);
    for (meter, _) in plan
        .quotas
        .iter()
        .filter(|(meter, quota)| quota.beyond == OverQuota::Charge && !charged(meter))
    {
        fault(format!(
            "work continues beyond the quota of {meter}, but {meter} has no charge; add a charge, or set beyond = \"refuse\""
        ));
    }
}

/// Checks a plan that GitHub bills: no other plan has the same listing, its jobs are not paid for
/// twice, and a quota bounds it, because its price is flat.
fn marketplace(plan: &Plan, before: &[Read], fault: &impl Fn(String)) {
    let Some(listed) = &plan.marketplace else {
        return;
    };
    if let Some(other) = before
        .iter()
        .find(|read| read.plan.marketplace.as_ref() == Some(listed))
    {
        fault(format!(
            "marketplace {listed:?} already belongs to plan {}; give each plan its own",
            other.plan.id
        ));
    }
    if plan.pays != Pays::Nothing {
        fault(
            "marketplace: GitHub bills this plan, so its jobs must not be charged again; set pays = \"nothing\""
                .to_owned(),
        );
    }
    if !plan.quotas.contains_key(&Meter::pull_requests()) {
        fault(
            "marketplace: its price is flat, so it needs a limit, such as quotas.pull_requests = { limit = 60 }"
                .to_owned(),
        );
    }
}

/// Whether following fallbacks leads back to `start`. A plan that falls back to itself does not
/// count.
fn circles(plans: &[Read], start: &Plan) -> bool {
    let mut here = start;
    for _ in 0..=plans.len() {
        match here.fallback.as_ref().and_then(|id| find(plans, id)) {
            Some(next) if next.id == start.id => return here.id != start.id,
            Some(next) => here = next,
            None => return false,
        }
    }
    // There is a cycle without `start`. It is reported for the plans in it.
    false
}

/// Records prices that would sell more than one thing.
pub fn twice<'p>(
    plans: impl Iterator<Item = &'p Plan>,
    packs: &'p [CreditPack],
    fault: &impl Fn(&str, String),
) {
    let sold = plans
        .flat_map(|plan| {
            plan.prices
                .iter()
                .map(|price| (price, format!("plan {}", plan.id)))
        })
        .chain(packs.iter().flat_map(|pack| {
            pack.prices
                .iter()
                .map(|price| (price, format!("pack {}", pack.id)))
        }));
    let mut seen: BTreeMap<&PriceId, String> = BTreeMap::new();
    for (price, entry) in sold {
        if let Some(before) = seen.get(price) {
            fault(
                &entry,
                format!("{price} is already the price of {before}; give each its own"),
            );
        }
        seen.insert(price, entry);
    }
}
