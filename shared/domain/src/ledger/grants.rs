//! Typed grants: credits that an operator gives for a reason of a known kind, with a priority and,
//! if they expire, an end. And what identifies credits that are spent and expire together.

use crate::ids::{ActionId, PaymentId};
use crate::text::words;
use crate::time::Timestamp;
use std::fmt;

words! {
    /// Why credits were given.
    GrantType {
        Trial = "trial",
        Promotional = "promotional",
        /// To make up for something.
        Goodwill = "goodwill",
    }
}

impl GrantType {
    /// The priority unless the operator names one.
    pub const fn usual_priority(self) -> u8 {
        match self {
            Self::Trial => 10,
            Self::Promotional => 20,
            Self::Goodwill => 30,
        }
    }
}

/// The priority of credits that were bought, and of corrections. A lower one is spent first.
pub const PURCHASED_PRIORITY: u8 = 50;
pub const PRIORITY_MAX: u8 = 99;

/// The terms of a typed grant. Its entry keeps them, so they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantTerms {
    pub kind: GrantType,
    /// Credits with a lower priority are spent first.
    pub priority: u8,
    /// The credits expire the night after this day, if ever.
    pub expires_at: Option<Timestamp>,
}

/// Identifies credits that came in together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LotId {
    Payment(PaymentId),
    Grant(ActionId),
}

impl LotId {
    pub fn parse(text: &str) -> Option<Self> {
        // No id at Stripe looks like that of an action.
        let grant = ActionId::parse(text).map(Self::Grant);
        grant
            .or_else(|_| PaymentId::parse(text).map(Self::Payment))
            .ok()
    }
}

impl fmt::Display for LotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payment(payment) => payment.fmt(f),
            Self::Grant(grant) => grant.fmt(f),
        }
    }
}
