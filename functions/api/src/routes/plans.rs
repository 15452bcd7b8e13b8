//! `GET /api/v1/plans` and `GET /api/v1/billing/credit-packs`: what is sold, open to everybody.

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

/// What can be subscribed to.
#[derive(Serialize, ToSchema)]
pub struct Plans {
    /// Changes whenever anything in it does.
    version: String,
    plans: Vec<PlanShown>,
}

/// One plan.
#[derive(Serialize, ToSchema)]
pub struct PlanShown {
    id: String,
    name: String,
    description: String,
    /// What it costs each time, apart from what is counted; none where it costs nothing or is agreed with each customer.
    price: Option<Price>,
    /// How often; `month` or `year`.
    every: Option<&'static str>,
    /// How its fixes are paid for: by `meters` at Stripe, from `credits`, or by `nothing`.
    pays: &'static str,
    /// When a fix is billed: `pr_opened` or `merged`.
    billed_when: &'static str,
    /// What Stripe asks for a fix that is delivered; nothing else is counted.
    charges: Vec<ChargeShown>,
    /// From credits: what a fix that is delivered costs besides its tokens.
    fee: Option<String>,
    /// From credits: the most that a job costs, reserved before it begins; none is no bound.
    budget: Option<String>,
    /// Whether its price is agreed with each customer.
    by_agreement: bool,
    /// Days it can be tried before it costs.
    trial_days: u32,
    /// What it allows, by meter.
    quotas: BTreeMap<String, QuotaShown>,
}

/// What a meter's units cost.
#[derive(Serialize, ToSchema)]
pub struct ChargeShown {
    meter: String,
    /// What of a fix is counted: one for its `pulls`, or its `tokens`.
    counts: &'static str,
    /// For people.
    text: String,
    /// By steps, each up to so many in a period.
    tiers: Vec<TierShown>,
}

/// One step.
#[derive(Serialize, ToSchema)]
pub struct TierShown {
    /// Up to and with this unit; none for the last.
    up_to: Option<u64>,
    /// What each costs in minor units, a decimal of at most twelve places.
    each_minor: String,
}

/// An amount of money.
#[derive(Serialize, ToSchema)]
pub struct Price {
    /// In minor units: cents, or whole yen.
    amount_minor: i64,
    /// Three lower-case letters.
    currency: String,
    /// For people.
    text: String,
}

/// How much of something a plan allows.
#[derive(Serialize, ToSchema)]
pub struct QuotaShown {
    /// How many in a period; 0 is as many as one likes.
    limit: u64,
    /// `month`, `subscription` or `never`.
    renews: &'static str,
    /// Whether it goes on beyond the limit, and costs.
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

/// What can be subscribed to.
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

/// Which packs of credits there are.
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
