//! A payment for credits, its refunds and its disputes.
//!
//! Stripe reports them in any order, and more than once. Every report is kept as facts that only
//! grow, so the order does not matter. The credits to take back follow from the facts alone; the
//! posting is the difference from what was taken back before.

use crate::ids::{AccountId, DisputeId, PaymentId, RefundId};
use crate::ledger::{EntryDetails, LotId, Posting};
use crate::text::words;
use crate::time::Timestamp;
use crate::units::Credits;
use std::collections::BTreeMap;

/// The known facts of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub id: PaymentId,
    /// What was bought, once it is known to be paid.
    pub purchase: Option<CreditPurchase>,
    /// The highest refunded amount that Stripe has reported, in minor units.
    pub refunded_minor: i64,
    /// The refunds that were reported individually.
    pub refunds: BTreeMap<RefundId, Refund>,
    pub disputes: BTreeMap<DisputeId, Dispute>,
    /// The credits taken back so far.
    pub taken: Credits,
    /// How often that amount has changed.
    pub reversals: u64,
    /// The credits that expired.
    pub expired: Option<ExpiredCredits>,
    /// The number of writes.
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditPurchase {
    pub account: AccountId,
    pub credits: Credits,
    /// In minor units.
    pub paid_minor: i64,
    pub currency: String,
    pub what: String,
    /// The catalogue version.
    pub priced_by: String,
    /// When the rest expires, if ever.
    pub expires_at: Option<Timestamp>,
}

/// The credits of a payment that expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiredCredits {
    pub credits: Credits,
    /// What had been taken back by then.
    pub taken: Credits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refund {
    pub minor: i64,
    pub outcome: RefundOutcome,
}

/// The outcome of a refund. A failure is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefundOutcome {
    Made,
    /// It failed or was cancelled; the money is back with us.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispute {
    pub minor: i64,
    pub phase: DisputePhase,
    /// Whether the money was ever withdrawn from us.
    pub withdrawn: Observed,
    /// Whether the money was returned to us.
    pub reinstated: Observed,
}

/// Whether something was ever reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Observed {
    #[default]
    No,
    Yes,
}

words! {
    /// The phase of a dispute. It never moves backwards.
    DisputePhase {
        /// An inquiry; no money has moved.
        Inquiry = "inquiry",
        InquiryClosed = "inquiry_closed",
        Open = "open",
        Lost = "lost",
        Won = "won",
    }
}

impl DisputePhase {
    /// Reads Stripe's status. An unknown word counts as open, so that credits that may be lost are
    /// not spent.
    pub fn of_status(status: &str) -> Self {
        match status {
            "warning_needs_response" | "warning_under_review" => Self::Inquiry,
            "warning_closed" | "prevented" | "charge_refunded" => Self::InquiryClosed,
            "won" => Self::Won,
            "lost" => Self::Lost,
            _ => Self::Open,
        }
    }
}

impl Dispute {
    /// The amount that the dispute keeps from us at present.
    const fn disputed_minor(&self) -> i64 {
        let gone = match (self.phase, self.withdrawn) {
            (DisputePhase::Won, _) => false,
            (DisputePhase::Open | DisputePhase::Lost, _)
            | (DisputePhase::Inquiry | DisputePhase::InquiryClosed, Observed::Yes) => true,
            (DisputePhase::Inquiry | DisputePhase::InquiryClosed, Observed::No) => false,
        };
        match (gone, self.reinstated) {
            (true, Observed::No) => self.minor,
            (true, Observed::Yes) | (false, _) => 0,
        }
    }

    /// Whether the payer's bank questions the payment, or has decided against us.
    pub const fn is_against_us(&self) -> bool {
        match self.phase {
            DisputePhase::Inquiry | DisputePhase::Open | DisputePhase::Lost => true,
            DisputePhase::InquiryClosed | DisputePhase::Won => false,
        }
    }

    /// Merges two reports of the same dispute.
    fn and(self, other: Self) -> Self {
        Self {
            minor: self.minor.max(other.minor),
            phase: self.phase.max(other.phase),
            withdrawn: self.withdrawn.max(other.withdrawn),
            reinstated: self.reinstated.max(other.reinstated),
        }
    }
}

/// A fact that Stripe reports about a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentFact {
    /// It was paid, and this was bought.
    Bought(CreditPurchase),
    /// The total refunded so far, in minor units.
    Refunded(i64),
    /// A refund was created or failed.
    Refund(RefundId, Refund),
    Disputed(DisputeId, Dispute),
}

/// What follows from a fact.
#[derive(Debug)]
pub struct PaymentUpdate {
    pub payment: Payment,
    pub postings: Vec<Posting>,
}

/// A fact that contradicts the known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction;

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the payment already has another buyer or another amount")
    }
}

impl std::error::Error for Contradiction {}

impl crate::retry::Retryable for Contradiction {
    fn retry(&self) -> crate::retry::Retry {
        crate::retry::Retry::Never
    }
}

impl Payment {
    /// A payment without any known fact.
    pub const fn unknown(id: PaymentId) -> Self {
        Self {
            id,
            purchase: None,
            refunded_minor: 0,
            refunds: BTreeMap::new(),
            disputes: BTreeMap::new(),
            taken: Credits::ZERO,
            reversals: 0,
            expired: None,
            version: 0,
        }
    }

