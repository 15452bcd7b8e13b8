//! Lots: which credits are left, so that expiry removes only unspent ones.
//!
//! The ledger keeps one balance; the origin of its credits is derived from the entries. Each
//! incoming amount is a lot, after it has paid any debt. An outgoing amount is taken from the lot
//! that expires first, then from lots that never expire, and from the older of two equal lots. What
//! is taken back of a payment comes from the payment's own lot first. This order costs the customer
//! the least.

use super::{Cause, Entry};
use crate::ids::PaymentId;
use crate::time::Timestamp;
use crate::units::Credits;
use std::collections::BTreeMap;

/// Returns the rest of a payment's credits that expires with it, given the account's entries,
/// oldest first. `ends` holds the expiry of each payment; payments that it does not name never
/// expire.
pub fn left_of(
    entries: &[Entry],
    ends: &BTreeMap<PaymentId, Timestamp>,
    payment: &PaymentId,
) -> Credits {
    let lots = Lots::of(entries, ends);
    let mine = lots
        .0
        .iter()
        .filter(|lot| lot.payment.as_ref() == Some(payment) && lot.end.is_some());
    mine.fold(Credits::ZERO, |sum, lot| {
        sum.checked_add(lot.left).unwrap_or(Credits::MAX)
    })
}

/// The lots that are left, oldest first; no lot is empty.
#[derive(Debug, Default)]
struct Lots(Vec<Lot>);

#[derive(Debug)]
struct Lot {
    payment: Option<PaymentId>,
    end: Option<Timestamp>,
    left: Credits,
}

impl Lots {
    fn of(entries: &[Entry], ends: &BTreeMap<PaymentId, Timestamp>) -> Self {
        let (mut lots, mut owed) = (Self::default(), Credits::ZERO);
        for entry in entries {
            let change = entry.free.saturating_add(entry.held);
            let amount = Credits::from_micros(change.unsigned_abs()).unwrap_or(Credits::MAX);
            let payment = payment_of(&entry.cause);
            if change < 0 {
                let short = lots.take(payment.as_ref(), amount);
                owed = owed.checked_add(short).unwrap_or(Credits::MAX);
            } else {
                let comes = amount.less(owed);
                owed = owed.less(amount);
                lots.bring(payment, ends, comes, entry.at);
            }
        }
        lots
    }

    /// Adds credits to a lot. Credits that return after their expiry never expire, because that
    /// time has passed.
    fn bring(
        &mut self,
        payment: Option<PaymentId>,
        ends: &BTreeMap<PaymentId, Timestamp>,
        amount: Credits,
        at: Timestamp,
    ) {
        if amount.is_zero() {
            return;
        }
        let end = payment
            .as_ref()
            .and_then(|payment| ends.get(payment))
            .copied()
            .filter(|end| at < *end);
        let same = |lot: &&mut Lot| payment.is_some() && lot.payment == payment && lot.end == end;
        match self.0.iter_mut().find(same) {
            Some(lot) => lot.left = lot.left.checked_add(amount).unwrap_or(Credits::MAX),
            None => self.0.push(Lot {
                payment,
                end,
                left: amount,
            }),
        }
    }

    /// Takes an amount from the lots. Returns the part that they could not cover.
    fn take(&mut self, payment: Option<&PaymentId>, mut amount: Credits) -> Credits {
        let order = |lot: &Lot| {
            let foreign = payment.is_none() || lot.payment.as_ref() != payment;
            (foreign, lot.end.is_none(), lot.end)
        };
        while !amount.is_zero() {
            let Some((first, _)) = self
                .0
                .iter()
                .enumerate()
                .min_by_key(|(place, lot)| (order(lot), *place))
            else {
                break;
            };
            let taken = self.0[first].left.min(amount);
            amount = amount.less(taken);
            self.0[first].left = self.0[first].left.less(taken);
            if self.0[first].left.is_zero() {
                self.0.remove(first);
            }
        }
        amount
    }
}

/// The payment that an entry is about, by its cause.
fn payment_of(cause: &str) -> Option<PaymentId> {
    let (kind, rest) = cause.split_once('#')?;
    let id = match kind {
        Cause::PAYMENT | Cause::EXPIRY => rest,
        Cause::REVERSAL => rest.split_once('#')?.0,
        _ => return None,
    };
    PaymentId::parse(id).ok()
}

#[cfg(test)]
mod tests;
