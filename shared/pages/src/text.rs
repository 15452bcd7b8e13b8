//! Numbers, amounts and times as people read them. Every amount carries its unit.

use domain::time::Timestamp;
use domain::units::{Credits, Money};
use maud::{Markup, html};
use std::time::Duration;

/// Groups the whole part of a decimal in threes: `1234567.5` becomes `1,234,567.5`.
pub fn grouped(decimal: &str) -> String {
    let (sign, rest) = match decimal.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", decimal),
    };
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (rest, None),
    };
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// Shows an amount of credits with its unit and its exact value.
pub fn credits(amount: Credits) -> Markup {
    let exact = amount.to_string();
    html! { data value=(exact) { (grouped(&exact)) " credits" } }
}

/// Shows an amount of money with its currency.
pub fn money(amount: Money) -> Markup {
    let text = amount.to_string();
    let (number, currency) = text.split_once(' ').unwrap_or((&text, ""));
    html! { data value=(number) { (grouped(number)) " " (currency) } }
}

/// Shows a length of time by its two largest units, such as `2 min 5 s`.
pub fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match (seconds / 86_400, seconds / 3_600, seconds / 60) {
        (0, 0, 0) if seconds == 0 => format!("{} ms", length.as_millis()),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}

/// Shows a time in UTC. The script rewrites it to the reader's zone, with the UTC text beside it.
pub fn moment(at: Timestamp) -> Markup {
    let exact = at.to_string();
    let day = exact.get(..10).unwrap_or_default();
    let minute = exact.get(11..16).unwrap_or_default();
    html! { time datetime=(exact) { (day) " " (minute) " UTC" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_threes() {
        for (plain, expected) in [
            ("0", "0"),
            ("999", "999"),
            ("1000", "1,000"),
            ("-1234567.891", "-1,234,567.891"),
            ("12345.6", "12,345.6"),
        ] {
            assert_eq!(grouped(plain), expected);
        }
    }

    #[test]
    fn a_length_of_time_has_two_units() {
        for (millis, expected) in [
            (8, "8 ms"),
            (59_999, "59 s"),
            (125_000, "2 min 5 s"),
            (7_260_000, "2 h 1 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn a_time_says_its_zone() {
        let at = Timestamp::parse("2026-11-29T18:50:03.000Z").expect("a time");
        let html = moment(at).into_string();
        assert_eq!(
            html,
            "<time datetime=\"2026-11-29T18:50:03.000Z\">2026-11-29 18:50 UTC</time>"
        );
    }
}
