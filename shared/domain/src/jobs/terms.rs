//! The terms of a job: who pays, from what, and how much at most.
//!
//! Terms are fixed when the job is created. A job is paid from credits, by a meter or not at all,
//! and never by two of them.

use crate::billing::entitlements::{Entitlements, MeteredTo};
use crate::billing::plans::{
    BasisPoints, Billable, Catalogue, Limit, MeterCharge, MeteredUnit, Pays, Period, Plan, Quota,
    price,
};
use crate::billing::quotas::{self, QuotaPlaces, QuotaUse};
use crate::billing::spending::{SpendChange, SpendLine, SpendUnit, Spending, billing_period};
use crate::billing::usage::{Meter, Tokens, Usage, UsageIdentifier, UsageSource};
use crate::ids::{AccountId, CustomerId};
use crate::ledger::{EntryDetails, HoldId, Posting};
use crate::time::Timestamp;
use crate::units::Credits;

/// What a job costs, and who pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub funding: Funding,
    /// The state in which the job becomes billable.
    pub billable: Billable,
    /// The most it may cost, in credits; unlimited if absent.
    pub budget: Option<Credits>,
    /// The period whose quota counts the job.
    pub period: String,
    /// The version of the catalogue.
    pub priced_by: String,
    /// What it adds to the account's spending; absent if it costs nothing.
    pub spending: Option<Spending>,
    /// What it counts on the plan's other quotas.
    pub places: QuotaPlaces,
}

/// Where a job's money comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Funding {
    Prepaid {
        /// The reserved amount: the most that the job can cost.
        held: Credits,
        markup: BasisPoints,
        fee: Credits,
    },
    Metered {
        customer: CustomerId,
        counts: Vec<(Meter, MeteredUnit)>,
    },
    /// Nobody pays; the job is only counted.
    Free,
}

/// What was delivered, as meters count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    pub pulls: u64,
    pub tokens: Tokens,
}

/// What pays for the fix that a job delivers. Its tokens are always paid for with the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixPaid {
    /// The job, if it delivers.
    WithJob,
    /// An external agent's earlier report of the same fix.
    Before,
}

/// The decision made before a job is created: its terms, and the amounts to reserve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub terms: Terms,
    pub limit: Limit,
    /// What it counts on the plan's other quotas when it begins.
    pub uses: Vec<QuotaUse>,
    /// How far the hold may take the available amount below zero.
    pub overdraft: Credits,
}

impl Offer {
    /// What an account's entitlements offer at `now`.
    pub fn of(
        catalogue: &Catalogue,
        entitlements: &Entitlements<'_>,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Self {
        let plan = entitlements.plan;
        let budget = (!plan.budget.is_zero()).then_some(plan.budget);
        let pays = match entitlements.metered_to {
            MeteredTo::Free => Pays::Nothing,
            MeteredTo::NothingMetered | MeteredTo::Subscription | MeteredTo::Missing => plan.pays,
        };
        let funding = match pays {
            Pays::Credits => Funding::Prepaid {
                held: plan.budget,
                markup: catalogue.markup,
                fee: plan.fee,
            },
            Pays::Meters => Funding::Metered {
                customer: customer.clone(),
                counts: plan
                    .charges
                    .iter()
                    .map(|charge| (charge.meter.clone(), charge.counts))
                    .collect(),
            },
            Pays::Nothing => Funding::Free,
        };
        let quota = plan.quotas.get(&Meter::pull_requests());
        let renews = quota.map_or(crate::billing::plans::Renewal::Month, |quota| quota.renews);
        let agent = quotas::agent(entitlements);
        let tokens = quotas::tokens(entitlements, now);
        Self {
            terms: Terms {
                funding,
                billable: plan.billable,
                budget,
                period: Period::at(renews, entitlements.period, now).key,
                priced_by: catalogue.version.clone(),
                spending: spending(plan, pays, billing_period(entitlements, now).key),
                places: QuotaPlaces {
                    agent: agent.is_some(),
                    tokens_in: tokens.as_ref().map(|tokens| tokens.period.clone()),
                },
            },
            uses: agent.into_iter().chain(tokens).collect(),
            limit: quota.map_or(Limit::Unlimited, Quota::hard_limit),
            overdraft: plan.overdraft,
        }
    }

