//! Automatic top-up: an account that buys a pack whenever its balance falls below a threshold.
//!
//! A crossing is a balance that was found below the threshold while no top-up was in progress. Each
//! crossing has a number and at most one payment at Stripe, and a payment can be paid only once, so
//! a crossing is charged at most once. Its price counts against the monthly cap from the moment it
//! begins, and no longer if it ends unpaid. A declined charge is tried again after 1, 6 and 24
//! hours; then automatic top-up is switched off.

use crate::billing::pack_terms::PackTerms;
use crate::billing::plans::{Catalogue, PlanId};
use crate::ids::{AccountId, PaymentIntentId};
use crate::switches::Switch;
use crate::text::words;
use crate::time::Timestamp;
use crate::units::{Credits, Money};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the customer agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopUpTerms {
    /// A balance below this begins a top-up.
    pub threshold: Credits,
    pub pack: PlanId,
    /// What the pack gives, and until when.
    pub sold: PackTerms,
    pub price: Money,
    /// The most to spend on top-ups in a calendar month, in minor units.
    pub monthly_cap_minor: i64,
}

/// Automatic top-up of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopUp {
    pub switch: Switch,
    /// When the customer last switched it on.
    pub agreed_at: Timestamp,
    pub terms: TopUpTerms,
    /// How many crossings have begun.
    pub crossings: u64,
    /// The month of the last crossing, as `2026-11`.
    pub month: String,
    /// The price of that month's crossings, without those that ended unpaid.
    pub spent_minor: i64,
    /// The crossing in progress.
    pub charge: Option<Charge>,
    pub off_because: Option<OffReason>,
    /// The number of writes.
    pub version: u64,
}

/// The payment of the crossing in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The payment at Stripe, once it exists there.
    pub payment: Option<PaymentIntentId>,
    pub declines: u32,
    /// When the next attempt may begin, or when the customer has to have confirmed.
    pub next_at: Timestamp,
    pub stage: ChargeStage,
}

words! {
    ChargeStage {
        /// We charge the default payment method.
        Charging = "charging",
        /// The customer was asked to confirm the payment with their bank.
        Confirming = "confirming",
    }
}

words! {
    /// Why automatic top-up was switched off, other than by the customer.
    OffReason {
        Declined = "declined",
        /// The customer did not confirm the payment in time, or there was no page to do it on.
        NotConfirmed = "not_confirmed",
        /// The pack is no longer sold on the terms that the customer agreed to.
        PackChanged = "pack_changed",
        /// A payment of the account was disputed.
        Disputed = "disputed",
        /// The customer was deleted at Stripe, so nobody can be charged.
        CustomerDeleted = "customer_deleted",
    }
}

