//! Why a transaction or a usage record has its amount.
//!
//! An amount is recomputed from what it is for: the model calls of a job with their prices, the terms
//! that were fixed when the job began, a payment, a report. The rules are those that made the amount,
//! so a difference means that one of the two was changed afterwards.

mod usage;

pub use usage::of_usage;

use crate::billing::payments::Payment;
use crate::billing::plans::price;
use crate::billing::usage::Usage;
use crate::jobs::assists::{Assist, AssistState};
use crate::jobs::calls::{ModelCall, cost_of};
use crate::jobs::phases::{PhaseReport, ReportBilling};
use crate::jobs::{FixPaid, Funding, JobRow, Terms, was_billed};
use crate::ledger::{Cause, Entry, EntryKind, HoldId, Posting};
use crate::text::words;
use crate::time::Timestamp;
use crate::units::{Credits, decimal};

/// What an amount is recomputed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    Job(Box<JobRow>, Vec<ModelCall>),
    Assist(Box<Assist>),
    Payment(Box<Payment>, TakenOtherwise),
    /// An external agent's report of a fix, and the fee that it was charged.
    Report(Box<PhaseReport>),
    /// What was left of the credits when they expired.
    Left(Credits),
    /// A person or a program named the amount. If it ends a hold, the amount of the hold.
    Named(Option<Credits>),
    /// What the amount was computed from is not kept any more.
    Gone,
}

impl Evidence {
    /// The model calls that were counted.
    pub fn calls(&self) -> &[ModelCall] {
        match self {
            Self::Job(_, calls) => calls,
            Self::Assist(assist) => assist.used.as_ref().map_or(&[], |used| &used.calls),
            Self::Payment(..) | Self::Report(_) | Self::Left(_) | Self::Named(_) | Self::Gone => {
                &[]
            }
        }
    }
}

/// What all other reversals of the payment have taken back together, in microcredits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TakenOtherwise(pub i64);

words! {
    /// Whether the recomputed amount is the recorded one.
    Agreement {
        Equals = "equals",
        DoesNotEqual = "does_not_equal",
        /// There is nothing to compute: a person or a program named the amount.
        Named = "named",
        /// What it was computed from is not kept any more.
        Gone = "gone",
    }
}

/// One line of a sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumLine {
    pub what: String,
    /// A decimal of credits, or a number of units.
    pub amount: String,
}

/// Why a transaction or a usage record has its amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub sentence: String,
    /// The recorded amount.
    pub amount: String,
    /// What the amount counts: `credits`, or the meter.
    pub unit: String,
    pub sum: Vec<SumLine>,
    /// The recomputed amount, if there is anything to compute.
    pub recomputed: Option<String>,
    pub agreement: Agreement,
    /// The hold that the transaction made or ended.
    pub hold: Option<HoldExplained>,
    pub evidence: Evidence,
}

/// A hold, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldExplained {
    pub id: String,
    pub reserved: Credits,
    /// What was spent and what came back, once the hold has ended.
    pub ended: Option<(Credits, Credits)>,
}

/// How far a usage record has come on its way to Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageProgress {
    pub usage: Usage,
    /// `owed`, `reported`, `stuck` or `cancelled`.
    pub state: &'static str,
    /// The time that it is reported with. Stripe counts it in this minute.
    pub reported_with: Timestamp,
    pub reported_at: Option<Timestamp>,
    /// Why it is stuck.
    pub reason: Option<String>,
}

/// An amount that was computed again.
struct Again {
    lines: Vec<SumLine>,
    /// The recomputed entry; `None` if the evidence does not make one.
    entry: Option<Entry>,
}

