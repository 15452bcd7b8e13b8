//! What a customer has to be told, apart from what stands on GitHub.
//!
//! A notice belongs to a fact, and a fact is told once: the same warning for the same period, payment or invoice does not
//! come again, however often the event behind it does.

use crate::ids::{InvoiceId, SubscriptionId};
use crate::metering::Meter;
use crate::time::Timestamp;

/// One thing to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// About what.
    pub topic: Topic,
    /// What there is to say, beyond the topic.
    pub words: String,
    /// Since when.
    pub at: Timestamp,
}

/// What a notice is about: with the account, its identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// A payment of an invoice has failed.
    PaymentFailed(InvoiceId),
    /// An invoice waits for its payer to confirm it.
    ActionRequired(InvoiceId),
    /// A trial ends soon.
    TrialEnding(SubscriptionId),
    /// Most of a quota is used, in this period.
    QuotaNearlyUsed(Meter, String),
    /// All of a quota is used, in this period.
    QuotaUsed(Meter, String),
    /// The balance is low, after so many grants.
    LowBalance(u64),
    /// Something was refused for want of credits, after so many grants.
    TopUpNeeded(u64),
}

impl Topic {
    /// The kind, without what it is about.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PaymentFailed(_) => "payment_failed",
            Self::ActionRequired(_) => "action_required",
            Self::TrialEnding(_) => "trial_ending",
            Self::QuotaNearlyUsed(..) => "quota_nearly_used",
            Self::QuotaUsed(..) => "quota_used",
            Self::LowBalance(_) => "low_balance",
            Self::TopUpNeeded(_) => "top_up_needed",
        }
    }

    /// What tells it from every other notice of its account.
    pub fn fact(&self) -> String {
        let kind = self.kind();
        match self {
            Self::PaymentFailed(invoice) | Self::ActionRequired(invoice) => format!("{kind}#{invoice}"),
            Self::TrialEnding(subscription) => format!("{kind}#{subscription}"),
            Self::QuotaNearlyUsed(meter, period) | Self::QuotaUsed(meter, period) => format!("{kind}#{meter}#{period}"),
            Self::LowBalance(grants) | Self::TopUpNeeded(grants) => format!("{kind}#{grants}"),
        }
    }
}

/// Which warning a count gives rise to, if any: at four fifths of a limit, and at the whole.
pub fn quota_warning(meter: &Meter, period: &str, used: u64, limit: u64) -> Option<Topic> {
    let topic = |kind: fn(Meter, String) -> Topic| Some(kind(meter.clone(), period.to_owned()));
    if used >= limit {
        return topic(Topic::QuotaUsed);
    }
    // used / limit >= 4 / 5, without a fraction and without an overflow.
    if u128::from(used) * 5 >= u128::from(limit) * 4 { topic(Topic::QuotaNearlyUsed) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_warns_at_four_fifths_and_at_the_end() {
        let meter = Meter::pull_requests();
        for (used, limit, expected) in [
            (79, 100, None),
            (80, 100, Some("quota_nearly_used")),
            (99, 100, Some("quota_nearly_used")),
            (100, 100, Some("quota_used")),
            (101, 100, Some("quota_used")),
            (1, 1, Some("quota_used")),
            (u64::MAX - 1, u64::MAX, Some("quota_nearly_used")),
        ] {
            let topic = quota_warning(&meter, "2026-11", used, limit);
            assert_eq!(topic.as_ref().map(Topic::kind), expected, "{used} of {limit}");
        }
    }
}
