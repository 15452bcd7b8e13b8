//! `GET /api/v1/plans` and `GET /api/v1/billing/credit-packs`: the plans and packs on sale. Neither
//! needs a key.

use crate::Ctx;
use axum::Json;
use axum::extract::State;
use catalogue::offers;
use domain::billing::plans::{
    Availability, CreditPack, Limit, MeterCharge, OverQuota, Pays, Plan, Quota, Rate,
};
use domain::units::Credits;
use domain::units::{Currency, Money};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// The plans on sale.
#[derive(Serialize, ToSchema)]
pub struct Plans {
    /// The version of the catalogue. It changes whenever the catalogue changes.
    version: String,
    plans: Vec<PlanShown>,
}

/// A plan.
#[derive(Serialize, ToSchema)]
pub struct PlanShown {
    id: String,
    name: String,
    description: String,
    /// The recurring price, excluding usage. Absent if the plan is free or if its price is agreed
    /// with each customer.
    price: Option<Price>,
    /// The billing interval, `month` or `year`.
    every: Option<&'static str>,
    /// What pays for a fix: `meters` at Stripe, `credits`, or `nothing`.
    pays: &'static str,
    /// The event that bills a fix: `pr_opened` or `merged`.
    billed_when: &'static str,
    /// The usage prices of a delivered fix.
    charges: Vec<ChargeShown>,
    /// The fee for a delivered fix, in addition to its tokens. Only for plans paid from credits.
    fee: Option<String>,
    /// The most that a job can cost, reserved before the job begins. Only for plans paid from
    /// credits; absent if unbounded.
    budget: Option<String>,
    /// Whether the price is agreed with each customer.
    by_agreement: bool,
    /// The length of the free trial in days.
    trial_days: u32,
    /// The quotas, by meter.
    quotas: BTreeMap<String, QuotaShown>,
}

/// The usage price of a meter.
#[derive(Serialize, ToSchema)]
pub struct ChargeShown {
    meter: String,
    /// What a fix counts: its `pulls` or its `tokens`.
    counts: &'static str,
    /// The price as text for people.
    text: String,
    /// The price tiers of a period.
    tiers: Vec<TierShown>,
}

/// A price tier.
#[derive(Serialize, ToSchema)]
pub struct TierShown {
    /// The last unit of the tier; absent for the last tier.
    up_to: Option<u64>,
    /// The price of each unit in minor units, as a decimal with at most twelve places.
    each_minor: String,
}

/// An amount of money.
#[derive(Serialize, ToSchema)]
pub struct Price {
    /// The amount in minor units: cents, or whole yen.
    amount_minor: i64,
    /// The currency code, in lower case.
    currency: String,
    /// The price as text for people.
    text: String,
}

/// A quota of a plan.
#[derive(Serialize, ToSchema)]
pub struct QuotaShown {
    /// The limit per period; 0 means unlimited.
    limit: u64,
    /// When the quota renews: `month`, `subscription` or `never`.
    renews: &'static str,
    /// Whether usage beyond the limit is allowed and charged for.
    continues: bool,
}

/// The packs of credits on sale.
#[derive(Serialize, ToSchema)]
pub struct Packs {
    packs: Vec<PackShown>,
}

/// A pack of credits.
#[derive(Serialize, ToSchema)]
pub struct PackShown {
    id: String,
    name: String,
    /// The number of credits, as a decimal.
    credits: String,
    price: Price,
}

/// Lists the plans on sale.
#[utoipa::path(get, path = "/api/v1/plans", tag = "sales", security(()), responses((status = 200, body = Plans)))]
pub async fn plans(State(ctx): State<Arc<Ctx>>) -> Json<Plans> {
    let plans = ctx
        .catalogue
        .plans
        .iter()
        .map(|one| plan(one, ctx.catalogue.currency))
        .collect();
    Json(Plans {
        version: ctx.catalogue.version.clone(),
        plans,
    })
}

/// Lists the packs of credits on sale.
#[utoipa::path(get, path = "/api/v1/billing/credit-packs", tag = "sales", security(()),
    responses((status = 200, body = Packs)))]
pub async fn credit_packs(State(ctx): State<Arc<Ctx>>) -> Json<Packs> {
    Json(Packs {
        packs: ctx.catalogue.packs.iter().map(pack).collect(),
    })
}

fn plan(plan: &Plan, currency: Currency) -> PlanShown {
    let from_credits = |credits: Credits| (plan.pays == Pays::Credits).then(|| credits.to_string());
    PlanShown {
        id: plan.id.to_string(),
        name: plan.name.clone(),
        description: plan.description.clone(),
        price: plan.price.map(|price| money(price.amount)),
        every: plan.price.map(|price| price.every.as_str()),
        pays: plan.pays.as_str(),
        billed_when: plan.billable.as_str(),
        charges: plan
            .charges
            .iter()
            .map(|one| charge(one, currency))
            .collect(),
        fee: from_credits(plan.fee),
        budget: from_credits(plan.budget).filter(|_| !plan.budget.is_zero()),
        by_agreement: plan.sold == Availability::ByAgreement,
        trial_days: plan.trial_days,
        quotas: plan
            .quotas
            .iter()
            .map(|(meter, quota)| (meter.to_string(), shown(quota)))
            .collect(),
    }
}

fn charge(charge: &MeterCharge, currency: Currency) -> ChargeShown {
    let tier = |up_to, unit: &str| TierShown {
        up_to,
        each_minor: unit.to_owned(),
    };
    let tiers = match &charge.rate {
        Rate::PerUnit(unit) => vec![tier(None, unit)],
        Rate::Graduated(tiers) => tiers.iter().map(|one| tier(one.up_to, &one.unit)).collect(),
    };
    let text = offers::rate_text(&charge.rate, currency);
    ChargeShown {
        meter: charge.meter.to_string(),
        counts: charge.counts.as_str(),
        text,
        tiers,
    }
}

fn shown(quota: &Quota) -> QuotaShown {
    let limit = match quota.limit {
        Limit::Unlimited => 0,
        Limit::Of(limit) => limit,
    };
    QuotaShown {
        limit,
        renews: quota.renews.as_str(),
        continues: quota.beyond == OverQuota::Charge,
    }
}

fn pack(pack: &CreditPack) -> PackShown {
    PackShown {
        id: pack.id.to_string(),
        name: pack.name.clone(),
        credits: pack.credits.to_string(),
        price: money(pack.price),
    }
}

pub fn money(money: Money) -> Price {
    Price {
        amount_minor: money.minor,
        currency: money.currency.to_string(),
        text: money.to_string(),
    }
}