/// Explains an entry of the ledger.
pub fn of_entry(entry: &Entry, cause: &Cause, evidence: Evidence) -> Explanation {
    let again = again(entry, cause, &evidence);
    let recomputed = again.entry.as_ref().map(|made| made.amount.to_string());
    let agreement = match (&evidence, &again.entry) {
        (Evidence::Gone, _) => Agreement::Gone,
        (Evidence::Named(_), Some(made)) if is_same(made, entry) => Agreement::Named,
        (_, Some(made)) if is_same(made, entry) => Agreement::Equals,
        (_, Some(_) | None) => Agreement::DoesNotEqual,
    };
    Explanation {
        sentence: sentence(entry, cause, &evidence),
        amount: entry.amount.to_string(),
        unit: "credits".to_owned(),
        sum: again.lines,
        recomputed,
        agreement,
        hold: hold(entry, cause),
        evidence,
    }
}

/// Whether two entries move the same credits.
fn is_same(made: &Entry, entry: &Entry) -> bool {
    let moved = |entry: &Entry| (entry.kind, entry.amount, entry.free, entry.held);
    moved(made) == moved(entry)
}

fn again(entry: &Entry, cause: &Cause, evidence: &Evidence) -> Again {
    match (cause, evidence) {
        (Cause::Hold(hold), Evidence::Job(row, _)) => reserved(entry, hold, &row.facts.terms),
        (Cause::Hold(hold), Evidence::Assist(assist)) => reserved(entry, hold, &assist.facts.terms),
        (Cause::Settlement(hold), Evidence::Job(row, calls)) => {
            let (lines, used) = spent_by_job(row, calls);
            settled(entry, hold, &row.facts.terms, (lines, used))
        }
        (Cause::Settlement(hold), Evidence::Assist(assist)) => {
            settled(entry, hold, &assist.facts.terms, spent_by_assist(assist))
        }
        (Cause::Payment(_) | Cause::Reversal(..), Evidence::Payment(payment, others)) => {
            of_payment(entry, cause, payment, *others)
        }
        (Cause::Fix(fix), Evidence::Report(report)) => {
            let fee = report.fee.unwrap_or_default();
            let what = "the plan's fee for a fix".to_owned();
            let made = Posting::fix(&entry.account, fix.clone(), fee, label(), entry.at);
            let is_billed = report.counted == ReportBilling::Billed && report.fix == *fix;
            Again {
                lines: vec![line(what, fee)],
                entry: is_billed.then(|| made.entry().clone()),
            }
        }
        (Cause::Expiry(lot), Evidence::Left(left)) => {
            let made = Posting::expiry(&entry.account, lot.clone(), *left, label(), entry.at);
            Again {
                lines: vec![line("what was left of these credits".to_owned(), *left)],
                entry: Some(made.entry().clone()),
            }
        }
        (Cause::Settlement(hold), Evidence::Named(held)) => {
            let used = if entry.kind == EntryKind::Capture {
                entry.amount
            } else {
                Credits::ZERO
            };
            let made = held.map(|held| {
                let both = (held, used);
                let posting =
                    Posting::settle(&entry.account, hold.clone(), both, label(), entry.at);
                posting.entry().clone()
            });
            Again {
                lines: Vec::new(),
                entry: made,
            }
        }
        (_, Evidence::Named(_)) => Again {
            lines: Vec::new(),
            entry: Some(entry.clone()),
        },
        (_, _) => Again {
            lines: Vec::new(),
            entry: None,
        },
    }
}

fn reserved(entry: &Entry, hold: &HoldId, terms: &Terms) -> Again {
    let Funding::Prepaid { held, .. } = terms.funding else {
        return Again {
            lines: Vec::new(),
            entry: None,
        };
    };
    let both = (held, Credits::ZERO);
    let made = Posting::hold(&entry.account, hold.clone(), both, label(), entry.at);
    Again {
        lines: vec![line("the most that this work can cost".to_owned(), held)],
        entry: Some(made.entry().clone()),
    }
}

fn settled(
    entry: &Entry,
    hold: &HoldId,
    terms: &Terms,
    (lines, used): (Vec<SumLine>, Credits),
) -> Again {
    let made = terms.settlement(&entry.account, hold.clone(), used, String::new(), entry.at);
    Again {
        lines,
        entry: made.map(|made| made.entry().clone()),
    }
}

