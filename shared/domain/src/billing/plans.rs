//! Plans: what is sold, at which price, and what each plan allows.
//!
//! The catalogue is read and checked elsewhere; this module interprets it. `pricing` computes the
//! price of work, `billing::entitlements` what an account may do, `periods` what a quota counts
//! within, and `rates` what units cost.

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
use crate::jobs::caps::Caps;
use crate::text::words;
use crate::units::Credits;
use crate::units::{Currency, Money};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A plan's name in the catalogue.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanId(String);

const PLAN_CHARS_MAX: usize = 40;

impl PlanId {
    /// Parses a name of lower-case letters, digits, `_` and `-`.
    pub fn parse(text: &str) -> Option<Self> {
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        (text.bytes().all(plain) && !text.is_empty() && text.len() <= PLAN_CHARS_MAX)
            .then(|| Self(text.to_owned()))
    }

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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// Changes with every change of the catalogue; every entry priced by it records it.
    pub version: String,
    pub currency: Currency,
    /// The plan of accounts without another one.
    pub default_plan: PlanId,
    pub meters: BTreeMap<Meter, MeterInfo>,
    pub plans: Vec<Plan>,
    pub packs: Vec<CreditPack>,
    pub models: Vec<ModelPrice>,
    pub markup: BasisPoints,
    /// The output tokens that an estimate assumes.
    pub output_reserve: u32,
    /// The most that models may cost for one job, with any plan, including lost answers.
    pub job_cost_max: Credits,
    pub low_balance: Credits,
    /// Which reported phases of external agents are billable.
    pub phase: PhasePredicate,
    /// What Checkout does besides selling.
    pub checkout: BTreeSet<CheckoutOption>,
    pub texts: Texts,
}

/// What the operator says to customers, at Stripe and on our pages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// The headline of Stripe's customer portal.
    pub portal_headline: Option<String>,
    /// The text beside Checkout's button.
    pub checkout: Option<String>,
    pub privacy_url: Option<String>,
    pub terms_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterInfo {
    pub name: String,
    pub kind: MeterKind,
}

/// How a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeterKind {
    /// Adds up until the period ends.
    Counter,
    Level,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub id: PlanId,
    pub name: String,
    pub description: String,
    pub sold: Availability,
    /// The fixed price; absent if the plan is free or priced by agreement.
    pub price: Option<RecurringPrice>,
    pub pays: Pays,
    /// What a delivered job counts on the meters at Stripe, if jobs are paid by meters.
    pub charges: Vec<MeterCharge>,
    /// What a delivered job costs besides its tokens, if jobs are paid in credits.
    pub fee: Credits,
    /// The most that one job may cost, in credits; zero means no limit.
    pub budget: Credits,
    pub billable: Billable,
    pub quotas: BTreeMap<Meter, Quota>,
    pub trial_days: u32,
    /// How many days the plan continues after a failed payment.
    pub grace_days: u32,
    /// The most tokens that one job may use, if tokens are charged.
    pub tokens_max: u64,
    /// How far a hold may take the available amount below zero.
    pub overdraft: Credits,
    /// How many delivered jobs may be unreported to Stripe before new ones are refused.
    pub unbilled_max: Limit,
    /// How many jobs may begin.
    pub caps: Caps,
    /// The plan that applies after this one has lapsed.
    pub fallback: Option<PlanId>,
    /// The plan to offer when the quota is used up. Customers who add a payment method are
    /// subscribed to it.
    pub converts_to: Option<PlanId>,
    /// The prices at Stripe that were not created from this catalogue.
    pub prices: Vec<PriceId>,
    /// The name or number of this plan in our listing on GitHub's Marketplace.
    pub marketplace: Option<String>,
}

impl Plan {
    /// The product at Stripe that is created from this catalogue.
    pub fn product(&self) -> String {
        format!("tallyhook_plan_{}", self.id)
    }
}

/// Who can choose a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    Public,
    /// Customers who have agreed on a price with us.
    ByAgreement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecurringPrice {
    pub amount: Money,
    pub every: Interval,
}

