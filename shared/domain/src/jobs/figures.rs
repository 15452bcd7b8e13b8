//! What jobs earned and cost, for operators. Recomputed from the jobs' rows, so the figures follow
//! from the same facts that billed the customers.

use super::billing::{cost_to_customer, was_billed};
use super::{Funding, JobRow};
use crate::units::Credits;

/// The figures of a set of jobs. Amounts are millionths of a credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    pub jobs: u64,
    /// The jobs that were billed: by a capture of credits, or as usage for Stripe.
    pub billed: u64,
    /// The credits that jobs captured.
    pub revenue: u64,
    /// What the models cost, for jobs that credits pay, including those that were not billed and
    /// answers that were lost.
    pub prepaid_cost: u64,
    /// What the models cost, for all jobs.
    pub cost: u64,
}

impl Figures {
    /// The figures of one job.
    pub fn of(row: &JobRow) -> Self {
        let cost = row.spent().micros();
        let prepaid = matches!(row.facts.terms.funding, Funding::Prepaid { .. });
        Self {
            jobs: 1,
            billed: u64::from(was_billed(row)),
            revenue: revenue(row).micros(),
            prepaid_cost: if prepaid { cost } else { 0 },
            cost,
        }
    }

    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            jobs: self.jobs.saturating_add(other.jobs),
            billed: self.billed.saturating_add(other.billed),
            revenue: self.revenue.saturating_add(other.revenue),
            prepaid_cost: self.prepaid_cost.saturating_add(other.prepaid_cost),
            cost: self.cost.saturating_add(other.cost),
        }
    }

    /// What is left of the captured credits after the models' cost of the jobs that credits pay.
    /// Stripe invoices the other jobs in money, so their cost is not part of it.
    pub fn margin(&self) -> i64 {
        let signed = |micros: u64| i64::try_from(micros).unwrap_or(i64::MAX);
        signed(self.revenue).saturating_sub(signed(self.prepaid_cost))
    }
}

/// The credits that the job captured: its price, at most what it held.
fn revenue(row: &JobRow) -> Credits {
    match &row.facts.terms.funding {
        Funding::Prepaid { held, .. } if was_billed(row) => cost_to_customer(row).min(*held),
        Funding::Prepaid { .. } | Funding::Metered { .. } | Funding::Free => Credits::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_add_up_and_a_margin_can_be_negative() {
        let one = Figures {
            jobs: 1,
            billed: 1,
            revenue: 5,
            prepaid_cost: 3,
            cost: 3,
        };
        let failed = Figures {
            jobs: 1,
            prepaid_cost: 4,
            cost: 4,
            ..Figures::default()
        };
        assert_eq!(one.margin(), 2);
        let both = one.plus(failed);
        assert_eq!((both.jobs, both.billed, both.cost), (2, 1, 7));
        assert_eq!(both.margin(), -2);
    }
}
