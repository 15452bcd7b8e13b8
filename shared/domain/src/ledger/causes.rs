//! Causes: the business facts for which credits move.

use super::{HoldId, LotId};
use crate::ids::{ActionId, PaymentId};
use crate::jobs::fixes::Fix;
use std::fmt;

/// Why credits move: the business fact, and the identity of the entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Credits were paid for.
    Payment(PaymentId),
    /// The refunded or disputed part of a payment changed for the n-th time.
    Reversal(PaymentId, u64),
    /// Credits were reserved for work.
    Hold(HoldId),
    /// That work ended.
    Settlement(HoldId),
    Adjustment(ActionId),
    /// The rest of the credits of a payment or a grant expired.
    Expiry(LotId),
    /// An external agent delivered this fix.
    Fix(Fix),
    /// A customer charged their own work in one call.
    Debit(ActionId),
}

impl Cause {
    pub(super) const PAYMENT: &str = "PAYMENT";
    pub(super) const REVERSAL: &str = "REVERSAL";
    pub(super) const EXPIRY: &str = "EXPIRY";
    pub(super) const ADJUSTMENT: &str = "ADJUSTMENT";

    const HOLD: &str = "HOLD";
    const SETTLEMENT: &str = "SETTLEMENT";
    const FIX: &str = "FIX";
    const DEBIT: &str = "DEBIT";

    /// Parses the text of an entry's key.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('#')?;
        let cause = match kind {
            Self::PAYMENT => Self::Payment(PaymentId::parse(rest).ok()?),
            Self::REVERSAL => {
                let (payment, nth) = rest.rsplit_once('#')?;
                Self::Reversal(PaymentId::parse(payment).ok()?, nth.parse().ok()?)
            }
            Self::HOLD => Self::Hold(HoldId::parse(rest)?),
            Self::SETTLEMENT => Self::Settlement(HoldId::parse(rest)?),
            Self::ADJUSTMENT => Self::Adjustment(ActionId::parse(rest).ok()?),
            Self::EXPIRY => Self::Expiry(LotId::parse(rest)?),
            Self::FIX => Self::Fix(Fix::parse(rest)?),
            Self::DEBIT => Self::Debit(ActionId::parse(rest).ok()?),
            _ => return None,
        };
        Some(cause).filter(|cause| cause.to_string() == text)
    }

    /// Returns the payment if `cause` is that of a grant.
    pub fn granted_for(cause: &str) -> Option<PaymentId> {
        let (kind, id) = cause.split_once('#')?;
        (kind == Self::PAYMENT)
            .then(|| PaymentId::parse(id).ok())
            .flatten()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payment(payment) => write!(f, "{}#{payment}", Self::PAYMENT),
            Self::Reversal(payment, nth) => write!(f, "{}#{payment}#{nth:04}", Self::REVERSAL),
            Self::Hold(hold) => write!(f, "{}#{hold}", Self::HOLD),
            Self::Settlement(hold) => write!(f, "{}#{hold}", Self::SETTLEMENT),
            Self::Adjustment(action) => write!(f, "{}#{action}", Self::ADJUSTMENT),
            Self::Expiry(lot) => write!(f, "{}#{lot}", Self::EXPIRY),
            Self::Fix(fix) => write!(f, "{}#{fix}", Self::FIX),
            Self::Debit(action) => write!(f, "{}#{action}", Self::DEBIT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_read_back_as_they_were_written() {
        for (kind, rest) in [
            ("PAYMENT", "pi_1"),
            ("REVERSAL", "pi_1#0002"),
            ("HOLD", "job_01hf7yat00zzzzzzzzzzzzzzzz"),
            ("SETTLEMENT", "job_01hf7yat00zzzzzzzzzzzzzzzz"),
            ("FIX", "acme/greeter#issue-12"),
            ("EXPIRY", "pi_1"),
        ] {
            let text = format!("{kind}#{rest}");
            let read = Cause::parse(&text).map(|cause| cause.to_string());
            assert_eq!(read, Some(text));
        }
        for bad in ["", "PAYMENT", "REVERSAL#pi_1#2", "MINT#pi_1", "EXPIRY#"] {
            assert_eq!(Cause::parse(bad), None, "{bad}");
        }
    }
}