    /// The offer for an assist: tokens are charged, and there is no fee. A plan that does not bill
    /// tokens charges nothing. The longest prompt bounds the cost; without one, the assist is free.
    pub fn of_assist(
        catalogue: &Catalogue,
        entitlements: &Entitlements<'_>,
        customer: &CustomerId,
        prompt_bytes_max: Option<usize>,
        now: Timestamp,
    ) -> Self {
        let mut offer = Self::of(catalogue, entitlements, customer, now);
        offer.limit = Limit::Unlimited;
        offer.without_agent();
        let terms = &mut offer.terms;
        let Some(bytes) = prompt_bytes_max else {
            (terms.funding, terms.budget, terms.spending) = (Funding::Free, None, None);
            return offer;
        };
        let most = catalogue.call_tokens_max(bytes);
        match &mut terms.funding {
            Funding::Prepaid { held, fee, .. } => {
                (*held, *fee) = ((*held).min(catalogue.call_max(bytes)), Credits::ZERO);
                terms.budget = Some(*held);
                terms
                    .spending
                    .iter_mut()
                    .for_each(|spending| spending.reserved = held.micros());
            }
            Funding::Metered { counts, .. } => {
                counts.retain(|(_, counts)| *counts == MeteredUnit::Tokens);
                if let Some(spending) = &mut terms.spending {
                    spending
                        .lines
                        .retain(|line| line.counts == MeteredUnit::Tokens);
                    let lines = spending.lines.iter_mut();
                    lines.for_each(|line| line.most = line.most.min(most.total()));
                }
            }
            Funding::Free => {}
        }
        if matches!(&terms.funding, Funding::Metered { counts, .. } if counts.is_empty()) {
            (terms.funding, terms.spending) = (Funding::Free, None);
        }
        offer
    }

    /// The offer with a lower limit on what the job may cost. A fee is part of the cost.
    #[must_use]
    pub fn lowered(mut self, budget: Credits) -> Self {
        let terms = &mut self.terms;
        terms.budget = Some(terms.budget.map_or(budget, |usual| usual.min(budget)));
        if let Funding::Prepaid { held, .. } = &mut terms.funding {
            *held = (*held).min(budget);
            if let Some(spending) = &mut terms.spending {
                spending.reserved = held.micros();
            }
        }
        self
    }

    /// The offer for a job of an external agent: the fix is charged as soon as it is reported, and
    /// no tokens are, since the agent pays for its own models.
    pub fn outside(mut self) -> Self {
        self.without_agent();
        self.uses.clear();
        let terms = &mut self.terms;
        (terms.billable, terms.budget) = (Billable::PrOpened, None);
        match &mut terms.funding {
            Funding::Prepaid { held, fee, .. } => {
                *held = *fee;
                terms
                    .spending
                    .iter_mut()
                    .for_each(|spending| spending.reserved = fee.micros());
            }
            Funding::Metered { counts, .. } => {
                counts.retain(|(_, counts)| *counts == MeteredUnit::Pulls);
                let spending = terms.spending.iter_mut();
                spending.for_each(|spending| {
                    spending
                        .lines
                        .retain(|line| line.counts == MeteredUnit::Pulls)
                });
            }
            Funding::Free => {}
        }
        let nothing = match &terms.funding {
            Funding::Prepaid { fee, .. } => fee.is_zero(),
            Funding::Metered { counts, .. } => counts.is_empty(),
            Funding::Free => true,
        };
        if nothing {
            (terms.funding, terms.spending) = (Funding::Free, None);
        }
        self
    }

    /// An assist is one short call, and an external agent is none of the plan's.
    fn without_agent(&mut self) {
        self.terms.places.agent = false;
        self.uses.retain(|used| used.meter != Meter::agents());
    }

    /// The hold to place before the work, if the job is paid from credits.
    pub fn hold(
        &self,
        account: &AccountId,
        hold: HoldId,
        what: &str,
        now: Timestamp,
    ) -> Option<Posting> {
        let Funding::Prepaid { held, .. } = self.terms.funding else {
            return None;
        };
        let label = EntryDetails {
            note: format!("reserved for {what}"),
            source: hold.to_string(),
            priced_by: self.terms.priced_by.clone(),
        };
        (!held.is_zero()).then(|| Posting::hold(account, hold, (held, self.overdraft), label, now))
    }
}

