//! The effect of a job's transition on the account's money.
//!
//! A job becomes billable in one state, which its terms name. Entering that state captures the hold
//! or records the usage for Stripe. Every other end releases the hold and the reserved spending.
//! Both follow from the two states alone, and the store writes them in the transaction that moves
//! the job, so no caller can forget them.

use super::{Delivered, FixPaid, JobRow, JobState, Terms};
use crate::billing::plans::{Billable, price};
use crate::billing::spending::SpendChange;
use crate::billing::usage::{AccountMeter, Usage, UsageSource};
use crate::ledger::{HoldId, Posting};
use crate::time::Timestamp;
use crate::units::Credits;

/// The effect of a transition on the account's money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BillingEffect {
    None,
    Billed {
        /// The capture, if the job was paid from credits.
        capture: Option<Posting>,
        /// What to report to Stripe, if the job is metered.
        usage: Vec<Usage>,
        /// The correction of the spending from the reserved amount to the actual cost.
        outlay: Option<SpendChange>,
    },
    /// The job is not billed and never will be: its hold and its place in the quota are released.
    Released {
        /// The release, if credits were held.
        release: Option<Posting>,
        /// The removal of the reserved spending.
        outlay: Option<SpendChange>,
    },
}

impl BillingEffect {
    /// The postings to write: at most one.
    pub fn posting(&self) -> &[Posting] {
        match self {
            Self::None => None,
            Self::Billed { capture, .. } => capture.as_ref(),
            Self::Released { release, .. } => release.as_ref(),
        }
        .map_or(&[], std::slice::from_ref)
    }

    /// The change of the account's spending.
    pub const fn outlay(&self) -> Option<&SpendChange> {
        match self {
            Self::None => None,
            Self::Billed { outlay, .. } | Self::Released { outlay, .. } => outlay.as_ref(),
        }
    }

    /// The meters on which the account has new usage to report.
    pub fn debts(&self) -> Vec<AccountMeter> {
        match self {
            Self::Billed { usage, .. } => usage.iter().map(Usage::debts).collect(),
            Self::None | Self::Released { .. } => Vec::new(),
        }
    }
}

/// The state in which a job on these terms becomes billable.
const fn billable_state(terms: &Terms) -> JobState {
    match terms.billable {
        Billable::PrOpened => JobState::PrOpened,
        Billable::Merged => JobState::Merged,
    }
}

/// Whether a job is billed when it goes from one state to another. A job that has ended is settled,
/// whatever people do with its pull request later.
fn bills(terms: &Terms, from: JobState, to: JobState) -> bool {
    // Who merges a pull request takes it, whatever its checks would have said.
    let waits = matches!(from, JobState::Validating | JobState::Repairing);
    let taken = waits && to == JobState::Merged;
    from != to && !from.is_over() && (to == billable_state(terms) || taken)
}

/// Whether the job has been billed.
pub fn was_billed(row: &JobRow) -> bool {
    let mut steps = row.timeline.windows(2);
    steps.any(|step| bills(&row.facts.terms, step[0].state, step[1].state))
}

/// The billing effect of a transition from the state `from` to the row's present state.
pub(super) fn effect(from: JobState, row: &JobRow, now: Timestamp) -> BillingEffect {
    if from == row.state || from.is_over() {
        return BillingEffect::None;
    }
    if bills(&row.facts.terms, from, row.state) {
        let (facts, cost, used) = (&row.facts, cost_to_customer(row), delivered(row));
        return BillingEffect::Billed {
            capture: settlement(row, cost, now),
            usage: billed_usage(row, now),
            outlay: facts.terms.ends(&facts.account, cost, used),
        };
    }
    let billed_before = from == billable_state(&row.facts.terms);
    if row.state.is_over() && !from.is_over() && !billed_before {
        let outlay = row
            .facts
            .terms
            .ends(&row.facts.account, Credits::ZERO, Delivered::default());
        return BillingEffect::Released {
            release: settlement(row, Credits::ZERO, now),
            outlay,
        };
    }
    BillingEffect::None
}

/// The usage records of a job that is billed at this time.
pub fn billed_usage(row: &JobRow, at: Timestamp) -> Vec<Usage> {
    let facts = &row.facts;
    let of = UsageSource::Job(facts.id.clone());
    facts.terms.usage(&facts.account, &of, delivered(row), at)
}

fn delivered(row: &JobRow) -> Delivered {
    Delivered {
        pulls: pulls(row),
        tokens: row.tokens,
    }
}

/// What the customer pays for the work so far.
pub fn cost_to_customer(row: &JobRow) -> Credits {
    let (markup, fee) = row.facts.terms.funding.surcharge();
    let fee = match row.fix_paid {
        FixPaid::WithJob => fee,
        FixPaid::Before => Credits::ZERO,
    };
    price(row.cost, markup, fee)
}

fn settlement(row: &JobRow, used: Credits, now: Timestamp) -> Option<Posting> {
    let facts = &row.facts;
    facts.terms.settlement(
        &facts.account,
        HoldId::Job(facts.id.clone()),
        used,
        receipt(row, used),
        now,
    )
}

/// The text that the customer reads next to the amount.
fn receipt(row: &JobRow, used: Credits) -> String {
    let facts = &row.facts;
    let place = format!("{}/{}", facts.owner_login, facts.repository_name);
    match &row.pull {
        Some(pull) if !used.is_zero() => {
            let tokens = row.tokens.total();
            format!("pull request #{} of {place}, {tokens} tokens", pull.number)
        }
        Some(pull) => format!(
            "nothing to pay: pull request #{} of {place} is {}",
            pull.number,
            row.state.as_str()
        ),
        None => {
            let why = row.reason.as_deref().map_or(row.state.as_str(), |reason| {
                crate::text::truncate(reason, 200)
            });
            format!(
                "nothing to pay for issue #{} of {place}: {why}",
                facts.issue_number
            )
        }
    }
}

/// The number of pull requests that a delivering job counts.
fn pulls(row: &JobRow) -> u64 {
    match row.fix_paid {
        FixPaid::WithJob => 1,
        FixPaid::Before => 0,
    }
}
