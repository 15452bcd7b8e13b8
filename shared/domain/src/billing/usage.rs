//! Usage: what is counted and reported to Stripe.
//!
//! A usage record is created in the transaction that makes its work billable. Its customer, meter
//! and value never change. Its identifier and timestamp stay the same once Stripe may have received
//! them, so reporting twice counts once.

mod reporting;

pub use reporting::{
    AbsentAction, Attempts, Billed, Counted, MeterContract, ReportAction, SUMMARY_LAG,
    absent_action, report_action, tell_apart,
};

use crate::billing::plans::Rate;
use crate::ids::{AccountId, ActionId, AssistId, BadId, CustomerId, JobId, UsageId};
use crate::time::Timestamp;
use crate::units::MICROS;
use std::fmt;

/// Tokens, as the provider counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// All that were read, including those in the two classes of the provider's cache.
    pub input: u64,
    /// Those that the provider read from its cache.
    pub cache_read: u64,
    /// Those that the provider wrote to its cache.
    pub cache_write: u64,
    pub output: u64,
}

/// This many tokens from the provider's cache count as one on meters and in quotas.
const CACHED_PER_COUNTED: u64 = 10;

impl Tokens {
    /// Tokens without a cache.
    pub const fn of(input: u64, output: u64) -> Self {
        Self {
            input,
            cache_read: 0,
            cache_write: 0,
            output,
        }
    }

    /// All of them.
    pub const fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// What the cached ones count as, rounded up.
    pub const fn cached_counted(self) -> u64 {
        self.cache_read.div_ceil(CACHED_PER_COUNTED)
    }

    /// What meters and quotas count. A cached token costs about a tenth of another one, and a
    /// conversation reads the same tokens again in every turn.
    pub const fn counted(self) -> u64 {
        let other = self.total().saturating_sub(self.cache_read);
        other.saturating_add(self.cached_counted())
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            output: self.output.saturating_add(other.output),
        }
    }
}

/// The name of a meter at Stripe and in the catalogue. The set is open, so it is not an enum.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meter(String);

const METER_CHARS_MAX: usize = 40;

impl Meter {
    /// Opened pull requests.
    pub fn pull_requests() -> Self {
        Self("pull_requests".to_owned())
    }

    /// Tokens that models have read and written.
    pub fn tokens() -> Self {
        Self("tokens".to_owned())
    }

    /// Jobs that work at the same time.
    pub fn agents() -> Self {
        Self("agents".to_owned())
    }

    /// Members of the account.
    pub fn users() -> Self {
        Self("users".to_owned())
    }

    /// Calls of the API that begin work.
    pub fn api_calls() -> Self {
        Self("api_calls".to_owned())
    }

    /// Free assists, which have a daily limit.
    pub fn free_assists() -> Self {
        Self("free_assists".to_owned())
    }

    /// Parses a name of lower-case letters, digits and underscores.
    pub fn parse(text: &str) -> Result<Self, BadMeter> {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if plain && !text.is_empty() && text.len() <= METER_CHARS_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadMeter)
        }
    }

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

/// A text that is not a meter's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadMeter;

impl fmt::Display for BadMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a meter name has 1 to {METER_CHARS_MAX} of the characters `a-z`, `0-9` and `_`"
        )
    }
}

impl std::error::Error for BadMeter {}

/// What was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageSource {
    Job(JobId),
    /// An external agent's fix, reported by this action.
    Report(ActionId),
    Assist(AssistId),
}

impl UsageSource {
    /// The id of the usage, derived from its source.
    pub fn usage(&self) -> UsageId {
        match self {
            Self::Job(job) => UsageId::of_job(job),
            Self::Report(act) => UsageId::of_act(act),
            Self::Assist(assist) => UsageId::of_assist(assist),
        }
    }
}

/// One billable fact, unchanged after its creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    pub id: UsageId,
    pub account: AccountId,
    pub meter: Meter,
    pub customer: CustomerId,
    pub value: u64,
    pub at: Timestamp,
    pub of: UsageSource,
    pub identifier: UsageIdentifier,
    /// What its plan charges for the meter's units. Absent on records from before rates were kept.
    pub rate: Option<Rate>,
}

/// What usage costs, in minor units of the catalogue's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageAmount {
    Exactly(i64),
    /// The rate has tiers, so the amount depends on what was used before.
    AtMost(i64),
}

impl UsageAmount {
    pub const fn minor(self) -> i64 {
        match self {
            Self::Exactly(minor) | Self::AtMost(minor) => minor,
        }
    }
}

impl Usage {
    /// What a worker reports together with it.
    pub fn debts(&self) -> AccountMeter {
        AccountMeter {
            account: self.account.clone(),
            meter: self.meter.clone(),
        }
    }