/// What a job of a plan spends at most.
fn spending(plan: &Plan, pays: Pays, period: String) -> Option<Spending> {
    let (unit, lines, reserved) = match pays {
        Pays::Credits => (SpendUnit::Credits, Vec::new(), plan.budget.micros()),
        Pays::Meters => (
            SpendUnit::Money,
            plan.charges
                .iter()
                .map(|charge| line(plan, charge))
                .collect(),
            0,
        ),
        Pays::Nothing => return None,
    };
    (reserved > 0 || !lines.is_empty()).then_some(Spending {
        period,
        unit,
        lines,
        reserved,
    })
}

fn line(plan: &Plan, charge: &MeterCharge) -> SpendLine {
    let most = match charge.counts {
        MeteredUnit::Pulls => 1,
        MeteredUnit::Tokens => plan.tokens_max,
    };
    SpendLine {
        meter: charge.meter.clone(),
        counts: charge.counts,
        most,
        rate: charge.rate.clone(),
    }
}

impl Funding {
    /// The markup on the models' cost, and the fee for the pull request.
    pub const fn surcharge(&self) -> (BasisPoints, Credits) {
        match self {
            Self::Prepaid { markup, fee, .. } => (*markup, *fee),
            Self::Metered { .. } | Self::Free => (BasisPoints(0), Credits::ZERO),
        }
    }
}

impl Terms {
    /// The price of work with this model cost, including the fee.
    pub fn price(&self, cost: Credits) -> Credits {
        let (markup, fee) = self.funding.surcharge();
        price(cost, markup, fee)
    }

    /// The end of the hold: captures what was used and releases the rest.
    pub(crate) fn settlement(
        &self,
        account: &AccountId,
        hold: HoldId,
        used: Credits,
        note: String,
        now: Timestamp,
    ) -> Option<Posting> {
        let Funding::Prepaid { held, .. } = self.funding else {
            return None;
        };
        let label = EntryDetails {
            note,
            source: hold.to_string(),
            priced_by: self.priced_by.clone(),
        };
        (!held.is_zero()).then(|| Posting::settle(account, hold, (held, used), label, now))
    }

    /// How many tokens the work may use, if they cost money.
    pub fn tokens_max(&self) -> Option<u64> {
        self.spending.as_ref()?.tokens_max()
    }

    /// The counted quantity. Tokens are counted up to the reserved number, just as credits are.
    fn counted(&self, counts: MeteredUnit, used: Delivered) -> u64 {
        match counts {
            MeteredUnit::Pulls => used.pulls,
            MeteredUnit::Tokens => {
                let taken = used.tokens.counted();
                self.tokens_max().map_or(taken, |most| taken.min(most))
            }
        }
    }

    /// The reservation of spending when work starts: the most that it can cost.
    pub fn begins(&self, account: &AccountId) -> Option<SpendChange> {
        self.spending
            .as_ref()
            .map(|spending| spending.begins(account))
    }

    /// The spending adjustment when work ends: actual cost minus the reserved amount.
    pub(crate) fn ends(
        &self,
        account: &AccountId,
        cost: Credits,
        used: Delivered,
    ) -> Option<SpendChange> {
        let spending = self.spending.as_ref()?;
        let cost = cost.micros().min(spending.reserved);
        Some(spending.ends(account, cost, |line| self.counted(line.counts, used)))
    }

    /// The usage to report to Stripe, if the work is metered.
    pub(crate) fn usage(
        &self,
        account: &AccountId,
        of: &UsageSource,
        used: Delivered,
        now: Timestamp,
    ) -> Vec<Usage> {
        let Funding::Metered { customer, counts } = &self.funding else {
            return Vec::new();
        };
        let rate = |meter: &Meter| {
            let lines = &self.spending.as_ref()?.lines;
            let line = lines.iter().find(|line| line.meter == *meter)?;
            Some(line.rate.clone())
        };
        let one = |(meter, counts): &(Meter, MeteredUnit)| Usage {
            id: of.usage(),
            account: account.clone(),
            meter: meter.clone(),
            customer: customer.clone(),
            value: self.counted(*counts, used),
            at: now,
            of: of.clone(),
            identifier: UsageIdentifier::first(of.usage(), meter.clone()),
            rate: rate(meter),
        };
        counts
            .iter()
            .map(one)
            .filter(|usage| usage.value > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests;
