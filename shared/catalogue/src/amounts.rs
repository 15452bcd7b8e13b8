//! Amounts: converts the quoted decimals that people write into whole numbers of small units.

use domain::billing::plans::BasisPoints;
use domain::units::decimal_parse;
use domain::units::{Currency, Money};

/// The decimal places of a minor unit that Stripe supports.
const RATE_PLACES_MAX: usize = 12;
/// The largest single amount that Stripe accepts.
const MINOR_MAX: u64 = 99_999_999;
/// The maximum number of digits of an amount.
const DIGITS_MAX: usize = 30;
/// The largest markup, in basis points.
const MARKUP_MAX: u64 = 99_999;

pub fn money_shape(currency: Currency) -> String {
    match currency.decimals() {
        0 => format!("a whole number of {currency} in quotes, such as \"500\""),
        places => format!(
            "an amount of {currency} in quotes with at most {places} places, such as \"8.{:0>places$}\"",
            0
        ),
    }
}

/// Parses an amount in the currency's major unit.
pub fn money(text: &str, currency: Currency) -> Option<Money> {
    let minor = decimal_parse(text, currency.decimals()).filter(|minor| *minor <= MINOR_MAX)?;
    Some(Money {
        minor: i64::try_from(minor).ok()?,
        currency,
    })
}

/// Parses a percentage with at most two decimal places.
pub fn markup(text: &str) -> Option<BasisPoints> {
    let points = decimal_parse(text, 2).filter(|points| *points <= MARKUP_MAX)?;
    u32::try_from(points).ok().map(BasisPoints)
}

/// Why a model's price is invalid.
pub enum BadModelPrice {
    /// Not a decimal with at most six places.
    Unreadable,
    /// A token would cost less than a microcredit.
    TooFine,
}

/// Converts the price of a thousand tokens, in major units, to microcredits per token.
pub fn per_token(text: &str, credits_per_unit: u64) -> Result<u64, BadModelPrice> {
    let millionths = decimal_parse(text, 6).ok_or(BadModelPrice::Unreadable)?;
    // A millionth of the major unit is `credits_per_unit` microcredits.
    let per_thousand = millionths
        .checked_mul(credits_per_unit)
        .ok_or(BadModelPrice::Unreadable)?;
    if per_thousand % 1_000 == 0 {
        Ok(per_thousand / 1_000)
    } else {
        Err(BadModelPrice::TooFine)
    }
}

/// Converts a rate in major units for 10^`per` units to Stripe's rate in minor units.
pub fn rate(text: &str, currency: Currency, per: usize) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || text.len() > DIGITS_MAX {
        return None;
    }
    // Move the decimal point right to convert to minor units, and left for each power of ten of the
    // units that share the price.
    let (mut whole, mut fraction) = (whole.to_owned(), fraction.to_owned());
    for _ in 0..currency.decimals() {
        whole.push(if fraction.is_empty() {
            '0'
        } else {
            fraction.remove(0)
        });
    }
    for _ in 0..per {
        fraction.insert(0, whole.pop().unwrap_or('0'));
    }
    let (whole, fraction) = (
        whole.trim_start_matches('0'),
        fraction.trim_end_matches('0'),
    );
    let whole = if whole.is_empty() { "0" } else { whole };
    match fraction.len() {
        0 => Some(whole.to_owned()),
        places if places <= RATE_PLACES_MAX => Some(format!("{whole}.{fraction}")),
        _ => None,
    }
}

/// Formats an amount in minor units in the currency's major unit.
pub fn major(minor: &str, currency: Currency) -> String {
    let (whole, fraction) = minor.split_once('.').unwrap_or((minor, ""));
    let places = currency.decimals();
    let digits = format!("{whole:0>width$}", width = places + 1);
    let (whole, rest) = digits.split_at(digits.len() - places);
    let point = if places == 0 && fraction.is_empty() {
        ""
    } else {
        "."
    };
    format!("{whole}{point}{rest}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(text: &str) -> Currency {
        Currency::parse(text).expect("a currency")
    }

    #[test]
    fn rates_move_their_point_exactly() {
        for (text, of, per, minor) in [
            ("8.00", "usd", 0, Some("800")),
            ("0", "usd", 0, Some("0")),
            ("0.00", "usd", 0, Some("0")),
            ("15", "usd", 0, Some("1500")),
            ("0.015", "usd", 3, Some("0.0015")),
            ("12.345", "usd", 3, Some("1.2345")),
            ("1234.5", "usd", 3, Some("123.45")),
            ("0.00000000000001", "usd", 0, Some("0.000000000001")),
            ("0.000000000000001", "usd", 0, None),
            ("500", "jpy", 0, Some("500")),
            ("0.5", "jpy", 0, Some("0.5")),
            ("1.2", "kwd", 0, Some("1200")),
            ("", "usd", 0, None),
            ("-1", "usd", 0, None),
            ("1.", "usd", 0, None),
            (".5", "usd", 0, None),
            ("1e3", "usd", 0, None),
        ] {
            assert_eq!(
                rate(text, currency(of), per).as_deref(),
                minor,
                "{text} {of} per 10^{per}"
            );
        }
    }

    #[test]
    fn people_read_the_major_unit() {
        for (minor, of, text) in [
            ("800", "usd", "8.00"),
            ("0", "usd", "0.00"),
            ("5", "usd", "0.05"),
            ("0.0018", "usd", "0.000018"),
            ("500", "jpy", "500"),
            ("0.5", "jpy", "0.5"),
            ("1234", "kwd", "1.234"),
        ] {
            assert_eq!(major(minor, currency(of)), text, "{minor} {of}");
        }
    }

    #[test]
    fn money_has_its_currency_s_places() {
        for (text, of, minor) in [
            ("29.00", "usd", Some(2_900)),
            ("29", "usd", Some(2_900)),
            ("29.001", "usd", None),
            ("500", "jpy", Some(500)),
            ("500.5", "jpy", None),
            ("1.234", "kwd", Some(1_234)),
            ("999999.99", "usd", Some(99_999_999)),
            ("1000000.00", "usd", None),
        ] {
            assert_eq!(
                money(text, currency(of)).map(|money| money.minor),
                minor,
                "{text} {of}"
            );
        }
    }

    #[test]
    fn a_thousand_tokens_share_a_price_without_a_rest() {
        for (text, per_unit, micros) in [
            ("0.003000", 1_000, Some(3_000)),
            ("0.000001", 1_000, Some(1)),
            ("15", 100, Some(1_500_000)),
        ] {
            assert_eq!(
                per_token(text, per_unit).ok(),
                micros,
                "{text} at {per_unit}"
            );
        }
        assert!(matches!(
            per_token("0.000001", 100),
            Err(BadModelPrice::TooFine)
        ));
        assert!(matches!(
            per_token("0.0000001", 1_000),
            Err(BadModelPrice::Unreadable)
        ));
    }

    #[test]
    fn percents_have_two_places() {
        for (text, points) in [
            ("20.00", Some(2_000)),
            ("20", Some(2_000)),
            ("0", Some(0)),
            ("999.99", Some(99_999)),
            ("1000", None),
            ("0.001", None),
        ] {
            assert_eq!(markup(text), points.map(BasisPoints), "{text}");
        }
    }
}