    /// What it costs, if its rate is known.
    pub fn amount(&self) -> Option<UsageAmount> {
        let rate = self.rate.as_ref()?;
        // A part of a minor unit counts as a whole one.
        let minor = rate.micros_at_most(self.value).div_ceil(MICROS);
        let minor = i64::try_from(minor).unwrap_or(i64::MAX);
        Some(match rate {
            Rate::PerUnit(_) => UsageAmount::Exactly(minor),
            Rate::Graduated(_) => UsageAmount::AtMost(minor),
        })
    }
}

/// Makes repeated reports one at Stripe, which keeps identifiers for at least 24 hours. The first
/// is `use_…-meter`; a record that Stripe rejected and that is reported again gets `use_…-meter-2`
/// and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageIdentifier {
    pub usage: UsageId,
    pub meter: Meter,
    nth: u32,
}

impl UsageIdentifier {
    pub const fn first(usage: UsageId, meter: Meter) -> Self {
        Self {
            usage,
            meter,
            nth: 1,
        }
    }

    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            nth: self.nth.saturating_add(1),
            ..self.clone()
        }
    }

    /// Parses an identifier of ours. Other programs that report to the same Stripe account use
    /// other formats.
    pub fn parse(text: &str) -> Option<Self> {
        let (usage, rest) = text.split_once('-')?;
        let (meter, nth) = match rest.split_once('-') {
            None => (rest, 1),
            Some((meter, nth)) => {
                let number: u32 = nth.parse().ok()?;
                (
                    meter,
                    Some(number).filter(|number| *number > 1 && number.to_string() == nth)?,
                )
            }
        };
        Some(Self {
            usage: UsageId::parse(usage).ok()?,
            meter: Meter::parse(meter).ok()?,
            nth,
        })
    }
}

impl fmt::Display for UsageIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.usage, self.meter)?;
        if self.nth > 1 {
            write!(f, "-{}", self.nth)?;
        }
        Ok(())
    }
}

/// The pointer of a usage message. The usage of an account on a meter is reported sequentially,
/// because Stripe accepts one call at a time for a customer and meter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountMeter {
    pub account: AccountId,
    pub meter: Meter,
}

impl AccountMeter {
    /// The text that messages contain.
    pub fn pointer(&self) -> String {
        format!("{}#{}", self.account, self.meter)
    }

    /// Parses a message's pointer.
    pub fn parse(text: &str) -> Result<Self, BadAccountMeter> {
        let (account, meter) = text.split_once('#').ok_or(BadAccountMeter::Shape)?;
        Ok(Self {
            account: AccountId::parse(account).map_err(BadAccountMeter::Account)?,
            meter: Meter::parse(meter).map_err(BadAccountMeter::Meter)?,
        })
    }
}

/// A malformed pointer of a usage message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadAccountMeter {
    /// Not `account#meter`.
    Shape,
    /// The part before `#`.
    Account(BadId),
    Meter(BadMeter),
}

impl fmt::Display for BadAccountMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a usage pointer consists of an account id, `#` and a meter name")
    }
}

impl std::error::Error for BadAccountMeter {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Shape => None,
            Self::Account(error) => Some(error),
            Self::Meter(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_count_a_tenth() {
        let tokens = Tokens {
            input: 1_000,
            cache_read: 801,
            cache_write: 100,
            output: 50,
        };
        assert_eq!((tokens.total(), tokens.counted()), (1_050, 199 + 81 + 50));
        assert_eq!(Tokens::of(30, 12).counted(), 42);
        let twice = tokens.plus(tokens);
        assert_eq!((twice.cache_read, twice.cache_write), (1_602, 200));
    }

    #[test]
    fn identifiers_say_which_telling_it_is() {
        let first = UsageIdentifier::first(
            UsageId::mint(Timestamp::from_millis(1), [7; 10]),
            Meter::pull_requests(),
        );
        let text = first.to_string();
        assert!(
            text.starts_with("use_") && text.ends_with("-pull_requests"),
            "{text}"
        );
        let second = first.next();
        assert_eq!(second.to_string(), format!("{text}-2"));
        assert_eq!(second.next().to_string(), format!("{text}-3"));
        for one in [first, second] {
            assert_eq!(UsageIdentifier::parse(&one.to_string()), Some(one));
        }
        for bad in ["", "-", "use_1-pull_requests", &text.to_uppercase()] {
            assert_eq!(UsageIdentifier::parse(bad), None, "{bad}");
        }
        for end in ["-", "-0", "-1", "-02", "-+2", "-2-3", "-x"] {
            assert_eq!(
                UsageIdentifier::parse(&format!("{text}{end}")),
                None,
                "{end}"
            );
        }
    }

    #[test]
    fn pointers_round_trip() {
        let debts = AccountMeter {
            account: AccountId::mint(Timestamp::from_millis(1), [7; 10]),
            meter: Meter::pull_requests(),
        };
        assert_eq!(AccountMeter::parse(&debts.pointer()), Ok(debts));
        for bad in ["", "#", "acc_#m", "acc_01hf7yat00zzzzzzzzzzzzzzzz#UPPER"] {
            assert!(AccountMeter::parse(bad).is_err(), "{bad}");
        }
    }
}
