//! How a job is paid for, fixed at its creation, and what each of its ends means for the money.
//!
//! A job is paid from credits or by a meter or not at all, never by two of them. It becomes billable in one state, which the
//! plan says; entering it captures what was held or owes Stripe the usage, in the same transaction. Every other end gives
//! back what was held and what was counted. Since both follow from the states alone, no caller can forget them.

use crate::billing::entitlements::Entitlements;
use crate::billing::plans::{
    BasisPoints, Billable, Catalogue, Limit, MeterCharge, MeteredUnit, Pays, Period, Plan, Quota,
    price,
};
use crate::billing::spending::{SpendChange, SpendLine, SpendUnit, Spending, billing_period};
use crate::billing::usage::{Meter, Tokens, Usage, UsageIdentifier, UsageSource};
use crate::ids::{AccountId, CustomerId};
use crate::ledger::{EntryDetails, HoldId, Posting};
use crate::time::Timestamp;
use crate::units::Credits;

/// What a job costs and who pays it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Where the money comes from.
    pub funding: Funding,
    /// In which state it has become billable.
    pub billable: Billable,
    /// The most it may cost, in credits; none is no bound.
    pub budget: Option<Credits>,
    /// The period whose quota it was counted in.
    pub period: String,
    /// By which version of the catalogue.
    pub priced_by: String,
    /// What it does to what its account spends; none where it costs nothing.
    pub spending: Option<Spending>,
}

/// Where a job's money comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Funding {
    /// From credits, reserved before the work.
    Prepaid {
        /// What is reserved: the most the job can cost.
        held: Credits,
        /// What is added to the models' cost.
        markup: BasisPoints,
        /// What the pull request itself costs.
        fee: Credits,
    },
    /// Stripe is told of it, and bills.
    Metered {
        /// The account's customer at Stripe.
        customer: CustomerId,
        /// What it counts, and on which meters.
        counts: Vec<(Meter, MeteredUnit)>,
    },
    /// Nobody pays; it is only counted.
    Free,
}

/// What work has delivered, as meters count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    pub pulls: u64,
    pub tokens: Tokens,
}

/// With what the fix that a job delivers is paid for. The tokens it took are always paid for with the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixPaid {
    /// With the job, if it delivers.
    WithJob,
    /// With an outside agent's report of the same fix, before the job delivered.
    Before,
}

/// What is decided before a job is made: its terms, and what has to be had for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The terms.
    pub terms: Terms,
    /// How many jobs the period allows.
    pub limit: Limit,
    /// How far the hold may take the balance below nothing.
    pub overdraft: Credits,
}

impl Offer {
    /// What an account's entitlements offers at this moment.
    pub fn of(
        catalogue: &Catalogue,
        entitlements: &Entitlements<'_>,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Self {
        let plan = entitlements.plan;
        let budget = (!plan.budget.is_zero()).then_some(plan.budget);
        let funding = match plan.pays {
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
        Self {
            terms: Terms {
                funding,
                billable: plan.billable,
                budget,
                period: Period::at(renews, entitlements.period, now).key,
                priced_by: catalogue.version.clone(),
                spending: spending(plan, billing_period(entitlements, now).key),
            },
            limit: quota.map_or(Limit::Unlimited, Quota::hard_limit),
            overdraft: plan.overdraft,
        }
    }

    /// What it offers an assist: what the model reads and writes is paid for, and there is no fee. A plan that bills no
    /// tokens has nothing to ask for. Its prompt has at most so many bytes, from which follows the most that it can cost;
    /// none for one that nobody pays for.
    pub fn of_assist(
        catalogue: &Catalogue,
        entitlements: &Entitlements<'_>,
        customer: &CustomerId,
        prompt_bytes_max: Option<usize>,
        now: Timestamp,
    ) -> Self {
        let mut offer = Self::of(catalogue, entitlements, customer, now);
        offer.limit = Limit::Unlimited;
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
                    lines.for_each(|line| {
                        line.most = line.most.min(most.input.saturating_add(most.output))
                    });
                }
            }
            Funding::Free => {}
        }
        if matches!(&terms.funding, Funding::Metered { counts, .. } if counts.is_empty()) {
            (terms.funding, terms.spending) = (Funding::Free, None);
        }
        offer
    }

    /// The same for a job that an agent outside works on: the fix is paid for as soon as it is reported, and no tokens are,
    /// since the agent pays for its own models.
    pub fn outside(mut self) -> Self {
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

    /// The hold that has to be had before the work, if the job is paid from credits.
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
fn spending(plan: &Plan, period: String) -> Option<Spending> {
    let (unit, lines, reserved) = match plan.pays {
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
    /// What is put on the models' cost, and what the pull request itself costs.
    pub const fn surcharge(&self) -> (BasisPoints, Credits) {
        match self {
            Self::Prepaid { markup, fee, .. } => (*markup, *fee),
            Self::Metered { .. } | Self::Free => (BasisPoints(0), Credits::ZERO),
        }
    }
}

impl Terms {
    /// What work of this cost comes to for whoever pays it, with the fee.
    pub fn price(&self, cost: Credits) -> Credits {
        let (markup, fee) = self.funding.surcharge();
        price(cost, markup, fee)
    }

    /// The end of the hold, if there is one: so much was used, and the rest comes back.
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

    /// How many tokens the work may take, where they cost money.
    pub fn tokens_max(&self) -> Option<u64> {
        self.spending.as_ref()?.tokens_max()
    }

    /// What is counted: of tokens no more than were reserved, as of credits.
    fn counted(&self, counts: MeteredUnit, used: Delivered) -> u64 {
        match counts {
            MeteredUnit::Pulls => used.pulls,
            MeteredUnit::Tokens => {
                let taken = used.tokens.input.saturating_add(used.tokens.output);
                self.tokens_max().map_or(taken, |most| taken.min(most))
            }
        }
    }

    /// What the beginning of the work does to what its account spends: the most that it can come to.
    pub fn begins(&self, account: &AccountId) -> Option<SpendChange> {
        self.spending
            .as_ref()
            .map(|spending| spending.begins(account))
    }

    /// What the end of the work does to what its account spends: what was counted for it, but for what it came to.
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

    /// What Stripe has to be told of so many pull requests and tokens, if they are metered.
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
        let one = |(meter, counts): &(Meter, MeteredUnit)| Usage {
            id: of.usage(),
            account: account.clone(),
            meter: meter.clone(),
            customer: customer.clone(),
            value: self.counted(*counts, used),
            at: now,
            of: of.clone(),
            identifier: UsageIdentifier::first(of.usage(), meter.clone()),
        };
        counts
            .iter()
            .map(one)
            .filter(|usage| usage.value > 0)
            .collect()
    }
}
