//! Plans: what is sold, for how much, and what it allows.
//!
//! The catalogue comes from outside, checked; everything here is a reading of it. Prices of work are computed in `pricing`,
//! what an account may do at a moment in `billing::entitlements`, what a quota counts in `periods`, what units cost in `rates`.

mod periods;
mod pricing;
mod rates;

pub use periods::{Period, Renewal, Span};
pub use pricing::{
    BasisPoints, ModelPrice, TokensBound, answer_bound, cost, price, tokens_of_bytes,
};

use crate::billing::marketplace::ListedPlan;
use crate::billing::usage::Meter;
use crate::ids::{PriceId, ProductId};
use crate::text::words;
use crate::units::Credits;
use crate::units::{Currency, Money};
use std::collections::BTreeMap;
use std::fmt;

/// A plan's name in the catalogue.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanId(String);

const PLAN_CHARS_MAX: usize = 40;

impl PlanId {
    /// Reads a plan's name: lower-case letters, digits, `_` and `-`.
    pub fn parse(text: &str) -> Option<Self> {
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        (text.bytes().all(plain) && !text.is_empty() && text.len() <= PLAN_CHARS_MAX)
            .then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that is sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// Changes whenever anything in it does; stands on every entry whose amount comes from it.
    pub version: String,
    /// What its prices are in.
    pub currency: Currency,
    /// The plan of who has no other.
    pub default_plan: PlanId,
    /// What is counted.
    pub meters: BTreeMap<Meter, MeterInfo>,
    /// What can be subscribed to or simply had.
    pub plans: Vec<Plan>,
    /// Credits for sale.
    pub packs: Vec<CreditPack>,
    /// What models cost.
    pub models: Vec<ModelPrice>,
    /// What is added to the models' cost.
    pub markup: BasisPoints,
    /// Output tokens that an estimate reckons with.
    pub output_reserve: u32,
    /// Below this a customer is warned.
    pub low_balance: Credits,
    /// Which reported phases of outside agents are billable.
    pub phase: PhasePredicate,
}

/// One thing that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterInfo {
    /// What people call it.
    pub name: String,
    /// Whether it adds up over a period or says how many there are.
    pub kind: MeterKind,
}

/// How a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeterKind {
    /// Uses add up until the period is over.
    Counter,
    /// So many exist at a time: seats, agents.
    Level,
}

/// One plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name in the catalogue.
    pub id: PlanId,
    /// What people call it.
    pub name: String,
    /// What people read about it.
    pub description: String,
    /// Who can have it.
    pub sold: Availability,
    /// What it costs, apart from what is counted; none where it costs nothing or is agreed with each customer.
    pub price: Option<RecurringPrice>,
    /// How its jobs are paid for.
    pub pays: Pays,
    /// What a delivered job counts at Stripe, where jobs are paid by meter.
    pub charges: Vec<MeterCharge>,
    /// What a delivered job costs besides its tokens, where jobs are paid in credits.
    pub fee: Credits,
    /// The most one job may cost, in credits; none is no bound.
    pub budget: Credits,
    /// When a job has become billable.
    pub billable: Billable,
    /// What it allows.
    pub quotas: BTreeMap<Meter, Quota>,
    /// Days it can be tried before it costs.
    pub trial_days: u32,
    /// Days it goes on after a payment has failed.
    pub grace_days: u32,
    /// The most tokens that one job may take, where they are charged.
    pub tokens_max: u64,
    /// How far below nothing a hold may take the balance.
    pub overdraft: Credits,
    /// How many delivered jobs may wait for Stripe to be told of them before no new one is made.
    pub unbilled_max: Limit,
    /// Where its customers go when it has lapsed.
    pub fallback: Option<PlanId>,
    /// What to offer when its quota is used up; who leaves a way to pay is subscribed to it.
    pub converts_to: Option<PlanId>,
    /// Its prices at Stripe, where they were not made from this catalogue.
    pub prices: Vec<PriceId>,
    /// The plan of our listing on GitHub's Marketplace that means this one, by its name or number there.
    pub marketplace: Option<String>,
}

impl Plan {
    /// Its product at Stripe, where it was made from this catalogue.
    pub fn product(&self) -> String {
        format!("tallyhook_plan_{}", self.id)
    }
}

/// Who can have a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// Everybody, for the price that it says.
    Public,
    /// Who has agreed on a price with us.
    ByAgreement,
}

/// A price that comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecurringPrice {
    /// How much.
    pub amount: Money,
    /// How often.
    pub every: Interval,
}

