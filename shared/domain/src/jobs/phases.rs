//! Phases: what agents outside report of their work on a fix, and when such a report is a fix delivered.
//!
//! A fix is a business fact: that something in a repository was put right for an account, once. A job of ours that delivers
//! an issue's pull request and an agent's report on the same issue are about the same fix. Whichever comes first is charged
//! for it; what comes later finds that it has been.

use crate::billing::plans::{MeteredUnit, PhasePredicate};
use crate::billing::spending::SpendChange;
use crate::billing::usage::{Tokens, Usage, UsageSource};
use crate::ids::{AccountId, ActionId, JobId};
use crate::jobs::fixes::Fix;
use crate::jobs::repositories::RepositoryName;
use crate::jobs::{Delivered, Funding, Terms};
use crate::ledger::{EntryDetails, Posting};
use crate::text::words;
use crate::time::Timestamp;
use crate::units::Credits;

words! {
    /// Which step of its work an agent reports.
    Phase {
        /// It has looked for what is to be fixed.
        Scan = "scan",
        /// It has shown that something is to be fixed.
        Validate = "validate",
        /// It has made the fix.
        Mitigate = "mitigate",
    }
}

words! {
    /// How a phase ended.
    PhaseResult {
        /// As it should.
        Success = "success",
        /// Otherwise.
        Failure = "failure",
    }
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseReport {
    /// The act of reporting.
    pub id: ActionId,
    /// Whose agent it is.
    pub account: AccountId,
    /// Which phase.
    pub phase: Phase,
    /// How it ended.
    pub ending: PhaseResult,
    /// In which repository, as the agent wrote it.
    pub repository: RepositoryName,
    /// For which issue, where there is one.
    pub issue_number: Option<u64>,
    /// For which fix.
    pub fix: Fix,
    /// The job that the agent was given, where it was given one.
    pub job: Option<JobId>,
    /// The pull request, where there is one.
    pub pull_request: Option<u64>,
    /// On which commit.
    pub commit: Option<String>,
    /// By which run of the agent.
    pub run_id: Option<String>,
    /// What the agent has to say besides, as JSON.
    pub data: Option<String>,
    /// When the phase ended, by the agent's clock.
    pub occurred_at: Timestamp,
    /// When we were told.
    pub at: Timestamp,
    /// What it means for the money.
    pub counted: ReportBilling,
}

words! {
    /// What a report means for the money.
    ReportBilling {
        /// The fix is charged with it.
        Billed = "billed",
        /// The fix had been charged before.
        AlreadyBilled = "already_billed",
        /// It is no delivery of a fix.
        NotBillable = "not_billable",
    }
}

impl PhaseReport {
    /// Whether it tells of a fix delivered, as the catalogue has it.
    pub fn is_billable(&self, predicate: &PhasePredicate) -> bool {
        predicate.holds(self.phase.as_str(), self.ending.as_str())
    }

    /// Whether another report of the same act says the same.
    pub fn says_as(&self, other: &Self) -> bool {
        let told = |report: &Self| Self {
            occurred_at: self.occurred_at,
            at: self.at,
            counted: self.counted,
            ..report.clone()
        };
        told(self) == told(other)
    }

    /// What the fix costs on these terms. An agent outside pays for its own models, so there is the fix and nothing else.
    pub fn charge(&self, terms: &Terms) -> FixCharge {
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

/// What goes with a fix that is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixCharge {
    /// The period whose quota counts it.
    pub period: String,
    /// What it costs in credits, where that is something.
    pub posting: Option<Posting>,
    /// What Stripe has to be told.
    pub usage: Vec<Usage>,
    /// What it adds to what the account spends.
    pub outlay: Option<SpendChange>,
}

#[cfg(test)]
mod tests;
