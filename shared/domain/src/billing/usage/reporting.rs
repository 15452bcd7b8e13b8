//! How to report usage to Stripe: with which timestamp, whether to look up first what Stripe has
//! counted, and what to do if nobody bills it.
//!
//! Three facts decide: where the record's moment is billed, whether Stripe may have received the
//! record, and what Stripe has counted in the moment's minute. Stripe accepts usage of a period
//! whose invoice is final and never bills it, so such usage is carried forward to the present, but
//! only after a look-up has shown that Stripe has not counted it.

use crate::billing::subscriptions::{Status, Subscription};
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// Where usage with a certain moment is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billed {
    /// On an invoice that is not final yet, or by whatever an operator has arranged at Stripe.
    Open,
    /// Its invoice is final, and a subscription bills what is used now.
    Closed,
    /// No subscription bills the meter any more.
    Nowhere,
}

/// When a record was sent to Stripe since the last look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    pub first: Timestamp,
    pub last: Timestamp,
}

/// What to do with a usage record that is not reported yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportAction {
    /// Send it under its moment; Stripe still knows the identifier if it was sent before.
    Send,
    /// Send it under the present moment.
    Carry,
    /// It may have reached Stripe and must not simply be sent again: look up what Stripe has
    /// counted, then see [`absent_action`].
    LookUp,
    /// Stripe rejects timestamps this old; an operator has to bill it in another way.
    TooOld,
    /// Nobody bills it; an operator has to decide.
    Unbilled,
}

/// What to do with a record that was sent and that Stripe has not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbsentAction {
    /// Stripe may still count it.
    Wait(Duration),
    /// Its attempts are void, and it is reported as if it had never been sent.
    Restart,
    TooOld,
    Unbilled,
}

/// Stripe keeps identifiers for 24 hours; an hour is kept as a margin.
const IDENTIFIER_KNOWN: Duration = Duration::from_secs(23 * 3_600);
/// Stripe accepts timestamps of the past 35 days; a day is kept as a margin.
const TIMESTAMP_TAKEN: Duration = Duration::from_secs(34 * 86_400);
/// Stripe keeps a period's invoice open for an hour after the period, for late usage; ten minutes
/// are kept as a margin.
const INVOICE_OPEN: Duration = Duration::from_secs(50 * 60);
/// How long Stripe may take until what it has accepted is in its summaries. Its documentation says
/// that they lag and names no bound.
pub const SUMMARY_LAG: Duration = Duration::from_secs(3_600);
/// Of more records with different values, those that Stripe has counted are not told apart.
const TOLD_APART_MAX: usize = 12;

/// What is known about who bills an account's usage on a meter.
pub struct MeterContract<'a> {
    pub subscriptions: &'a [Subscription],
    /// Usage before this moment is on final invoices, or on none for ever.
    pub billed_until: Option<Timestamp>,
    /// Whether a subscription has a price on the meter. One with an unknown price counts.
    pub bills: &'a (dyn Fn(&Subscription) -> bool + Send + Sync),
}

impl MeterContract<'_> {
    /// Where usage with this moment is billed if it is reported now.
    ///
    /// Usage of a trial is free and is not carried into a period in which it would cost money.
    pub fn billed(&self, at: Timestamp, now: Timestamp) -> Billed {
        let is_final = self.billed_until.is_some_and(|until| at < until);
        if self.subscriptions.is_empty() {
            return if is_final {
                Billed::Closed
            } else {
                Billed::Open
            };
        }
        let ours = || self.subscriptions.iter().filter(|one| (self.bills)(one));
        let live: Vec<_> = ours()
            .filter(|one| !one.status.is_final() && one.status != Status::Paused)
            .collect();
        if live.is_empty() {
            // The last invoice of a subscription that ended with its period is open for a while.
            let open = |one: &Subscription| {
                ended(one).is_some_and(|end| at < end && now.since(end) <= INVOICE_OPEN)
            };
            return if !is_final && ours().any(open) {
                Billed::Open
            } else {
                Billed::Nowhere
            };
        }
        let tried = |one: &Subscription| one.trial_end.is_some_and(|end| at < end);
        if !is_final && live.iter().any(|one| tried(one)) {
            return Billed::Open;
        }
        if is_final || live.iter().any(|one| closed(one, at, now)) {
            Billed::Closed
        } else {
            Billed::Open
        }
    }
}

