//! The ledger: every movement of credits, each with the reason why it happened once and cannot happen again.
//!
//! Owns what a movement is and what it does to a balance. Promises that nothing moves without a [`Cause`], which is the
//! business fact and the entry's identity: the same fact cannot post twice, and another amount under it is an error. An
//! account has what is `free` and what is `held`; free below nothing is debt, so whatever comes in pays it first and no
//! hold passes while it stands. A hold is resolved once: captured in whole or in part, or released.

mod lots;

pub use lots::left_of;

use crate::ids::{AccountId, ActionId, AssistId, JobId, PaymentId};
use crate::jobs::fixes::Fix;
use crate::text::words;
use crate::time::Timestamp;
use crate::units::Credits;
use std::fmt;

/// What an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// What it can spend.
    pub available: Credits,
    /// What is reserved for work under way.
    pub held: Credits,
    /// What it owes, because what it had spent was taken back.
    pub debt: Credits,
}

impl Balance {
    /// Reads the two sums of an account, in microcredits; none if they are none that a balance can have.
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

/// Why credits move: the business fact, and the identity of the entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A payment was made for them.
    Payment(PaymentId),
    /// What was paid has come to be refunded or disputed otherwise than before, for the n-th time.
    Reversal(PaymentId, u64),
    /// Work was begun.
    Hold(HoldId),
    /// That work has ended.
    Settlement(HoldId),
    /// An operator wished it.
    Adjustment(ActionId),
    /// What was left of a payment's credits has expired.
    Expiry(PaymentId),
    /// An agent outside has delivered this fix.
    Fix(Fix),
}

impl Cause {
    const PAYMENT: &str = "PAYMENT";
    const REVERSAL: &str = "REVERSAL";
    const EXPIRY: &str = "EXPIRY";

    /// The payment that an entry with this cause was a grant for.
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
            Self::Hold(hold) => write!(f, "HOLD#{hold}"),
            Self::Settlement(hold) => write!(f, "SETTLEMENT#{hold}"),
            Self::Adjustment(action) => write!(f, "ADJUSTMENT#{action}"),
            Self::Expiry(payment) => write!(f, "{}#{payment}", Self::EXPIRY),
            Self::Fix(fix) => write!(f, "FIX#{fix}"),
        }
    }
}

/// What credits are held for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldId {
    /// A job.
    Job(JobId),
    /// An assist.
    Assist(AssistId),
    /// Work that a customer does by himself.
    Own(ActionId),
}

impl HoldId {
    /// Reads a hold's name.
    pub fn parse(text: &str) -> Option<Self> {
        let job = JobId::parse(text).map(Self::Job);
        let assist = || AssistId::parse(text).map(Self::Assist);
        job.or_else(|_| assist())
            .or_else(|_| ActionId::parse(text).map(Self::Own))
            .ok()
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(job) => job.fmt(f),
            Self::Assist(assist) => assist.fmt(f),
            Self::Own(action) => action.fmt(f),
        }
    }
}

words! {
    /// What kind of movement it is.
    EntryKind {
        /// Credits were bought or given.
        Grant = "grant",
        /// Credits were reserved.
        Hold = "hold",
        /// Credits were spent; where they had been reserved, the rest came back.
        Capture = "capture",
        /// Reserved credits came back.
        Release = "release",
        /// Granted credits were taken back: a refund, a dispute.
        TakeBack = "take_back",
        /// What was taken back came again: a refund that failed, a dispute that was won.
        GiveBack = "give_back",
        /// An operator put something right.
        Adjustment = "adjustment",
        /// Credits have run out of time.
        Expiry = "expiry",
    }
}

/// One movement, as it stands in the ledger for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub account: AccountId,
    /// Its cause, as text: the identity.
    pub cause: String,
    /// What kind of movement.
    pub kind: EntryKind,
    /// How much it is about, in microcredits: what was granted, held, spent, given back, taken.
    pub amount: Credits,
    /// By how much what is free changed, in microcredits.
    pub free: i64,
    /// By how much what is held changed, in microcredits.
    pub held: i64,
    /// When.
    pub at: Timestamp,
    /// What people read.
    pub note: String,
    /// What it came from: an object of Stripe's, an operator, a job.
    pub source: String,
    /// By which version of the catalogue the amount was computed; empty where none was.
    pub priced_by: String,
}

/// A movement that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a posting is nothing until the store has written it"]
pub struct Posting {
    entry: Entry,
    cause: Cause,
    /// Free must not be below this before it.
    floor: i64,
    /// Until when a hold stands that nobody settles.
    until: Option<Timestamp>,
    /// The billing period in whose spending a customer's own hold is counted.
    counted_in: Option<String>,
}

/// No balance goes further than this to either side.
const BALANCE_MAX: i64 = 1_000_000_000_000_000_000;

/// By how much a posting changes the two sides of a balance, in microcredits.
struct Movement {
    amount: Credits,
    free: i64,
    held: i64,
}

/// What stands beside the amount of a posting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryDetails {
    /// What people read.
    pub note: String,
    /// What it came from.
    pub source: String,
    /// By which version of the catalogue the amount was computed; empty where none was.
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
        };
        Self {
            entry,
            cause,
            floor: -BALANCE_MAX,
            until: None,
            counted_in: None,
        }
    }

    /// Credits that were paid for.
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

    /// What of a payment's credits is taken back, more than before or less; none when nothing changes.
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

    /// Credits reserved for work. What is free may go below nothing by `overdraft` and no further.
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

    /// The end of a hold: what was used is spent, at most what was held, and the rest comes back.
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

    /// An operator's correction, to either side.
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

    /// What is left of a payment's credits, gone with their time.
    pub fn expiry(
        account: &AccountId,
        payment: PaymentId,
        left: Credits,
        label: EntryDetails,
        at: Timestamp,
    ) -> Self {
        Self::new(
            account,
            Cause::Expiry(payment),
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

    /// A fix that an agent outside has delivered. That has happened, so it may take what is free below nothing: what is
    /// short is owed, and nothing new begins until it is paid.
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

    /// The entry it becomes.
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The same hold, which may be released from this moment on if nobody has settled it. A job's hold has none: it ends
    /// with its job.
    pub fn until(mut self, end: Timestamp) -> Self {
        self.until = Some(end);
        self
    }

    /// From when on it may be released by anybody.
    pub const fn stands_until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The same hold, counted in the spending of this billing period. A job's hold has none: its terms say it.
    pub fn counted_in(self, period: &str) -> Self {
        Self {
            counted_in: Some(period.to_owned()),
            ..self
        }
    }

    /// In the spending of which period it is counted.
    pub fn counts_in(&self) -> Option<&str> {
        self.counted_in.as_deref()
    }

    /// The fact behind it.
    pub const fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Between which bounds what is free must be before it.
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

/// Which way a correction goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdjustmentSide {
    /// The account gets something.
    Credit,
    /// The account loses something.
    Debit,
}