    /// Adds a fact. Returns `None` if it changes nothing.
    pub fn learn(
        &self,
        fact: PaymentFact,
        source: &str,
        now: Timestamp,
    ) -> Result<Option<PaymentUpdate>, Contradiction> {
        let mut next = self.clone();
        next.note(fact)?;
        if next == *self {
            return Ok(None);
        }
        next.version += 1;
        let mut postings = Vec::new();
        if let Some(bought) = &next.purchase {
            if self.purchase.is_none() {
                let (note, priced_by) = (bought.what.clone(), bought.priced_by.clone());
                let label = EntryDetails {
                    note,
                    source: source.to_owned(),
                    priced_by,
                };
                postings.push(Posting::grant(
                    &bought.account,
                    next.id.clone(),
                    bought.credits,
                    label,
                    now,
                ));
            }
            let target = next.to_be_taken(bought);
            let label = EntryDetails {
                note: next.state(),
                source: source.to_owned(),
                priced_by: bought.priced_by.clone(),
            };
            let nth = (next.id.clone(), self.reversals + 1);
            if let Some(posting) =
                Posting::reversal(&bought.account, nth, (self.taken, target), label, now)
            {
                postings.push(posting);
                next.reversals += 1;
                next.taken = target;
            }
        }
        Ok(Some(PaymentUpdate {
            payment: next,
            postings,
        }))
    }

    /// Expires what is left of the purchase. Returns `None` if nothing was bought or it has expired
    /// already.
    pub fn expire(&self, left: Credits, now: Timestamp) -> Option<PaymentUpdate> {
        let bought = self.purchase.as_ref().filter(|_| self.expired.is_none())?;
        let note = format!("the rest of {} expired", bought.what);
        let label = EntryDetails {
            note,
            source: self.id.to_string(),
            priced_by: bought.priced_by.clone(),
        };
        let lot = LotId::Payment(self.id.clone());
        let posting = Posting::expiry(&bought.account, lot, left, label, now);
        let expired = Some(ExpiredCredits {
            credits: left,
            taken: self.taken,
        });
        let payment = Self {
            expired,
            version: self.version + 1,
            ..self.clone()
        };
        Some(PaymentUpdate {
            payment,
            postings: vec![posting],
        })
    }

    fn note(&mut self, fact: PaymentFact) -> Result<(), Contradiction> {
        match fact {
            PaymentFact::Bought(purchase) => match &self.purchase {
                None => self.purchase = Some(purchase),
                Some(known)
                    if known.account == purchase.account
                        && known.paid_minor == purchase.paid_minor => {}
                Some(_) => return Err(Contradiction),
            },
            PaymentFact::Refunded(minor) => self.refunded_minor = self.refunded_minor.max(minor),
            PaymentFact::Refund(id, refund) => {
                let known = self.refunds.entry(id).or_insert(refund);
                *known = Refund {
                    minor: known.minor.max(refund.minor),
                    outcome: known.outcome.max(refund.outcome),
                };
            }
            PaymentFact::Disputed(id, dispute) => {
                let known = self.disputes.entry(id).or_insert(dispute);
                *known = known.and(dispute);
            }
        }
        Ok(())
    }

    /// The part of the money that is not with us: refunded, or kept by a bank. A failed refund was
    /// once part of the refunded total that Stripe reported, whichever of the two was reported
    /// first, so it is subtracted.
    fn lost_minor(&self) -> i64 {
        let sum = |refunds: &mut dyn Iterator<Item = &Refund>| {
            refunds.fold(0_i64, |total, refund| total.saturating_add(refund.minor))
        };
        let all = sum(&mut self.refunds.values());
        let failed = sum(&mut self
            .refunds
            .values()
            .filter(|refund| refund.outcome == RefundOutcome::Failed));
        let refunded = self.refunded_minor.max(all).saturating_sub(failed);
        self.disputes.values().fold(refunded, |total, dispute| {
            total.saturating_add(dispute.disputed_minor())
        })
    }

    /// The credits that must have been taken back by now: the same share of the credits as of the
    /// money, rounded down, so all of them only for all of the money. Expired credits are not taken
    /// a second time: money that is returned after the expiry is set against them first.
    fn to_be_taken(&self, bought: &CreditPurchase) -> Credits {
        let lost = u128::from(
            self.lost_minor()
                .clamp(0, bought.paid_minor.max(0))
                .unsigned_abs(),
        );
        let paid = u128::from(bought.paid_minor.max(0).unsigned_abs());
        if paid == 0 {
            return Credits::ZERO;
        }
        let share = u128::from(bought.credits.micros()) * lost / paid;
        let share = u64::try_from(share)
            .ok()
            .and_then(Credits::from_micros)
            .unwrap_or(bought.credits);
        match self.expired {
            Some(ExpiredCredits { credits, taken }) => share.less(credits).max(share.min(taken)),
            None => share,
        }
    }

    /// The part of the money that banks keep because of disputes.
    pub fn disputed_minor(&self) -> i64 {
        self.disputes.values().map(Dispute::disputed_minor).sum()
    }

    /// The part of the money that was refunded, without refunds that failed.
    pub fn refunded_minor(&self) -> i64 {
        self.lost_minor().saturating_sub(self.disputed_minor())
    }

    /// Describes the state of the money in words.
    fn state(&self) -> String {
        match (self.refunded_minor(), self.disputed_minor()) {
            (0, 0) => "no longer refunded or disputed".to_owned(),
            (refunded, 0) => format!("{refunded} refunded, in minor units"),
            (0, disputed) => format!("{disputed} disputed, in minor units"),
            (refunded, disputed) => {
                format!("{refunded} refunded and {disputed} disputed, in minor units")
            }
        }
    }
}

#[cfg(test)]
mod tests;
