//! RFC 3339 texts and months, in UTC.

use chrono::{DateTime, Months, SecondsFormat};

/// Formats `2026-11-20T10:00:00Z`. Fractions of a second are dropped, as on GitHub.
pub fn iso(millis: i64) -> String {
    let date = DateTime::from_timestamp(millis.div_euclid(1000), 0);
    date.unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The milliseconds of an RFC 3339 text.
pub fn parse(text: &str) -> Option<i64> {
    let date = DateTime::parse_from_rfc3339(text).ok()?;
    Some(date.timestamp() * 1000)
}

/// The moment `months` later, in seconds. If that month is too short, its last day.
pub fn months_after(seconds: i64, months: u32) -> i64 {
    let date = DateTime::from_timestamp(seconds, 0);
    date.and_then(|date| date.checked_add_months(Months::new(months)))
        .map_or(seconds, |date| date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_agree() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-11-20T10:00:00Z", 1_795_168_800),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            assert_eq!(iso(seconds * 1000), text);
            assert_eq!(parse(text), Some(seconds * 1000), "{text}");
        }
    }

    #[test]
    fn zones_and_fractions_are_read_and_nonsense_is_refused() {
        assert_eq!(
            parse("2026-11-20T12:00:00.123456789+02:00"),
            parse("2026-11-20T10:00:00Z")
        );
        for bad in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-11-20T10:00:00",
            "2026-11-20",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
