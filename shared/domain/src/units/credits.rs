//! Credits: Tallyhook's unit of account, in whole microcredits.
//!
//! A microcredit is small enough that one token of the cheapest model costs a whole number of them.
//! An amount is never negative, and never so large that the sums of a balance could overflow. All
//! arithmetic is checked.

use std::fmt;

/// Microcredits in a credit.
pub const MICROS: u64 = 1_000_000;

/// An amount of credits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Credits(u64);

impl Credits {
    pub const ZERO: Self = Self(0);
    /// The largest amount: a billion credits.
    pub const MAX: Self = Self(1_000_000_000 * MICROS);

    /// Returns `None` if the amount is too large.
    pub const fn from_micros(micros: u64) -> Option<Self> {
        if micros <= Self::MAX.0 {
            Some(Self(micros))
        } else {
            None
        }
    }

    /// Returns `None` if the amount is too large.
    pub const fn whole(credits: u64) -> Option<Self> {
        match credits.checked_mul(MICROS) {
            Some(micros) => Self::from_micros(micros),
            None => None,
        }
    }

    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The amount in microcredits, as a change of a balance.
    pub const fn signed(self) -> i64 {
        // `MAX` is far below the largest `i64`.
        self.0.cast_signed()
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` if it is too large.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(micros) => Self::from_micros(micros),
            None => None,
        }
    }

    /// The difference, or `None` if `other` is larger.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// The difference, or zero if `other` is larger.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Parses a decimal number of credits with at most six places.
    pub fn parse(text: &str) -> Result<Self, BadCredits> {
        let micros = decimal_parse(text, 6).ok_or(BadCredits)?;
        Self::from_micros(micros).ok_or(BadCredits)
    }
}

/// Parses an unsigned decimal number as a whole number of units of its `places`-th decimal.
pub fn decimal_parse(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > places.max(1) {
        return None;
    }
    let scale = 10_u64.checked_pow(u32::try_from(places).ok()?)?;
    // Without decimal places, `5.0` is a whole number and `5.1` is not.
    let fraction: u64 = format!("{fraction:0<places$}")
        .parse()
        .ok()
        .filter(|rest| *rest < scale)?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(scale)?
        .checked_add(fraction)
}

/// Formats microcredits as credits with at most six places.
pub fn decimal(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (whole, fraction) = (
        micros.unsigned_abs() / MICROS,
        micros.unsigned_abs() % MICROS,
    );
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{fraction:06}");
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(self.signed()))
    }
}

impl fmt::Debug for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an amount of credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCredits;

impl fmt::Display for BadCredits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of credits is a number such as 12 or 12.5, with at most six places, up to 1000000000")
    }
}

impl std::error::Error for BadCredits {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_and_write_the_same() {
        for (text, micros) in [
            ("0", 0),
            ("12", 12_000_000),
            ("0.000001", 1),
            ("12.5", 12_500_000),
        ] {
            let credits = Credits::parse(text).expect("an amount");
            assert_eq!(
                (credits.micros(), credits.to_string().as_str()),
                (micros, text)
            );
        }
        assert_eq!(
            Credits::parse("1.50").expect("an amount").to_string(),
            "1.5"
        );
        assert_eq!(Credits::parse("1000000000"), Ok(Credits::MAX));
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1.0000001",
            "1000000000.000001",
            "99999999999999999999",
        ] {
            assert_eq!(Credits::parse(bad), Err(BadCredits), "{bad}");
        }
    }

    #[test]
    fn decimals_have_a_number_of_places_and_no_more() {
        for (text, places, parsed) in [
            ("5", 0, Some(5)),
            ("5.0", 0, Some(5)),
            ("5.1", 0, None),
            ("5.9", 1, Some(59)),
            ("5.90", 1, None),
            ("5.9", 2, Some(590)),
            ("0.000001", 6, Some(1)),
            ("18446744073709551615", 0, Some(u64::MAX)),
            ("18446744073709551615", 1, None),
            ("1.", 2, None),
        ] {
            assert_eq!(decimal_parse(text, places), parsed, "{text} with {places}");
        }
    }

    #[test]
    fn there_is_no_way_past_the_ends() {
        let one = Credits::from_micros(1).expect("one");
        assert_eq!(Credits::MAX.checked_add(one), None);
        assert_eq!(Credits::ZERO.checked_sub(one), None);
        assert_eq!(Credits::ZERO.less(one), Credits::ZERO);
        assert_eq!(Credits::from_micros(u64::MAX), None);
        assert_eq!(Credits::whole(u64::MAX), None);
    }

    #[test]
    fn signed_numbers_show_their_sign() {
        for (micros, text) in [
            (-1_500_000, "-1.5"),
            (0, "0"),
            (7, "0.000007"),
            (-1, "-0.000001"),
        ] {
            assert_eq!(decimal(micros), text);
        }
    }
}
