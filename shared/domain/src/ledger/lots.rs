//! Lots: which credits are left, so that expiry removes only unspent ones.
//!
//! The ledger keeps one balance; the origin of its credits is derived from the entries. Each
//! incoming amount is a lot, after it has paid any debt. An outgoing amount is taken from the lot
//! with the lowest priority, of these from the one that expires first, then from lots that never
//! expire, and from the older of two equal lots. What is taken back of a payment, and what expires,
//! comes from its own lot first. This order costs the customer the least.

use super::{Cause, Entry, GrantTerms, GrantType, LotId, PURCHASED_PRIORITY};
use crate::ids::{ActionId, PaymentId};
use crate::time::Timestamp;
use crate::units::Credits;
use std::collections::BTreeMap;

/// Credits that came in together, and what is left of them. Held credits count as left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// `None` for a correction without a type.
    pub id: Option<LotId>,
    /// The type of the grant, if an operator gave the credits on terms of their own.
    pub kind: Option<GrantType>,
    pub priority: u8,
    /// The credits expire the night after this day, if ever.
    pub end: Option<Timestamp>,
    pub left: Credits,
    pub since: Timestamp,
    /// What was bought, or why it was given.
    pub note: String,
}

/// Returns the rest of a lot's credits that expires with it, given the account's entries, oldest
/// first. `ends` holds the expiry of each payment; payments that it does not name never expire.
pub fn left_of(entries: &[Entry], ends: &BTreeMap<PaymentId, Timestamp>, lot: &LotId) -> Credits {
    let lots = Lots::of(entries, ends);
    let mine = lots
        .0
        .iter()
        .filter(|one| one.id.as_ref() == Some(lot) && one.end.is_some());
    mine.fold(Credits::ZERO, |sum, lot| {
        sum.checked_add(lot.left).unwrap_or(Credits::MAX)
    })
}

/// Returns the lots that are left, in the order in which they are spent.
pub fn lots_of(entries: &[Entry], ends: &BTreeMap<PaymentId, Timestamp>) -> Vec<Lot> {
    let Lots(mut lots) = Lots::of(entries, ends);
    // Stable, so that the older of two equal lots stays first.
    lots.sort_by_key(Lot::order);
    lots
}

impl Lot {
    fn order(&self) -> (u8, bool, Option<Timestamp>) {
        (self.priority, self.end.is_none(), self.end)
    }
}

/// The lots that are left, oldest first; no lot is empty.
#[derive(Debug, Default)]
struct Lots(Vec<Lot>);

impl Lots {
    fn of(entries: &[Entry], ends: &BTreeMap<PaymentId, Timestamp>) -> Self {
        let (mut lots, mut owed) = (Self::default(), Credits::ZERO);
        for entry in entries {
            let change = entry.free.saturating_add(entry.held);
            let amount = Credits::from_micros(change.unsigned_abs()).unwrap_or(Credits::MAX);
            let id = lot_of(entry);
            if change < 0 {
                let short = lots.take(id.as_ref(), amount);
                owed = owed.checked_add(short).unwrap_or(Credits::MAX);
            } else {
                let comes = amount.less(owed);
                owed = owed.less(amount);
                let end = match (&id, &entry.terms) {
                    (_, Some(terms)) => terms.expires_at,
                    (Some(LotId::Payment(payment)), None) => ends.get(payment).copied(),
                    (Some(LotId::Grant(_)) | None, None) => None,
                };
                lots.bring(id, end, comes, entry);
            }
        }
        lots
    }

    /// Adds credits to a lot. Credits that return after their expiry never expire, because that
    /// time has passed.
    fn bring(&mut self, id: Option<LotId>, end: Option<Timestamp>, amount: Credits, entry: &Entry) {
        if amount.is_zero() {
            return;
        }
        let end = end.filter(|end| entry.at < *end);
        let same = |lot: &&mut Lot| id.is_some() && lot.id == id && lot.end == end;
        match self.0.iter_mut().find(same) {
            Some(lot) => lot.left = lot.left.checked_add(amount).unwrap_or(Credits::MAX),
            None => self.0.push(Lot {
                id,
                kind: entry.terms.map(|terms| terms.kind),
                priority: entry
                    .terms
                    .map_or(PURCHASED_PRIORITY, |terms: GrantTerms| terms.priority),
                end,
                left: amount,
                since: entry.at,
                note: entry.note.clone(),
            }),
        }
    }

    /// Takes an amount from the lots. Returns the part that they could not cover.
    fn take(&mut self, own: Option<&LotId>, mut amount: Credits) -> Credits {
        let order = |lot: &Lot| {
            let foreign = own.is_none() || lot.id.as_ref() != own;
            (foreign, lot.order())
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

/// The lot that an entry is about, by its cause.
fn lot_of(entry: &Entry) -> Option<LotId> {
    let (kind, rest) = entry.cause.split_once('#')?;
    match kind {
        Cause::PAYMENT => PaymentId::parse(rest).ok().map(LotId::Payment),
        Cause::REVERSAL => {
            let (payment, _) = rest.split_once('#')?;
            PaymentId::parse(payment).ok().map(LotId::Payment)
        }
        Cause::EXPIRY => LotId::parse(rest),
        Cause::ADJUSTMENT if entry.terms.is_some() => ActionId::parse(rest).ok().map(LotId::Grant),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