/// What a job's customer pays, from the job's model calls.
fn spent_by_job(row: &JobRow, calls: &[ModelCall]) -> (Vec<SumLine>, Credits) {
    if !was_billed(row) {
        let what = "nothing: a job that delivers nothing costs nothing".to_owned();
        return (vec![line(what, Credits::ZERO)], Credits::ZERO);
    }
    let (_, fee) = row.facts.terms.funding.surcharge();
    let fee = match row.fix_paid {
        FixPaid::WithJob => Some(fee),
        FixPaid::Before => None,
    };
    spent(&row.facts.terms, calls, fee)
}

fn spent_by_assist(assist: &Assist) -> (Vec<SumLine>, Credits) {
    let used = match assist.state {
        AssistState::Done => assist.used.as_ref(),
        AssistState::Queued | AssistState::Failed => None,
    };
    match used {
        Some(used) => spent(&assist.facts.terms, &used.calls, Some(Credits::ZERO)),
        None => {
            let what = "nothing: there is no answer".to_owned();
            (vec![line(what, Credits::ZERO)], Credits::ZERO)
        }
    }
}

/// The calls' cost with the markup and the fee, rounded once and at most what was reserved. Without
/// a fee, another report of the same fix has paid it.
fn spent(terms: &Terms, calls: &[ModelCall], fee: Option<Credits>) -> (Vec<SumLine>, Credits) {
    let (markup, _) = terms.funding.surcharge();
    let cost = cost_of(calls);
    let marked = price(cost, markup, Credits::ZERO);
    let total = price(cost, markup, fee.unwrap_or_default());
    let mut lines = vec![line("the model calls".to_owned(), cost)];
    let percent = decimal_hundredths(markup.0);
    lines.push(line(
        format!("a markup of {percent} %, rounded up to a millionth"),
        marked.less(cost),
    ));
    match fee {
        Some(fee) if fee.is_zero() => {}
        Some(fee) => lines.push(line("the fee for the pull request".to_owned(), fee)),
        None => lines.push(line(
            "no fee: an earlier report paid for this fix".to_owned(),
            Credits::ZERO,
        )),
    }
    if let Funding::Prepaid { held, .. } = terms.funding
        && total > held
    {
        let beyond = -total.less(held).signed();
        lines.push(SumLine {
            what: "beyond what was reserved, which is not charged".to_owned(),
            amount: decimal(beyond),
        });
        return (lines, held);
    }
    (lines, total)
}

fn of_payment(entry: &Entry, cause: &Cause, payment: &Payment, others: TakenOtherwise) -> Again {
    let Some(bought) = &payment.purchase else {
        return Again {
            lines: Vec::new(),
            entry: None,
        };
    };
    let account = &bought.account;
    match cause {
        Cause::Reversal(id, nth) => {
            let taken = payment.taken.signed();
            let change = taken.saturating_sub(others.0);
            let size = Credits::from_micros(change.unsigned_abs()).unwrap_or(Credits::MAX);
            let both = if change < 0 {
                (size, Credits::ZERO)
            } else {
                (Credits::ZERO, size)
            };
            let nth = (id.clone(), *nth);
            let made = Posting::reversal(account, nth, both, label(), entry.at);
            let lines = vec![
                line(
                    "taken back of this payment in all".to_owned(),
                    payment.taken,
                ),
                SumLine {
                    what: "already taken back by its other reversals".to_owned(),
                    amount: decimal(others.0.saturating_neg()),
                },
            ];
            Again {
                lines,
                entry: made.map(|made| made.entry().clone()),
            }
        }
        _ => {
            let what = format!("{}, as recorded with the payment", bought.what);
            let made = Posting::grant(
                account,
                payment.id.clone(),
                bought.credits,
                label(),
                entry.at,
            );
            Again {
                lines: vec![line(what, bought.credits)],
                entry: Some(made.entry().clone()),
            }
        }
    }
}

