//! Phases: what external agents report about their work on a fix, and which of these reports is
//! billable.
//!
//! A job of ours and an agent's report on the same issue are about the same [`Fix`]. Only the first
//! of them is charged for it.

use crate::billing::plans::{Limit, MeteredUnit, PhasePredicate};
use crate::billing::spending::SpendChange;
use crate::billing::usage::{Tokens, Usage, UsageSource};
use crate::ids::{AccountId, ActionId, JobId};
use crate::jobs::fixes::Fix;
use crate::jobs::repositories::RepositoryName;
use crate::jobs::{Delivered, Funding, Offer};
use crate::ledger::{EntryDetails, Posting};
use crate::text::words;
use crate::time::Timestamp;
use crate::units::Credits;

words! {
    Phase {
        /// The agent looked for something to fix.
        Scan = "scan",
        /// The agent confirmed that something needs a fix.
        Validate = "validate",
        /// The agent made the fix.
        Mitigate = "mitigate",
    }
}

words! {
    PhaseResult {
        Success = "success",
        Failure = "failure",
    }
}

/// A report of an external agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseReport {
    pub id: ActionId,
    pub account: AccountId,
    pub phase: Phase,
    pub ending: PhaseResult,
    /// The name as the agent wrote it.
    pub repository: RepositoryName,
    pub issue_number: Option<u64>,
    pub fix: Fix,
    /// The job that the agent was given, if any.
    pub job: Option<JobId>,
    pub pull_request: Option<u64>,
    pub commit: Option<String>,
    /// The agent's own id of its run.
    pub run_id: Option<String>,
    /// Further data from the agent, as JSON.
    pub data: Option<String>,
    /// When the phase ended, by the agent's clock.
    pub occurred_at: Timestamp,
    pub at: Timestamp,
    pub counted: ReportBilling,
    /// What its fix was charged in credits, if it was.
    pub fee: Option<Credits>,
}

words! {
    ReportBilling {
        Billed = "billed",
        AlreadyBilled = "already_billed",
        NotBillable = "not_billable",
    }
}

impl PhaseReport {
    /// Whether the report is of a delivered fix, as the catalogue defines it.
    pub fn is_billable(&self, predicate: &PhasePredicate) -> bool {
        predicate.holds(self.phase.as_str(), self.ending.as_str())
    }

    /// Whether another report of the same action has the same content.
    pub fn says_as(&self, other: &Self) -> bool {
        let told = |report: &Self| Self {
            occurred_at: self.occurred_at,
            at: self.at,
            counted: self.counted,
            fee: self.fee,
            ..report.clone()
        };
        told(self) == told(other)
    }

    /// The charge for the fix. An external agent pays for its own models, so only the fix is
    /// charged.
    pub fn charge(&self, offer: &Offer) -> FixCharge {
        let terms = &offer.terms;
        let posting = match &terms.funding {
            Funding::Prepaid { fee, .. } => self.spent(*fee, &terms.priced_by),
            Funding::Metered { .. } | Funding::Free => None,
        };
        let usage = terms.usage(
            &self.account,
            &UsageSource::Report(self.id.clone()),
            Delivered {
                pulls: 1,
                tokens: Tokens::default(),
            },
            self.at,
        );
        let outlay = terms.spending.as_ref().map(|spending| {
            let cost = posting
                .as_ref()
                .map_or(0, |posting| posting.entry().amount.micros());
            spending.done(&self.account, cost, |line| {
                u64::from(line.counts == MeteredUnit::Pulls)
            })
        });
        FixCharge {
            limit: match terms.funding {
                Funding::Free => offer.limit,
                Funding::Prepaid { .. } | Funding::Metered { .. } => Limit::Unlimited,
            },
            period: terms.period.clone(),
            posting,
            usage,
            outlay,
        }
    }

    fn spent(&self, fee: Credits, priced_by: &str) -> Option<Posting> {
        let source = self.id.to_string();
        let label = EntryDetails {
            note: format!("fix of {}", self.fix),
            source,
            priced_by: priced_by.to_owned(),
        };
        (!fee.is_zero()).then(|| Posting::fix(&self.account, self.fix.clone(), fee, label, self.at))
    }
}

/// What is written together with a charged fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixCharge {
    pub period: String,
    /// How many fixes the period may count. A fix that somebody pays for counts beyond the quota,
    /// because it was delivered; what is free ends with it.
    pub limit: Limit,
    /// The charge in credits, if any.
    pub posting: Option<Posting>,
    /// The usage to report to Stripe.
    pub usage: Vec<Usage>,
    pub outlay: Option<SpendChange>,
}

#[cfg(test)]
mod tests;
