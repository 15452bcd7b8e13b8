//! Money in whole minor units of one currency, as Stripe counts it.

use std::fmt;

/// A currency, by its three-letter code in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Parses a three-letter code in either case.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 3] = text.as_bytes().try_into().ok()?;
        letters
            .iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Self(letters.map(|letter| letter.to_ascii_lowercase())))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// The number of decimal places between minor and major units.
    pub fn decimals(&self) -> usize {
        match &self.0 {
            b"bif" | b"clp" | b"djf" | b"gnf" | b"jpy" | b"kmf" | b"krw" | b"mga" | b"pyg"
            | b"rwf" | b"ugx" | b"vnd" | b"vuv" | b"xaf" | b"xof" | b"xpf" => 0,
            b"bhd" | b"jod" | b"kwd" | b"omr" | b"tnd" => 3,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Money {
    /// In minor units: cents, or whole yen.
    pub minor: i64,
    pub currency: Currency,
}

impl Money {
    /// The sum, if both have one currency and it does not overflow.
    pub fn checked_add(self, other: Self) -> Result<Self, NotAddable> {
        if self.currency != other.currency {
            return Err(NotAddable);
        }
        let minor = self.minor.checked_add(other.minor).ok_or(NotAddable)?;
        Ok(Self {
            minor,
            currency: self.currency,
        })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.currency.decimals();
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let point = if places == 0 { "" } else { "." };
        write!(
            f,
            "{sign}{whole}{point}{fraction} {}",
            self.currency.as_str().to_ascii_uppercase()
        )
    }
}

/// Two amounts cannot be added: their currencies differ, or the sum is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAddable;

impl fmt::Display for NotAddable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the amounts have different currencies or their sum overflows")
    }
}

impl std::error::Error for NotAddable {}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor: i64, currency: &str) -> Money {
        Money {
            minor,
            currency: Currency::parse(currency).expect("a currency"),
        }
    }

    #[test]
    fn currencies_have_their_own_places() {
        for (minor, currency, text) in [
            (1_999, "usd", "19.99 USD"),
            (5, "USD", "0.05 USD"),
            (-1_050, "eur", "-10.50 EUR"),
            (500, "jpy", "500 JPY"),
            (1_234, "kwd", "1.234 KWD"),
            (0, "usd", "0.00 USD"),
        ] {
            assert_eq!(money(minor, currency).to_string(), text);
        }
        for bad in ["", "us", "usdt", "u$d"] {
            assert_eq!(Currency::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn two_currencies_have_no_sum() {
        assert_eq!(
            money(1, "usd").checked_add(money(2, "usd")),
            Ok(money(3, "usd"))
        );
        assert_eq!(
            money(1, "usd").checked_add(money(1, "eur")),
            Err(NotAddable)
        );
        assert_eq!(
            money(i64::MAX, "usd").checked_add(money(1, "usd")),
            Err(NotAddable)
        );
    }
}
