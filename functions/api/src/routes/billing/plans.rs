//! `GET /api/v1/plans` and `GET /api/v1/billing/credit-packs`: plans and packs on sale. No key needed.

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
    /// The version of the catalogue; it changes with every change of the catalogue.
    version: String,
    plans: Vec<PlanShown>,
}

/// One plan.
#[derive(Serialize, ToSchema)]
pub struct PlanShown {
    id: String,
    name: String,
    description: String,
    /// The recurring price, without usage; absent if the plan is free or its price is agreed with each customer.
    price: Option<Price>,
    /// The billing interval, `month` or `year`.
    every: Option<&'static str>,
    /// How its fixes are paid for: by `meters` at Stripe, from `credits`, or by `nothing`.
    pays: &'static str,
    /// When a fix is billed: `pr_opened` or `merged`.
    billed_when: &'static str,
    /// The usage prices of a delivered fix.
    charges: Vec<ChargeShown>,
    /// For plans paid from credits: the fee of a delivered fix, besides its tokens.
    fee: Option<String>,
    /// For plans paid from credits: the most that a job costs, reserved before it begins; absent if unbounded.
    budget: Option<String>,
    /// Whether its price is agreed with each customer.
    by_agreement: bool,
    /// The days of the free trial.
    trial_days: u32,
    /// The quotas, by meter.
    quotas: BTreeMap<String, QuotaShown>,
}

/// The usage price of a meter.
#[derive(Serialize, ToSchema)]
pub struct ChargeShown {
    meter: String,
    /// The unit that a fix is counted in: its `pulls` or its `tokens`.
    counts: &'static str,
    /// The price in words.
    text: String,
    /// The price tiers of a period.
    tiers: Vec<TierShown>,
}

/// One price tier.
#[derive(Serialize, ToSchema)]
pub struct TierShown {
    /// The last unit of the tier; absent for the last tier.
    up_to: Option<u64>,
    /// The price of each unit in minor units, a decimal with at most twelve places.
    each_minor: String,
}

/// An amount of money.
#[derive(Serialize, ToSchema)]
pub struct Price {
    /// In minor units: cents, or whole yen.
    amount_minor: i64,
    /// Three lower-case letters.
    currency: String,
    /// The price in words.
    text: String,
}

/// A quota of a plan.
#[derive(Serialize, ToSchema)]
pub struct QuotaShown {
    /// The limit of a period; 0 means unlimited.
    limit: u64,
    /// `month`, `subscription` or `never`.
    renews: &'static str,
    /// Whether usage beyond the limit is allowed and charged.
    goes_on: bool,
}

/// Credits for sale.
#[derive(Serialize, ToSchema)]
pub struct Packs {
    packs: Vec<PackShown>,
}

/// One pack of credits.
#[derive(Serialize, ToSchema)]
pub struct PackShown {
    id: String,
    name: String,
    /// How many credits, as a decimal.
    credits: String,
    price: Price,
}

/// The plans on sale.
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

/// The packs of credits on sale.
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
        goes_on: quota.beyond == OverQuota::Charge,
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

/// An amount of money as it is shown.
pub fn money(money: Money) -> Price {
    Price {
        amount_minor: money.minor,
        currency: money.currency.to_string(),
        text: money.to_string(),
    }
}
