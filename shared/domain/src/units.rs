//! Amounts: credits in whole microcredits, money in whole minor units. No floats.

mod credits;
mod money;
mod spend_unit;

pub use credits::{BadCredits, Credits, MICROS, decimal, decimal_parse};
pub use money::{Currency, Money, NotAddable};
pub use spend_unit::SpendUnit;
