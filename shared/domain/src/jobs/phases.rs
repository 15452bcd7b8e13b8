//! Phases: what agents outside report of their work on a fix, and when such a report is a fix delivered.
//!
//! A fix is a business fact: that something in a repository was put right for an account, once. A job of ours that delivers
//! an issue's pull request and an agent's report on the same issue are about the same fix. Whichever comes first is charged
//! for it; what comes later finds that it has been.

use crate::billing::plans::{MeteredUnit, PhasePredicate};
use crate::billing::spending::SpendChange;
use crate::billing::usage::{Tokens, Usage, UsageSource};
use crate::ids::{AccountId, ActionId, JobId};
use crate::jobs::repositories::RepositoryName;
use crate::jobs::{Funding, Terms};
use crate::ledger::{EntryDetails, Posting};
use crate::time::Timestamp;
use crate::units::Credits;
use std::fmt;

/// Which step of its work an agent reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has looked for what is to be fixed.
    Scan,
    /// It has shown that something is to be fixed.
    Validate,
    /// It has made the fix.
    Mitigate,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 3] = [Self::Scan, Self::Validate, Self::Mitigate];

    /// The word on the wire and in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Validate => "validate",
            Self::Mitigate => "mitigate",
        }
    }

    /// Reads the word back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }
}

/// How a phase ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseResult {
    /// As it should.
    Success,
    /// Otherwise.
    Failure,
}

impl PhaseResult {
    /// The word on the wire and in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }

    /// Reads the word back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Success, Self::Failure]
            .into_iter()
            .find(|ending| ending.as_str() == text)
    }
}

/// What was put right in an account's repository: the fact that is charged once. LimitCheck an account it is known by the
/// repository's name, since that is all an agent's report has, and by the issue or by a name that the agent gives it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fix(String);

const FIX_CHARS_MAX: usize = 100;

impl Fix {
    /// The fix of an issue.
    pub fn of_issue(owner: &str, repository: &str, number: u64) -> Self {
        Self(format!(
            "{}/{}#issue-{number}",
            owner.to_ascii_lowercase(),
            repository.to_ascii_lowercase()
        ))
    }

    /// A fix for which there is no issue, by the agent's own name of it: up to 100 letters, digits and `. _ : -`.
    pub fn named(repository: &RepositoryName, name: &str) -> Option<Self> {
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
        (plain && !name.is_empty() && name.len() <= FIX_CHARS_MAX)
            .then(|| Self(format!("{}#fix-{name}", repository.folded())))
    }

    /// Reads it back.
    pub fn parse(text: &str) -> Option<Self> {
        let (repository, what) = text.split_once('#')?;
        let known = what.starts_with("issue-") || what.starts_with("fix-");
        (known && repository.contains('/')).then(|| Self(text.to_owned()))
    }

    /// As it stands in keys: `acme/greeter#issue-12`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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

/// What a report means for the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportBilling {
    /// The fix is charged with it.
    Billed,
    /// The fix had been charged before.
    AlreadyBilled,
    /// It is no delivery of a fix.
    NotBillable,
}

impl ReportBilling {
    /// The word on the wire and on the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Billed => "billed",
            Self::AlreadyBilled => "already_billed",
            Self::NotBillable => "not_billable",
        }
    }

    /// Reads the word back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Billed, Self::AlreadyBilled, Self::NotBillable]
            .into_iter()
            .find(|counted| counted.as_str() == text)
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
            (1, Tokens::default()),
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
