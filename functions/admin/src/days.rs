//! The days that a listing covers. All days are UTC.

use crate::ApiError;
use domain::time::Timestamp;

/// The first moment of the days, and the first one after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    pub since: Option<Timestamp>,
    pub before: Option<Timestamp>,
}

impl Days {
    /// Parses the first and the last day.
    pub fn parse(from: Option<&str>, to: Option<&str>) -> Result<Self, ApiError> {
        let days = Self {
            since: day("from", from)?,
            before: day("to", to)?.map(Timestamp::next_day),
        };
        match (days.since, days.before) {
            (Some(since), Some(before)) if since >= before => Err(ApiError::bad_request(
                "bad_days",
                "`to` must not be before `from`.",
            )),
            _ => Ok(days),
        }
    }
}

fn day(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let start = Timestamp::parse(&format!("{text}T00:00:00Z"));
    start
        .filter(|day| day.day() == text)
        .map(Some)
        .ok_or_else(|| {
            let detail = format!("`{name}` must be a day, such as `2026-11-20`.");
            ApiError::bad_request("bad_day", detail)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_include_the_last_one() {
        let days = Days::parse(Some("2026-11-20"), Some("2026-11-20")).expect("days");
        let since = days.since.expect("a day");
        assert_eq!(days.before, Some(since.next_day()));
        assert_eq!(Days::parse(None, Some("")).expect("no days").before, None);
        for (from, to) in [
            ("2026-11-21", "2026-11-20"),
            ("2026-13-01", ""),
            ("yesterday", ""),
            ("2026-11-20T00:00:00Z", ""),
        ] {
            assert!(Days::parse(Some(from), Some(to)).is_err(), "{from} {to}");
        }
    }
}