/// When a subscription ended, as far as its last known state tells.
fn ended(one: &Subscription) -> Option<Timestamp> {
    let end = one.period?.end.min(one.as_of);
    (one.status == Status::Canceled).then_some(end)
}

/// Whether a live subscription no longer bills usage with this moment.
fn closed(one: &Subscription, at: Timestamp, now: Timestamp) -> bool {
    if one.status == Status::Incomplete {
        return false;
    }
    // Stripe reports a new period some time after it began.
    let began = one.period.map(|period| {
        if now < period.end {
            period.start
        } else {
            period.end
        }
    });
    // No invoice of this subscription covers what was used before it existed.
    let before_it = at.seconds() < one.created_at.seconds();
    began.is_some_and(|began| at < began && (before_it || now.since(began) > INVOICE_OPEN))
}

/// How to report a record with this moment.
pub fn report_action(
    moment: Timestamp,
    attempts: Option<Attempts>,
    billed: Billed,
    now: Timestamp,
) -> ReportAction {
    let is_old = now.since(moment) > TIMESTAMP_TAKEN;
    match (attempts, billed) {
        (None, Billed::Nowhere) => ReportAction::Unbilled,
        (None, Billed::Closed) => ReportAction::Carry,
        (None, Billed::Open) if is_old => ReportAction::TooOld,
        (None, Billed::Open) => ReportAction::Send,
        (Some(sent), Billed::Open) if !is_old && now.since(sent.first) <= IDENTIFIER_KNOWN => {
            ReportAction::Send
        }
        (Some(_), _) => ReportAction::LookUp,
    }
}

/// What to do with a sent record that is absent from Stripe's count.
pub fn absent_action(
    at: Timestamp,
    last_attempt: Timestamp,
    billed: Billed,
    now: Timestamp,
) -> AbsentAction {
    let waited = now.since(last_attempt);
    if waited < SUMMARY_LAG {
        return AbsentAction::Wait(SUMMARY_LAG - waited);
    }
    match billed {
        Billed::Nowhere => AbsentAction::Unbilled,
        Billed::Open if now.since(at) > TIMESTAMP_TAKEN => AbsentAction::TooOld,
        Billed::Open | Billed::Closed => AbsentAction::Restart,
    }
}

/// Which of the records that were sent Stripe has counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    All,
    /// The positions of those that are counted; possibly none.
    These(BTreeSet<usize>),
    /// Stripe's count fits to no choice of them, or to several.
    Unclear,
}

/// Tells apart which of the sent records are in Stripe's count of a minute. Records of equal value
/// are exchangeable: the earliest ones count as counted, and the sum is right.
pub fn tell_apart(counted: u64, reported: u64, sent: &[u64]) -> Counted {
    let Some(rest) = counted.checked_sub(reported) else {
        return Counted::Unclear;
    };
    let total = sent.iter().fold(0_u64, |sum, one| sum.saturating_add(*one));
    if rest == total {
        return Counted::All;
    }
    if rest == 0 {
        return Counted::These(BTreeSet::new());
    }
    let first = sent.first().copied().unwrap_or_default();
    if first > 0 && sent.iter().all(|one| *one == first) {
        let count = usize::try_from(rest / first).unwrap_or(usize::MAX);
        return if rest.is_multiple_of(first) && count < sent.len() {
            Counted::These((0..count).collect())
        } else {
            Counted::Unclear
        };
    }
    of_different_values(rest, sent)
}

fn of_different_values(rest: u64, sent: &[u64]) -> Counted {
    if sent.len() > TOLD_APART_MAX {
        return Counted::Unclear;
    }
    let mut found: Option<(Vec<u64>, BTreeSet<usize>)> = None;
    for choice in 0..1_u32 << sent.len() {
        let places: BTreeSet<usize> = (0..sent.len())
            .filter(|place| (choice >> place) & 1 == 1)
            .collect();
        let mut values: Vec<u64> = places
            .iter()
            .filter_map(|place| sent.get(*place).copied())
            .collect();
        if values
            .iter()
            .fold(0_u64, |sum, one| sum.saturating_add(*one))
            != rest
        {
            continue;
        }
        values.sort_unstable();
        match &found {
            None => found = Some((values, places)),
            Some((known, _)) if *known == values => {}
            Some(_) => return Counted::Unclear,
        }
    }
    found.map_or(Counted::Unclear, |(_, places)| Counted::These(places))
}

#[cfg(test)]
mod tests;
