//! The ledger: every movement of credits, with the reason that identifies it.
//!
//! Every entry has a [`Cause`], which is the business fact and the entry's key, so one fact cannot
//! post twice, and another amount under the same cause is an error. An account has an available and
//! a held amount. A negative available amount is debt: incoming credits pay it first, and no hold
//! passes while it exists. A hold is resolved once, by a capture in whole or in part, or by a
//! release.

mod causes;
mod grants;
mod holds;
mod lots;

pub use causes::Cause;
pub use grants::{GrantTerms, GrantType, LotId, PRIORITY_MAX, PURCHASED_PRIORITY};
pub use holds::{BadHoldKey, HoldId, HoldKey};
pub use lots::{Lot, left_of, lots_of};

use crate::ids::{AccountId, ActionId, PaymentId};
use crate::jobs::fixes::Fix;
use crate::text::words;
use crate::time::Timestamp;
use crate::units::Credits;

/// The balance of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    pub available: Credits,
    pub held: Credits,
    /// What the account owes because credits that it had spent were taken back.
    pub debt: Credits,
}

impl Balance {
    /// Builds a balance from the two sums of an account, in microcredits. Returns `None` if the
    /// sums cannot form a valid balance.
    pub fn of(free: i64, held: i64) -> Option<Self> {
        let side = Credits::from_micros;
        let held = side(u64::try_from(held).ok()?)?;
        let amount = side(free.unsigned_abs())?;
        let (available, debt) = if free < 0 {
            (Credits::ZERO, amount)
        } else {
            (amount, Credits::ZERO)
        };
        Some(Self {
            available,
            held,
            debt,
        })
    }
}

words! {
    EntryKind {
        Grant = "grant",
        Hold = "hold",
        /// Credits were spent; unused held credits came back.
        Capture = "capture",
        Release = "release",
        /// Granted credits were taken back after a refund or a dispute.
        TakeBack = "take_back",
        /// Credits that were taken back returned: a refund failed, or a dispute was won.
        GiveBack = "give_back",
        Adjustment = "adjustment",
        Expiry = "expiry",
    }
}

/// One immutable movement in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub account: AccountId,
    /// The cause as text, which is the entry's key.
    pub cause: String,
    pub kind: EntryKind,
    /// The amount granted, held, captured, released or taken back.
    pub amount: Credits,
    /// The change of the available amount, in microcredits.
    pub free: i64,
    /// The change of the held amount, in microcredits.
    pub held: i64,
    pub at: Timestamp,
    pub note: String,
    /// The origin: an object at Stripe, an operator or a job.
    pub source: String,
    /// The catalogue version that priced the amount; empty if the catalogue did not price it.
    pub priced_by: String,
    /// The terms of the credits, if it is a typed grant.
    pub terms: Option<GrantTerms>,
}

/// An entry that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a posting has no effect until the store has written it"]
pub struct Posting {
    entry: Entry,
    cause: Cause,
    /// The lowest available amount, before the entry, that permits it.
    floor: i64,
    /// When anybody may release an unsettled hold.
    until: Option<Timestamp>,
    /// The billing period in whose spending a customer's own hold counts.
    counted_in: Option<String>,
}

/// The bound of a balance in either direction.
const BALANCE_MAX: i64 = 1_000_000_000_000_000_000;

/// The changes that a posting makes, in microcredits.
struct Movement {
    amount: Credits,
    free: i64,
    held: i64,
}

/// The descriptive fields of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryDetails {
    pub note: String,
    pub source: String,
    /// The catalogue version that priced the amount; empty if the catalogue did not price it.
    pub priced_by: String,
}

impl Posting {
    fn new(
        account: &AccountId,
        cause: Cause,
        kind: EntryKind,
        movement: Movement,
        label: EntryDetails,
        at: Timestamp,
    ) -> Self {
        let EntryDetails {
            note,
            source,
            priced_by,
        } = label;
        let Movement { amount, free, held } = movement;
        let entry = Entry {
            account: account.clone(),
            cause: cause.to_string(),
            kind,
            amount,
            free,
            held,
            at,
            note,
            source,
            priced_by,
            terms: None,
        };
        Self {
            entry,
            cause,
            floor: -BALANCE_MAX,
            until: None,
            counted_in: None,
        }
    }

    /// Grants credits that were paid for.
    pub fn grant(
        account: &AccountId,
        payment: PaymentId,
        amount: Credits,
        label: EntryDetails,
        at: Timestamp,
    ) -> Self {
        Self::new(
            account,
            Cause::Payment(payment),
            EntryKind::Grant,
            Movement {
                amount,
                free: amount.signed(),
                held: 0,
            },
            label,
            at,
        )
    }

    /// Adjusts what is taken back of a payment's credits from `before` to `after`. Returns `None`
    /// if they are equal.
    pub fn reversal(
        account: &AccountId,
        (payment, nth): (PaymentId, u64),
        (before, after): (Credits, Credits),
        label: EntryDetails,
        at: Timestamp,
    ) -> Option<Self> {
        let cause = Cause::Reversal(payment, nth);
        let more = after.less(before);
        if !more.is_zero() {
            return Some(Self::new(
                account,
                cause,
                EntryKind::TakeBack,
                Movement {
                    amount: more,
                    free: -more.signed(),
                    held: 0,
                },
                label,
                at,
            ));
        }
        let less = before.less(after);
        (!less.is_zero()).then(|| {
            Self::new(
                account,
                cause,
                EntryKind::GiveBack,
                Movement {
                    amount: less,
                    free: less.signed(),
                    held: 0,
                },
                label,
                at,
            )
        })
    }