/// The wait after each decline. Another decline switches automatic top-up off.
const WAITS: [Duration; 3] = [
    Duration::from_secs(3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(24 * 3_600),
];
/// How long a customer has to confirm a payment with their bank.
const CONFIRM_WITHIN: Duration = Duration::from_secs(24 * 3_600);

/// What the metadata of a payment begins with that tops an account up.
const TOP_UP: &str = "top-up ";

/// The metadata of a crossing's payment: what it is for, and what it sells.
pub fn metadata(crossing: u64, sold: &PackTerms) -> BTreeMap<String, String> {
    let mut metadata = sold.metadata();
    metadata.insert(
        crate::billing::pack_terms::WHAT.to_owned(),
        format!("{TOP_UP}{crossing}"),
    );
    metadata
}

/// Whether a payment with this metadata is one of ours that tops an account up. Only a secret key
/// of our own account can write it.
pub fn is_top_up(metadata: &BTreeMap<String, String>) -> bool {
    metadata
        .get(crate::billing::pack_terms::WHAT)
        .is_some_and(|what| what.starts_with(TOP_UP))
}

/// The key of a call to Stripe about a crossing. It follows from the crossing alone, so a repeated
/// call is the same call.
pub fn idempotency_key(account: &AccountId, crossing: u64, call: &str) -> String {
    format!("tallyhook-top-up-{account}-{crossing}-{call}")
}

impl TopUpTerms {
    /// Whether the catalogue still sells the pack on these terms.
    pub fn is_sold(&self, catalogue: &Catalogue) -> bool {
        catalogue.pack(&self.pack).is_some_and(|pack| {
            (pack.price, pack.credits, pack.expires_days)
                == (self.price, self.sold.credits, self.sold.expires_days)
        })
    }
}

impl TopUp {
    /// Automatic top-up as the customer sets it, instead of `before`. Returns `None` while a
    /// crossing is in progress, because its payment has the terms of before.
    pub fn set(
        before: Option<&Self>,
        switch: Switch,
        terms: TopUpTerms,
        now: Timestamp,
    ) -> Option<Self> {
        let Some(before) = before else {
            return Some(Self {
                switch,
                agreed_at: now,
                terms,
                crossings: 0,
                month: String::new(),
                spent_minor: 0,
                charge: None,
                off_because: None,
                version: 1,
            });
        };
        // An event about something before the switch-on applies to an agreement that was changed
        // since, but not to a new one.
        let continues = before.switch.is_on();
        before.charge.is_none().then(|| Self {
            switch,
            agreed_at: if continues { before.agreed_at } else { now },
            terms,
            off_because: None,
            ..before.next()
        })
    }

    /// Switches it off for the customer. A crossing in progress becomes due, so that its payment is
    /// cancelled if it is not paid already.
    pub fn stop(&self, now: Timestamp) -> Self {
        let mut next = Self {
            switch: Switch::Off,
            ..self.next()
        };
        if let Some(charge) = &mut next.charge {
            charge.next_at = now;
        }
        next
    }

    /// Switches it off for something that happened at Stripe, as [`Self::stop`] does. Returns `None`
    /// if it is off, or if the customer has switched it on since then.
    pub fn stop_because(
        &self,
        why: OffReason,
        happened_at: Timestamp,
        now: Timestamp,
    ) -> Option<Self> {
        // Stripe's times are whole seconds.
        let applies = self.switch.is_on() && self.agreed_at.seconds() <= happened_at.seconds();
        applies.then(|| Self {
            off_because: Some(why),
            ..self.stop(now)
        })
    }

    fn next(&self) -> Self {
        Self {
            version: self.version + 1,
            ..self.clone()
        }
    }

    /// What was spent in the month of `now`, in minor units.
    pub fn spent_in_month(&self, now: Timestamp) -> i64 {
        if self.month == month(now) {
            self.spent_minor
        } else {
            0
        }
    }

    /// Begins a crossing if the balance is below the threshold, none is in progress, and the cap
    /// has room for its price.
    pub fn begin(&self, available: Credits, now: Timestamp) -> Option<Self> {
        let spent_minor = self
            .spent_in_month(now)
            .checked_add(self.terms.price.minor)?;
        let begins = self.switch.is_on()
            && self.charge.is_none()
            && available < self.terms.threshold
            && spent_minor <= self.terms.monthly_cap_minor;
        begins.then(|| Self {
            crossings: self.crossings + 1,
            month: month(now),
            spent_minor,
            charge: Some(Charge {
                payment: None,
                declines: 0,
                next_at: now,
                stage: ChargeStage::Charging,
            }),
            ..self.next()
        })
    }

    fn with_charge(&self, change: impl FnOnce(&mut Charge)) -> Option<Self> {
        let mut next = self.next();
        change(next.charge.as_mut()?);
        Some(next)
    }

    /// Records the crossing's payment, before it is charged.
    pub fn with_payment(&self, payment: &PaymentIntentId) -> Option<Self> {
        self.with_charge(|charge| charge.payment = Some(payment.clone()))
    }

    /// Schedules the attempt after a decline. Returns `None` if it was the last one.
    pub fn declined(&self, now: Timestamp) -> Option<Self> {
        let before = usize::try_from(self.charge.as_ref()?.declines).ok()?;
        let wait = WAITS.get(before)?;
        self.with_charge(|charge| {
            charge.declines += 1;
            charge.next_at = now.plus(*wait);
            charge.stage = ChargeStage::Charging;
        })
    }

    /// The customer is asked to confirm the payment.
    pub fn confirming(&self, now: Timestamp) -> Option<Self> {
        self.with_charge(|charge| {
            charge.next_at = now.plus(CONFIRM_WITHIN);
            charge.stage = ChargeStage::Confirming;
        })
    }

    /// The crossing was paid.
    pub fn paid(&self) -> Self {
        Self {
            charge: None,
            ..self.next()
        }
    }

    /// The crossing ended without a payment.
    pub fn unpaid(&self) -> Self {
        Self {
            charge: None,
            spent_minor: self.spent_minor.saturating_sub(self.terms.price.minor),
            ..self.next()
        }
    }

    /// The crossing ended without a payment, and no other begins until the customer switches
    /// automatic top-up on again.
    pub fn given_up(&self, why: OffReason) -> Self {
        Self {
            switch: Switch::Off,
            off_because: Some(why),
            ..self.unpaid()
        }
    }
}

fn month(now: Timestamp) -> String {
    now.day().chars().take(7).collect()
}

#[cfg(test)]
mod tests;
