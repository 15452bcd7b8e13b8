//! Spending: what an account's billable work costs in a billing period, and the customer's limit on
//! it.
//!
//! The most that work can cost is reserved when it starts, in the write that starts it and only if
//! it fits below the limit. When the work ends, the unused part is released. The sum of a period is
//! therefore never above the limit, however much work starts at once. Money, which Stripe invoices
//! by meters, and credits, which come off the balance, have separate limits. Work that is reported
//! after the fact is counted and never refused.

use crate::billing::entitlements::Entitlements;
use crate::billing::plans::{MeteredUnit, Period, Rate, Renewal};
use crate::billing::usage::Meter;
use crate::ids::AccountId;
use crate::notices::{Notice, Topic};
use crate::time::Timestamp;
use crate::units::Credits;
use crate::units::Money;
pub use crate::units::SpendUnit;

pub const MICROS: u64 = crate::units::MICROS;

/// The billing period: the subscription's, which an invoice covers, or else the calendar month.
pub fn billing_period(entitlements: &Entitlements<'_>, now: Timestamp) -> Period {
    Period::at(Renewal::Subscription, entitlements.period, now)
}

/// How a job counts as spending; fixed with its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The billing period in which the job started.
    pub period: String,
    pub unit: SpendUnit,
    /// The metered quantities and their rates; empty if it spends credits.
    pub lines: Vec<SpendLine>,
    /// The amount reserved at the start. If a rate has tiers, only the write that starts the job
    /// knows it.
    pub reserved: u64,
}

/// A quantity that a job counts on a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendLine {
    pub meter: Meter,
    pub counts: MeteredUnit,
    pub most: u64,
    pub rate: Rate,
}

impl Spending {
    /// How many tokens the job may use, if they cost money.
    pub fn tokens_max(&self) -> Option<u64> {
        self.lines
            .iter()
            .filter(|line| line.counts == MeteredUnit::Tokens)
            .map(|line| line.most)
            .min()
    }

    /// The change when the work starts.
    pub fn begins(&self, account: &AccountId) -> SpendChange {
        let flat = if self.lines.is_empty() {
            self.reserved
        } else {
            0
        };
        let outlay = SpendChange::of(account, &self.period, self.unit, SpendStage::Begins)
            .plus(signed(flat));
        self.lines
            .iter()
            .fold(outlay, |outlay, line| outlay.moves(line, 0, line.most))
    }

    /// The change when the work ends, from the final quantity of each line, or from the cost if
    /// there are no lines.
    pub fn ends(
        &self,
        account: &AccountId,
        cost: u64,
        counted: impl Fn(&SpendLine) -> u64,
    ) -> SpendChange {
        let stage = SpendStage::Ends {
            reserved: self.reserved,
        };
        let flat = if self.lines.is_empty() {
            signed(cost) - signed(self.reserved)
        } else {
            0
        };
        let outlay = SpendChange::of(account, &self.period, self.unit, stage).plus(flat);
        self.lines.iter().fold(outlay, |outlay, line| {
            outlay.moves(line, line.most, counted(line))
        })
    }

    /// The change for work that is already done.
    pub fn done(
        &self,
        account: &AccountId,
        cost: u64,
        counted: impl Fn(&SpendLine) -> u64,
    ) -> SpendChange {
        let flat = if self.lines.is_empty() {
            signed(cost)
        } else {
            0
        };
        let outlay = SpendChange::of(account, &self.period, self.unit, SpendStage::Done).plus(flat);
        self.lines
            .iter()
            .fold(outlay, |outlay, line| outlay.moves(line, 0, counted(line)))
    }
}

/// A change of an account's spending in a period, written together with the work's transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendChange {
    pub account: AccountId,
    pub period: String,
    pub unit: SpendUnit,
    pub stage: SpendStage,
    /// The change of the sum, apart from `tier_deltas`.
    pub flat: i64,
    /// Changes on meters with tiers, whose cost depends on the count at the time of the write.
    pub tier_deltas: Vec<TierDelta>,
}

/// The stage of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpendStage {
    /// It starts, if that is within the limit.
    Begins,
    /// It ends, and its reservation is released.
    Ends { reserved: u64 },
    /// It was done before it was reported.
    Done,
}

/// A change of the count on a meter whose rate has tiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierDelta {
    pub meter: Meter,
    pub rate: Rate,
    pub units: i64,
}

impl SpendChange {
    fn of(account: &AccountId, period: &str, unit: SpendUnit, stage: SpendStage) -> Self {
        Self {
            account: account.clone(),
            period: period.to_owned(),
            unit,
            stage,
            flat: 0,
            tier_deltas: Vec::new(),
        }
    }

    /// The change when a customer reserves credits for their own work.
    pub fn hold(account: &AccountId, period: &str, amount: Credits) -> Self {
        Self::of(account, period, SpendUnit::Credits, SpendStage::Begins).plus(amount.signed())
    }

