//! The keys of what an account's balance, quotas and spend limit consist of.

use super::{HOLD, Key, TOP_UP, account_pk};
use domain::billing::spending::SpendUnit;
use domain::billing::usage::Meter;
use domain::ids::AccountId;
use domain::ledger::HoldId;

/// Whether an account was warned of its low balance.
pub(crate) fn low_balance(account: &AccountId) -> Key {
    Key::new(account_pk(account), "LOWBALANCE")
}

pub(crate) fn top_up(account: &AccountId) -> Key {
    Key::new(account_pk(account), TOP_UP)
}

pub(crate) fn hold(account: &AccountId, hold: &HoldId) -> Key {
    Key::new(account_pk(account), format!("{HOLD}{hold}"))
}

pub(crate) fn count(account: &AccountId, meter: &Meter, period: &str) -> Key {
    Key::new(account_pk(account), format!("COUNT#{meter}#{period}"))
}

pub(crate) fn spend_limit(account: &AccountId) -> Key {
    Key::new(account_pk(account), "LIMIT")
}

/// What an account spent and reserved in a billing period.
pub(crate) fn outlay(account: &AccountId, period: &str, unit: SpendUnit) -> Key {
    Key::new(account_pk(account), format!("OUTLAY#{period}#{unit}"))
}

/// The prefix of all counts of tiered units in a period. The rate is part of the key, because
/// prices and plans can change.
pub(crate) fn units_prefix(period: &str) -> String {
    format!("OUTLAY#{period}#on#")
}

pub(crate) fn units(account: &AccountId, period: &str, meter: &Meter, rate: &str) -> Key {
    Key::new(
        account_pk(account),
        format!("{}{meter}#{rate}", units_prefix(period)),
    )
}