    /// Reserves credits for work. The available amount may fall below zero by at most `overdraft`.
    pub fn hold(
        account: &AccountId,
        hold: HoldId,
        (amount, overdraft): (Credits, Credits),
        label: EntryDetails,
        at: Timestamp,
    ) -> Self {
        let moved = Movement {
            amount,
            free: -amount.signed(),
            held: amount.signed(),
        };
        let mut posting = Self::new(
            account,
            Cause::Hold(hold),
            EntryKind::Hold,
            moved,
            label,
            at,
        );
        posting.floor = amount.signed() - overdraft.signed();
        posting
    }

    /// Ends a hold: spends what was used, at most what was held, and releases the rest.
    pub fn settle(
        account: &AccountId,
        hold: HoldId,
        (held, used): (Credits, Credits),
        label: EntryDetails,
        at: Timestamp,
    ) -> Self {
        let used = used.min(held);
        let rest = held.less(used);
        let (kind, amount) = if used.is_zero() {
            (EntryKind::Release, held)
        } else {
            (EntryKind::Capture, used)
        };
        Self::new(
            account,
            Cause::Settlement(hold),
            kind,
            Movement {
                amount,
                free: rest.signed(),
                held: -held.signed(),
            },
            label,
            at,
        )
    }

    /// Corrects a balance by hand, in either direction.
    pub fn adjustment(
        account: &AccountId,
        action: ActionId,
        (amount, side): (Credits, AdjustmentSide),
        label: EntryDetails,
        at: Timestamp,
    ) -> Self {
        let free = match side {
            AdjustmentSide::Credit => amount.signed(),
            AdjustmentSide::Debit => -amount.signed(),
        };
        Self::new(
            account,
            Cause::Adjustment(action),
            EntryKind::Adjustment,
            Movement {
                amount,
                free,
                held: 0,
            },
            label,
            at,
        )
    }

    /// Gives credits on terms of their own.
    pub fn typed_grant(
        account: &AccountId,
        action: ActionId,
        (amount, terms): (Credits, GrantTerms),
        label: EntryDetails,
        at: Timestamp,
    ) -> Self {
        let both = (amount, AdjustmentSide::Credit);
        let mut posting = Self::adjustment(account, action, both, label, at);
        posting.entry.terms = Some(terms);
        posting
    }

    /// Removes the rest of the credits of a payment or a grant when they expire.
    pub fn expiry(
        account: &AccountId,
        lot: LotId,
        left: Credits,
        label: EntryDetails,
        at: Timestamp,
    ) -> Self {
        Self::new(
            account,
            Cause::Expiry(lot),
            EntryKind::Expiry,
            Movement {
                amount: left,
                free: -left.signed(),
                held: 0,
            },
            label,
            at,
        )
    }

    /// Charges a fix that an external agent delivered. The fix already exists, so the available
    /// amount may fall below zero; nothing new starts until that debt is paid.
    pub fn fix(
        account: &AccountId,
        fix: Fix,
        fee: Credits,
        label: EntryDetails,
        at: Timestamp,
    ) -> Self {
        Self::new(
            account,
            Cause::Fix(fix),
            EntryKind::Capture,
            Movement {
                amount: fee,
                free: -fee.signed(),
                held: 0,
            },
            label,
            at,
        )
    }

    /// Spends credits for a customer's own work in one step. The available amount must cover it.
    pub fn debit(
        account: &AccountId,
        action: ActionId,
        amount: Credits,
        label: EntryDetails,
        at: Timestamp,
    ) -> Self {
        let moved = Movement {
            amount,
            free: -amount.signed(),
            held: 0,
        };
        let cause = Cause::Debit(action);
        let mut posting = Self::new(account, cause, EntryKind::Capture, moved, label, at);
        posting.floor = amount.signed();
        posting
    }

    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Lets anybody release the hold from `end` on. A job's hold has no such time: it ends with its
    /// job.
    pub fn until(mut self, end: Timestamp) -> Self {
        self.until = Some(end);
        self
    }

    /// When anybody may release the hold.
    pub const fn stands_until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Counts the hold in the spending of `period`. A job's hold is counted through its terms
    /// instead.
    pub fn counted_in(self, period: &str) -> Self {
        Self {
            counted_in: Some(period.to_owned()),
            ..self
        }
    }

    /// The billing period in whose spending the hold counts.
    pub fn counts_in(&self) -> Option<&str> {
        self.counted_in.as_deref()
    }

    pub const fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The bounds that the available amount must be within before the entry.
    pub const fn bounds(&self) -> (i64, i64) {
        let high = if self.entry.free > 0 {
            BALANCE_MAX - self.entry.free
        } else {
            BALANCE_MAX
        };
        let low = if self.entry.free < 0 && self.floor == -BALANCE_MAX {
            self.floor - self.entry.free
        } else {
            self.floor
        };
        (low, high)
    }
}

/// The direction of a correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdjustmentSide {
    Credit,
    Debit,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry that would leave the range of a balance is refused, and one at its edge is not.
    #[test]
    fn an_entry_keeps_the_balance_within_its_range() {
        let at = Timestamp::from_millis(1);
        let account = AccountId::mint(at, [1; 10]);
        let bounds = |side| {
            let amount = Credits::whole(3).expect("an amount");
            let label = EntryDetails {
                note: String::new(),
                source: String::new(),
                priced_by: String::new(),
            };
            let action = ActionId::of_digest([1; 16]);
            Posting::adjustment(&account, action, (amount, side), label, at).bounds()
        };
        let three = 3_000_000;
        let (low, high) = bounds(AdjustmentSide::Credit);
        assert_eq!((low, high), (-BALANCE_MAX, BALANCE_MAX - three));
        let (low, high) = bounds(AdjustmentSide::Debit);
        assert_eq!((low, high), (-BALANCE_MAX + three, BALANCE_MAX));
    }
}