words! {
    /// How often a plan is paid.
    Interval {
        /// Each month.
        Month = "month",
        /// Each year.
        Year = "year",
    }
}

words! {
    /// How a plan's jobs are paid for.
    Pays {
        /// From the account's credits, reserved beforehand.
        Credits = "credits",
        /// By Stripe, which is told what was delivered.
        Meters = "meters",
        /// Not at all; they are only counted.
        Nothing = "nothing",
    }
}

/// What one delivered job counts on a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterCharge {
    /// The meter.
    pub meter: Meter,
    /// How many of it.
    pub counts: MeteredUnit,
    /// What Stripe asks for them, for making the price there.
    pub rate: Rate,
}

words! {
    /// What of a job is counted.
    MeteredUnit {
        /// One for the pull request.
        Pulls = "pulls",
        /// Every token, in and out.
        Tokens = "tokens",
    }
}

/// What a meter's units cost, in minor units with up to twelve places, as Stripe writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rate {
    /// Each the same.
    PerUnit(String),
    /// By steps: up to so many, each so much; the last has no end.
    Graduated(Vec<RateTier>),
}

/// One step of a graduated rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateTier {
    /// Up to and with this unit; none for the last.
    pub up_to: Option<u64>,
    /// Each costs this, in minor units.
    pub unit: String,
}

words! {
    /// When a job has become billable.
    Billable {
        /// When its pull request is open.
        PrOpened = "pr_opened",
        /// When it is merged.
        Merged = "merged",
    }
}

/// Which phase of an outside agent is billable: this phase with this result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhasePredicate {
    /// As `mitigate`.
    pub phase: String,
    /// As `success`.
    pub result: String,
}

impl PhasePredicate {
    /// Whether a reported phase is billable.
    pub fn holds(&self, phase: &str, result: &str) -> bool {
        self.phase == phase && self.result == result
    }
}

/// How much of something a plan allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// How much in a period.
    pub limit: Limit,
    /// When it begins anew.
    pub renews: Renewal,
    /// What happens beyond it.
    pub beyond: OverQuota,
}

impl Quota {
    /// Where it stops, if it stops.
    pub const fn hard_limit(&self) -> Limit {
        match self.beyond {
            OverQuota::Refuse => self.limit,
            OverQuota::Charge => Limit::Unlimited,
        }
    }
}

/// A quota's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// As much as one likes; written as 0.
    Unlimited,
    /// So many.
    Of(u64),
}

/// What happens when a quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverQuota {
    /// No more.
    Refuse,
    /// It goes on, and costs.
    Charge,
}

/// Credits for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditPack {
    /// Its name in the catalogue.
    pub id: PlanId,
    /// What people call it.
    pub name: String,
    /// How many credits.
    pub credits: Credits,
    /// For how much.
    pub price: Money,
    /// Days until what is left of it is gone; none is never.
    pub expires_days: Option<u32>,
    /// Its prices at Stripe, where they were not made from this catalogue.
    pub prices: Vec<PriceId>,
}

impl CreditPack {
    /// Its product at Stripe, where it was made from this catalogue.
    pub fn product(&self) -> String {
        format!("tallyhook_pack_{}", self.id)
    }
}

impl Catalogue {
    /// The plan of this name.
    pub fn plan(&self, id: &PlanId) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == *id)
    }

    /// The pack of this name.
    pub fn pack(&self, id: &PlanId) -> Option<&CreditPack> {
        self.packs.iter().find(|pack| pack.id == *id)
    }

    /// The plan that is sold by this price of this product.
    pub fn plan_sold_by(&self, price: &PriceId, product: Option<&ProductId>) -> Option<&Plan> {
        self.plans
            .iter()
            .find(|plan| sells(&plan.prices, &plan.product(), price, product))
    }

    /// The plan that this one of our listing on GitHub's Marketplace means.
    pub fn plan_listed(&self, listed: &ListedPlan) -> Option<&Plan> {
        self.plans.iter().find(|plan| {
            plan.marketplace
                .as_deref()
                .is_some_and(|meant| listed.is(meant))
        })
    }

    /// The pack that is sold by this price of this product.
    pub fn pack_sold_by(
        &self,
        price: &PriceId,
        product: Option<&ProductId>,
    ) -> Option<&CreditPack> {
        self.packs
            .iter()
            .find(|pack| sells(&pack.prices, &pack.product(), price, product))
    }
}

fn sells(prices: &[PriceId], own: &str, price: &PriceId, product: Option<&ProductId>) -> bool {
    prices.contains(price) || product.is_some_and(|product| product.as_str() == own)
}

#[cfg(test)]
mod tests;