/// What a transaction is, in one sentence.
fn sentence(entry: &Entry, cause: &Cause, evidence: &Evidence) -> String {
    let amount = entry.amount;
    match (cause, evidence) {
        (Cause::Hold(_), Evidence::Job(row, _)) => format!(
            "{amount} credits were reserved for issue #{} of {}, the most that the job can cost.",
            row.facts.issue_number,
            repository(row)
        ),
        (Cause::Settlement(_), Evidence::Job(row, _)) if entry.kind == EntryKind::Capture => {
            format!("{}: {amount} credits.", delivered(row))
        }
        (Cause::Settlement(_), Evidence::Job(row, _)) => {
            let why = row.reason.as_deref().unwrap_or(row.state.as_str());
            format!(
                "Nothing to pay for issue #{} of {}: {why}. The {amount} credits that were reserved are available again.",
                row.facts.issue_number,
                repository(row)
            )
        }
        (Cause::Payment(_), Evidence::Payment(payment, _)) if payment.purchase.is_some() => {
            let what = payment.purchase.as_ref().map_or("", |bought| &bought.what);
            format!(
                "{amount} credits were added: {what}, bought with payment {}.",
                payment.id
            )
        }
        (Cause::Reversal(id, _), _) => {
            let way = if entry.kind == EntryKind::GiveBack {
                "returned"
            } else {
                "were taken back"
            };
            format!("{amount} credits of payment {id} {way}: {}.", entry.note)
        }
        (Cause::Expiry(lot), _) => format!("{amount} credits of {lot} expired."),
        (Cause::Fix(fix), _) => {
            format!("Fix of {fix}, reported by an external agent: {amount} credits.")
        }
        (Cause::Adjustment(_), _) => {
            let way = if entry.free < 0 { "taken" } else { "given" };
            format!(
                "{amount} credits were {way} by {}: {}",
                entry.source, entry.note
            )
        }
        (Cause::Debit(_), _) => format!(
            "{} spent {amount} credits in one call: {}.",
            entry.source, entry.note
        ),
        (Cause::Hold(_) | Cause::Settlement(_) | Cause::Payment(_), _) => match entry.kind {
            EntryKind::Hold => format!("{amount} credits were reserved: {}.", entry.note),
            EntryKind::Release => format!("{amount} reserved credits came back: {}.", entry.note),
            _ => format!("{amount} credits: {}.", entry.note),
        },
    }
}

fn repository(row: &JobRow) -> String {
    format!("{}/{}", row.facts.owner_login, row.facts.repository_name)
}

fn delivered(row: &JobRow) -> String {
    let pull = row.pull.as_ref().map_or(String::new(), |pull| {
        format!(", pull request #{}", pull.number)
    });
    let number = row.facts.issue_number;
    format!("Fix of {}#{number}{pull}", repository(row))
}

fn hold(entry: &Entry, cause: &Cause) -> Option<HoldExplained> {
    match cause {
        Cause::Hold(hold) => Some(HoldExplained {
            id: hold.to_string(),
            reserved: entry.amount,
            ended: None,
        }),
        Cause::Settlement(hold) => {
            let size = |micros: i64| Credits::from_micros(micros.unsigned_abs());
            let reserved = size(entry.held)?;
            let returned = size(entry.free)?;
            Some(HoldExplained {
                id: hold.to_string(),
                reserved,
                ended: Some((reserved.less(returned), returned)),
            })
        }
        _ => None,
    }
}

fn label() -> crate::ledger::EntryDetails {
    crate::ledger::EntryDetails::default()
}

fn line(what: String, amount: Credits) -> SumLine {
    SumLine {
        what,
        amount: amount.to_string(),
    }
}

/// Hundredths as people write them: 2,050 is `20.5`.
fn decimal_hundredths(hundredths: u32) -> String {
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