    /// The change when that work ends.
    pub fn settlement(account: &AccountId, period: &str, (held, used): (Credits, Credits)) -> Self {
        let stage = SpendStage::Ends {
            reserved: held.micros(),
        };
        Self::of(account, period, SpendUnit::Credits, stage).plus(used.signed() - held.signed())
    }

    /// The change when a customer charges their own work in one step. Unlike work that is reported
    /// after the fact, it is refused beyond the limit.
    pub fn debit(account: &AccountId, period: &str, amount: Credits) -> Self {
        Self::of(account, period, SpendUnit::Credits, SpendStage::Done).plus(amount.signed())
    }

    fn plus(self, micros: i64) -> Self {
        Self {
            flat: self.flat + micros,
            ..self
        }
    }

    fn moves(mut self, line: &SpendLine, from: u64, to: u64) -> Self {
        match &line.rate {
            Rate::PerUnit(_) => {
                self.plus(signed(line.rate.micros(to)) - signed(line.rate.micros(from)))
            }
            Rate::Graduated(_) => {
                let units = signed(to) - signed(from);
                self.tier_deltas.extend((units != 0).then(|| TierDelta {
                    meter: line.meter.clone(),
                    rate: line.rate.clone(),
                    units,
                }));
                self
            }
        }
    }
}

/// Converts a sum to a change; sums that are too large are clamped.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX / 4)
}

/// The most that a customer wants to spend in a billing period. An absent limit is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpendLimit {
    /// For what Stripe invoices by meters.
    pub money: Option<Money>,
    pub credits: Option<Credits>,
}

impl SpendLimit {
    /// The limit in a unit, in millionths.
    pub fn of(&self, unit: SpendUnit) -> Option<u64> {
        match unit {
            SpendUnit::Money => Some(
                u64::try_from(self.money?.minor)
                    .unwrap_or(0)
                    .saturating_mul(MICROS),
            ),
            SpendUnit::Credits => self.credits.map(Credits::micros),
        }
    }

    /// Formats a sum for people. A part of a minor unit counts as a whole one.
    fn words(&self, unit: SpendUnit, micros: u64) -> String {
        match (unit, self.money) {
            (SpendUnit::Money, Some(limit)) => Money {
                minor: minor(micros),
                currency: limit.currency,
            }
            .to_string(),
            (SpendUnit::Money, None) | (SpendUnit::Credits, _) => {
                format!("{} credits", crate::units::decimal(signed(micros)))
            }
        }
    }

    /// A sentence on the limit and the amount spent.
    pub fn usage_text(&self, unit: SpendUnit, spent: Spent) -> Option<String> {
        let limit = self.words(unit, self.of(unit)?);
        let under_way = match spent.reserved {
            0 => String::new(),
            reserved => format!(
                ", and {} are reserved for work under way",
                self.words(unit, reserved)
            ),
        };
        Some(format!(
            "{} of your spend limit of {limit} for this billing period are spent{under_way}",
            self.words(unit, spent.spent)
        ))
    }

    /// The notice that an amount causes: at four fifths of the limit, and at the limit.
    pub fn warning(
        &self,
        (unit, period): (SpendUnit, &str),
        spent: Spent,
        now: Timestamp,
    ) -> Option<Notice> {
        // With a limit of zero, only a refusal causes a notice.
        let limit = self.of(unit).filter(|_| spent.spent > 0)?;
        if spent.spent >= limit {
            return self.reached((unit, period), spent, now);
        }
        let near = u128::from(spent.spent) * 5 >= u128::from(limit) * 4;
        let topic = Topic::SpendLimitNear(unit, period.to_owned(), limit);
        near.then(|| {
            self.usage_text(unit, spent)
                .map(|words| Notice::new(topic, format!("{words}."), now))
        })
        .flatten()
    }

    /// The notice that a refusal causes.
    pub fn reached(
        &self,
        (unit, period): (SpendUnit, &str),
        spent: Spent,
        now: Timestamp,
    ) -> Option<Notice> {
        let topic = Topic::SpendLimitReached(unit, period.to_owned(), self.of(unit)?);
        Some(Notice::new(
            topic,
            format!("{}.", self.usage_text(unit, spent)?),
            now,
        ))
    }
}

/// The spending of a period, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// For work that has ended.
    pub spent: u64,
    /// For work in progress, at most.
    pub reserved: u64,
}

impl Spent {
    /// Splits the sum by the reserved part. While tiers shift, that part may briefly exceed the
    /// sum.
    pub fn of(used: u64, reserved: u64) -> Self {
        let reserved = reserved.min(used);
        Self {
            spent: used - reserved,
            reserved,
        }
    }
}

/// Whole minor units, rounded up.
pub fn minor(micros: u64) -> i64 {
    signed(micros.div_ceil(MICROS))
}

#[cfg(test)]
mod tests;