words! {
    Interval {
        Month = "month",
        Year = "year",
    }
}

words! {
    Pays {
        /// From the account's credits, reserved in advance.
        Credits = "credits",
        /// By Stripe, from reported usage.
        Meters = "meters",
        /// Not at all; jobs are only counted.
        Nothing = "nothing",
    }
}

/// What a delivered job counts on a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterCharge {
    pub meter: Meter,
    pub counts: MeteredUnit,
    /// What Stripe charges for them; used to create the price.
    pub rate: Rate,
}

words! {
    MeteredUnit {
        Pulls = "pulls",
        Tokens = "tokens",
    }
}

/// What a meter's units cost, in minor units with up to twelve places, in Stripe's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rate {
    PerUnit(String),
    /// By tiers; the last has no end.
    Graduated(Vec<RateTier>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateTier {
    /// The last unit of the tier; absent for the last tier.
    pub up_to: Option<u64>,
    /// The price of each unit, in minor units.
    pub unit: String,
}

words! {
    /// When a job becomes billable.
    Billable {
        PrOpened = "pr_opened",
        Merged = "merged",
    }
}

/// The billable phase of an external agent, with its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhasePredicate {
    /// For example `mitigate`.
    pub phase: String,
    /// For example `success`.
    pub result: String,
}

impl PhasePredicate {
    pub fn holds(&self, phase: &str, result: &str) -> bool {
        self.phase == phase && self.result == result
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    pub limit: Limit,
    pub renews: Renewal,
    pub beyond: OverQuota,
}

impl Quota {
    /// The limit at which requests are refused.
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
    /// Written as 0.
    Unlimited,
    Of(u64),
}

/// What happens beyond a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverQuota {
    Refuse,
    Charge,
}

words! {
    /// What Checkout does besides selling.
    CheckoutOption {
        /// Stripe calculates and collects taxes.
        AutomaticTax = "automatic_tax",
        /// Customers can enter their tax id.
        TaxIdCollection = "tax_id_collection",
        /// Customers can enter a promotion code.
        AllowPromotionCodes = "allow_promotion_codes",
        /// Stripe makes an invoice for each pack. It always makes one for a plan.
        InvoiceCreation = "invoice_creation",
    }
}

/// How the ids of the products of packs begin.
pub const PACK_PRODUCT: &str = "tallyhook_pack_";

/// A pack of credits for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditPack {
    pub id: PlanId,
    pub name: String,
    pub credits: Credits,
    pub price: Money,
    /// How many days until the rest expires, if ever.
    pub expires_days: Option<u32>,
    /// The prices at Stripe that were not created from this catalogue.
    pub prices: Vec<PriceId>,
}

impl CreditPack {
    /// The product at Stripe that is created from this catalogue.
    pub fn product(&self) -> String {
        format!("{PACK_PRODUCT}{}", self.id)
    }
}

impl Catalogue {
    pub fn plan(&self, id: &PlanId) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == *id)
    }

    pub fn pack(&self, id: &PlanId) -> Option<&CreditPack> {
        self.packs.iter().find(|pack| pack.id == *id)
    }

    /// The meters that plans charge for.
    pub fn charged_meters(&self) -> BTreeSet<Meter> {
        let charges = self.plans.iter().flat_map(|plan| &plan.charges);
        charges.map(|charge| charge.meter.clone()).collect()
    }

    /// The plan that this price or product sells.
    pub fn plan_sold_by(&self, price: &PriceId, product: Option<&ProductId>) -> Option<&Plan> {
        self.plans
            .iter()
            .find(|plan| sells(&plan.prices, &plan.product(), price, product))
    }

    /// The plan that this plan of our Marketplace listing means.
    pub fn plan_listed(&self, listed: &ListedPlan) -> Option<&Plan> {
        self.plans.iter().find(|plan| {
            plan.marketplace
                .as_deref()
                .is_some_and(|meant| listed.is(meant))
        })
    }

    /// The pack that this price or product sells.
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
