//! Spending: what an account's billable work comes to in a billing period, and the most that its customer wants that to be.
//!
//! Whatever work may cost at most is counted when it begins, in the write that begins it, and only if it fits below the
//! limit; when it ends, what it did not cost is taken off again. So the sum of a period is at no moment above the limit,
//! however many begin at once. Two things are spent, and each is limited in its own unit: money, which Stripe invoices by
//! meters, and credits, which come off the balance. What is reported after it has happened is counted and never refused.

use crate::billing::entitlements::Entitlements;
use crate::billing::plans::{MeteredUnit, Period, Rate, Renewal};
use crate::billing::usage::Meter;
use crate::ids::AccountId;
use crate::notices::{Notice, Topic};
use crate::time::Timestamp;
use crate::units::Credits;
use crate::units::Money;
pub use crate::units::SpendUnit;

/// Millionths in a minor unit, as in a credit.
pub const MICROS: u64 = crate::units::MICROS;

/// The period that spending is counted in: the subscription's, which is what an invoice is about, or else the month.
pub fn billing_period(entitlements: &Entitlements<'_>, now: Timestamp) -> Period {
    Period::at(Renewal::Subscription, entitlements.period, now)
}

/// What a job's spending follows from, fixed with its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The billing period that it is counted in: the one in which it began.
    pub period: String,
    /// What it spends.
    pub unit: SpendUnit,
    /// What it counts on meters, and what that costs; nothing where it spends credits.
    pub lines: Vec<SpendLine>,
    /// What was counted for it when it began. Where a rate has tiers, only the write that begins it knows.
    pub reserved: u64,
}

/// What a job counts on one meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendLine {
    /// The meter.
    pub meter: Meter,
    /// What of the job.
    pub counts: MeteredUnit,
    /// How many at most.
    pub most: u64,
    /// At what rate.
    pub rate: Rate,
}

impl Spending {
    /// How many tokens the job may take, where they cost money.
    pub fn tokens_max(&self) -> Option<u64> {
        self.lines
            .iter()
            .filter(|line| line.counts == MeteredUnit::Tokens)
            .map(|line| line.most)
            .min()
    }

    /// What its beginning does.
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

    /// What its end does, given what it counts in the end of each line, or what it cost where there are none.
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

    /// What something does that has happened already.
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

/// What a piece of work does to what its account spends in a period, to be written with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendChange {
    /// Whose.
    pub account: AccountId,
    /// In which period.
    pub period: String,
    /// What is spent.
    pub unit: SpendUnit,
    /// Whether the work begins or ends with it.
    pub stage: SpendStage,
    /// By how much the sum changes, apart from the tier_deltas.
    pub flat: i64,
    /// What changes on meters whose rates have tiers: what that costs depends on how many there are by then.
    pub tier_deltas: Vec<TierDelta>,
}

/// Where the work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpendStage {
    /// It begins, if that is within the limit.
    Begins,
    /// It ends, and what was counted for it is no longer reserved.
    Ends {
        /// So much was.
        reserved: u64,
    },
    /// It has happened before anybody could be asked.
    Done,
}

/// So many units more or fewer on a meter whose rate has tiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierDelta {
    /// The meter.
    pub meter: Meter,
    /// Its rate.
    pub rate: Rate,
    /// How many more.
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

    /// Credits that a customer reserves for work of his own.
    pub fn hold(account: &AccountId, period: &str, amount: Credits) -> Self {
        Self::of(account, period, SpendUnit::Credits, SpendStage::Begins).plus(amount.signed())
    }

    /// The end of such work.
    pub fn settlement(account: &AccountId, period: &str, (held, used): (Credits, Credits)) -> Self {
        let stage = SpendStage::Ends {
            reserved: held.micros(),
        };
        Self::of(account, period, SpendUnit::Credits, stage).plus(used.signed() - held.signed())
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

/// A sum as a change; what is too large for one is more than anybody owes.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX / 4)
}

/// The most that a customer wants to spend in a billing period. What is not said has no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpendLimit {
    /// Of what Stripe invoices by meters.
    pub money: Option<Money>,
    /// Of the balance.
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

    /// A sum as people read it. Parts of a minor unit count as a whole one.
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

    /// What there is to say of a limit and what was spent.
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
            "of the {limit} that you want to spend at most in this billing period, {} are spent{under_way}",
            self.words(unit, spent.spent)
        ))
    }

    /// What the customer has to be told when so much is spent: at four fifths of the limit, and when it is reached.
    pub fn warning(
        &self,
        (unit, period): (SpendUnit, &str),
        spent: Spent,
        now: Timestamp,
    ) -> Option<Notice> {
        // Who wants to spend nothing is told when something is refused for it.
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

    /// What he has to be told when something was refused.
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

/// What a period has come to, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// For what has ended.
    pub spent: u64,
    /// For what is under way, at most.
    pub reserved: u64,
}

impl Spent {
    /// Of the sum of both, and the part of it that is reserved. While tiers shift, that part may be the larger for a while.
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
