//! Credits for usage that was billed wrongly and that Stripe no longer cancels: an operator gives
//! its amount to the customer's balance at Stripe, and the next invoice is lower by it.

use crate::billing::usage::{AccountMeter, UsageAmount};
use crate::ids::{CustomerId, UsageId};
use crate::time::Timestamp;
use crate::units::Money;
use std::collections::BTreeMap;
use std::fmt;

/// A credit that an operator requested. A usage record has at most one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageCredit {
    pub debts: AccountMeter,
    pub usage: UsageId,
    pub customer: CustomerId,
    /// What is given back. Fixed when it is requested.
    pub amount: Money,
    /// The operator.
    pub by: String,
    pub reason: String,
    pub requested_at: Timestamp,
    pub progress: CreditProgress,
    /// The number of the idempotency key in use.
    pub key_number: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreditProgress {
    Requested,
    /// Stripe has this entry on the customer's balance.
    Credited(String),
    /// Stripe refuses it, and says this.
    Refused(String),
}

impl CreditProgress {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Credited(_) => "credited",
            Self::Refused(_) => "refused",
        }
    }
}

/// The field of an entry's metadata that names the usage record.
const USAGE: &str = "tallyhook_usage";

impl UsageCredit {
    /// The metadata of the entry at Stripe. It finds the entry after Stripe has forgotten the
    /// idempotency key.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        [(USAGE.to_owned(), self.name())].into()
    }

    /// Whether an entry with this metadata is this credit.
    pub fn is_in(&self, metadata: &BTreeMap<String, String>) -> bool {
        metadata.get(USAGE) == Some(&self.name())
    }

    /// The idempotency key of the call. Stripe stores its own failures and refusals under a key, so
    /// another one is needed after such a failure, and for a new request after a refusal.
    pub fn idempotency_key(&self) -> String {
        let (name, at) = (self.name(), self.requested_at.millis());
        format!("tallyhook-credit-{name}-{at}-{}", self.key_number)
    }

    /// A job's records on several meters have one id.
    fn name(&self) -> String {
        format!("{}-{}", self.usage, self.debts.meter)
    }
}

/// The most of one credit, a bound of ours. A charge at Stripe has at most eight digits, too.
const MINOR_MAX: i64 = 99_999_999;

/// What a credit gives back: what an operator says, at most what the usage costs; all of that if
/// the operator says nothing.
pub fn credited(said: Option<i64>, costs: Option<UsageAmount>) -> Result<i64, BadCredit> {
    let minor = match (said, costs) {
        (None, Some(UsageAmount::Exactly(minor))) => minor,
        (None, Some(UsageAmount::AtMost(_)) | None) => return Err(BadCredit::Unsaid),
        (Some(said), Some(costs)) if said > costs.minor() => {
            return Err(BadCredit::TooMuch(costs.minor()));
        }
        (Some(said), _) => said,
    };
    if (1..=MINOR_MAX).contains(&minor) {
        Ok(minor)
    } else {
        Err(BadCredit::OutOfRange)
    }
}

/// Why an amount cannot be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCredit {
    /// Its price depends on other usage, or is not known.
    Unsaid,
    /// The usage costs at most this.
    TooMuch(i64),
    OutOfRange,
}

impl fmt::Display for BadCredit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsaid => f.write_str(
                "What this usage cost depends on its tier or is not known; provide `amount_minor`.",
            ),
            Self::TooMuch(most) => {
                write!(
                    f,
                    "This usage costs at most {most}; `amount_minor` must not be more."
                )
            }
            Self::OutOfRange => {
                write!(f, "`amount_minor` must be from 1 to {MINOR_MAX}.")
            }
        }
    }
}

impl std::error::Error for BadCredit {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credit_is_at_most_what_the_usage_costs() {
        let exactly = Some(UsageAmount::Exactly(1_500));
        let at_most = Some(UsageAmount::AtMost(800));
        for (said, costs, credit) in [
            (None, exactly, Ok(1_500)),
            (Some(500), exactly, Ok(500)),
            (Some(1_501), exactly, Err(BadCredit::TooMuch(1_500))),
            (None, at_most, Err(BadCredit::Unsaid)),
            (Some(800), at_most, Ok(800)),
            (Some(801), at_most, Err(BadCredit::TooMuch(800))),
            (None, None, Err(BadCredit::Unsaid)),
            (Some(801), None, Ok(801)),
            (Some(0), exactly, Err(BadCredit::OutOfRange)),
            (Some(-1), exactly, Err(BadCredit::OutOfRange)),
            (Some(100_000_000), None, Err(BadCredit::OutOfRange)),
            (
                None,
                Some(UsageAmount::Exactly(0)),
                Err(BadCredit::OutOfRange),
            ),
        ] {
            assert_eq!(credited(said, costs), credit, "{said:?} of {costs:?}");
        }
    }
}
