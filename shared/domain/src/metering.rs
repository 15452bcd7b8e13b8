//! What is counted and what Stripe must be told.
//!
//! A usage record is born in the same transaction as the state that makes it billable. From then on its customer, meter,
//! value, timestamp and identifier never change, so that telling Stripe twice is telling it once.

use crate::ids::{AccountId, BadId, CustomerId, JobId, UsageId};
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// Tokens a model took in and gave out, as the provider counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

impl Tokens {
    /// Both counts with another call's added.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { input: self.input.saturating_add(other.input), output: self.output.saturating_add(other.output) }
    }
}

/// The name of a meter, as Stripe and the catalogue know it: an open set, so a name and not an enum.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meter(String);

const METER_CHARS_MAX: usize = 40;

impl Meter {
    /// Pull requests opened, the meter of the main journey.
    pub fn pull_requests() -> Self {
        Self("pull_requests".to_owned())
    }

    /// Reads a meter's name: lower-case letters, digits and underscores.
    pub fn parse(text: &str) -> Result<Self, BadMeter> {
        let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if plain && !text.is_empty() && text.len() <= METER_CHARS_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadMeter)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A meter's name that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadMeter;

impl fmt::Display for BadMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a meter's name has 1 to {METER_CHARS_MAX} characters out of a-z, 0-9 and _")
    }
}

impl std::error::Error for BadMeter {}

/// One billable fact, frozen at its birth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Its id; unique within the meter.
    pub id: UsageId,
    /// Who is billed.
    pub account: AccountId,
    /// By which meter.
    pub meter: Meter,
    /// Who that is at Stripe.
    pub customer: CustomerId,
    /// How many.
    pub value: u64,
    /// When it became billable.
    pub at: Timestamp,
    /// The job it comes from.
    pub job: JobId,
}

impl Usage {
    /// What makes two tellings one at Stripe: unique there for at least 24 hours, at most 100 characters.
    pub fn identifier(&self) -> String {
        format!("{}-{}", self.id, self.meter)
    }
}

/// The pointer of a usage message: one account's debts on one meter, reported one after another, because Stripe takes
/// one call at a time for a customer and a meter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Debts {
    /// Who owes.
    pub account: AccountId,
    /// On which meter.
    pub meter: Meter,
}

impl Debts {
    /// As a message carries it.
    pub fn pointer(&self) -> String {
        format!("{}#{}", self.account, self.meter)
    }

    /// Reads a message's pointer.
    pub fn parse(text: &str) -> Result<Self, BadPointer> {
        let (account, meter) = text.split_once('#').ok_or(BadPointer::Shape)?;
        Ok(Self {
            account: AccountId::parse(account).map_err(BadPointer::Account)?,
            meter: Meter::parse(meter).map_err(BadPointer::Meter)?,
        })
    }
}

/// A usage message's pointer that points nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadPointer {
    /// Not `account#meter`.
    Shape,
    /// The part before `#`.
    Account(BadId),
    /// The part after it.
    Meter(BadMeter),
}

impl fmt::Display for BadPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a usage pointer is an account's id, # and a meter's name")
    }
}

impl std::error::Error for BadPointer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Shape => None,
            Self::Account(error) => Some(error),
            Self::Meter(error) => Some(error),
        }
    }
}

/// What to do about a usage record that is still owed to Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// Send it; Stripe still knows the identifier if we sent it before.
    Send,
    /// Stripe may have forgotten the identifier: ask what it has counted before sending.
    LookUp,
    /// Stripe takes no timestamp this old; a human has to bill it another way.
    TooOld,
}

/// Stripe promises to know an identifier for 24 hours; an hour is kept as margin.
const IDENTIFIER_KNOWN: Duration = Duration::from_secs(23 * 3_600);
/// Stripe takes timestamps of the past 35 days; a day is kept as margin.
const TIMESTAMP_TAKEN: Duration = Duration::from_secs(34 * 86_400);

/// How to tell Stripe of a record that became billable `at` and was first sent at `first_attempt`.
pub fn telling(at: Timestamp, first_attempt: Option<Timestamp>, now: Timestamp) -> Telling {
    if now.since(at) > TIMESTAMP_TAKEN {
        return Telling::TooOld;
    }
    match first_attempt {
        Some(first) if now.since(first) > IDENTIFIER_KNOWN => Telling::LookUp,
        Some(_) | None => Telling::Send,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_SECONDS: i64 = 86_400;

    #[test]
    fn identifiers_are_not_trusted_past_their_window() {
        let day = |n: i64| Timestamp::from_seconds(n * DAY_SECONDS);
        for (at, first, now, expected) in [
            (0, None, 0, Telling::Send),
            (0, Some(0), 0, Telling::Send),
            (0, None, 3, Telling::Send),
            (0, Some(0), 1, Telling::LookUp),
            (0, Some(2), 2, Telling::Send),
            (0, Some(2), 4, Telling::LookUp),
            (0, None, 35, Telling::TooOld),
            (0, Some(0), 35, Telling::TooOld),
        ] {
            assert_eq!(telling(day(at), first.map(day), day(now)), expected, "at {at} first {first:?} now {now}");
        }
    }

    #[test]
    fn pointers_round_trip() {
        let debts =
            Debts { account: AccountId::mint(Timestamp::from_millis(1), [7; 10]), meter: Meter::pull_requests() };
        assert_eq!(Debts::parse(&debts.pointer()), Ok(debts));
        for bad in ["", "#", "acc_#m", "acc_01hf7yat00zzzzzzzzzzzzzzzz#UPPER"] {
            assert!(Debts::parse(bad).is_err(), "{bad}");
        }
    }
}
