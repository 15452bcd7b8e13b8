//! Time: milliseconds UTC in a signed integer.
//!
//! There is no clock here; callers pass `now` as an argument. Sort keys use 13 digits, TTL
//! attributes use seconds, and people see RFC 3339.

use std::fmt;
use std::time::Duration;

/// A moment, in milliseconds since 1970 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// The time from `earlier` until this moment; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Parses RFC 3339 with or without fractions of a second, such as `2026-11-20T21:23:00Z` or
    /// `2026-11-20T22:23:00.000+01:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once('T')?;
        let (time, offset_minutes) = match rest.strip_suffix('Z') {
            Some(time) => (time, 0),
            None => offset(rest)?,
        };
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let number = |part: &str| {
            (!part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse::<i64>().ok())?
        };
        let mut date = date.splitn(3, '-').map(number);
        let (year, month, day) = (date.next()??, date.next()??, date.next()??);
        let mut time = time.splitn(3, ':').map(number);
        let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
        if year > 9_999 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        number(fraction)?;
        let millis = number(format!("{fraction:0<3}").get(..3)?)?;
        let days = days_until(year, month, day);
        // A date that does not exist, such as February 31, converts to a different one.
        if civil(days) != (year, month, day) {
            return None;
        }
        let minutes = (days * 24 + hour) * 60 + minute - offset_minutes;
        Some(Self((minutes * 60 + second) * 1_000 + millis))
    }

    /// The date, such as `2026-11-20`.
    pub fn day(self) -> String {
        let (year, month, day) = civil(self.0.div_euclid(DAY_MILLIS));
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// The minute, for people to read, such as `2026-11-20 09:41 UTC`.
    pub fn minute(self) -> String {
        let minutes = self.0.rem_euclid(DAY_MILLIS) / 60_000;
        format!("{} {:02}:{:02} UTC", self.day(), minutes / 60, minutes % 60)
    }

    /// The last whole multiple of a length of time since 1970, in UTC.
    #[must_use]
    pub fn floor(self, length: Duration) -> Self {
        let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1);
        Self(self.0.div_euclid(length) * length)
    }

    pub const fn day_start(self) -> Self {
        Self(self.0.div_euclid(DAY_MILLIS) * DAY_MILLIS)
    }

    #[must_use]
    pub const fn next_day(self) -> Self {
        Self(self.day_start().0 + DAY_MILLIS)
    }

    /// The first moment of the calendar month, and of the next one.
    pub fn month(self) -> (Self, Self) {
        let (year, month, _) = civil(self.0.div_euclid(DAY_MILLIS));
        let next = if month == 12 {
            (year + 1, 1)
        } else {
            (year, month + 1)
        };
        let first = |(year, month)| Self(days_until(year, month, 1) * DAY_MILLIS);
        (first((year, month)), first(next))
    }

    /// Thirteen digits, so that text sorts as time does, from 1970 to 2286.
    pub fn sort_key(self) -> String {
        format!("{:013}", self.0.max(0))
    }
}

/// A time and its offset from UTC in minutes: `22:23:00.000+01:00`.
fn offset(text: &str) -> Option<(&str, i64)> {
    let (time, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let sign = match offset.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let number = |part: &str| {
        part.parse::<u8>()
            .ok()
            .filter(|_| part.len() == 2)
            .map(i64::from)
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 23 && minutes <= 59).then_some((time, sign * (hours * 60 + minutes)))
}

const DAY_MILLIS: i64 = 86_400_000;

/// Days from 1970 to this day of the proleptic Gregorian calendar.
const fn days_until(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let year_of_era = year.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * 146_097 + day_of_era - 719_468
}

/// Days since 1970 to year, month and day in the proleptic Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(DAY_MILLIS));
        let of_day = self.0.rem_euclid(DAY_MILLIS);
        let (seconds, millis) = (of_day / 1_000, of_day % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc_3339() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_132_799_999, "2026-11-19T23:59:59.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
            assert_eq!(Timestamp::parse(text), Some(Timestamp::from_millis(millis)));
        }
    }

    #[test]
    fn reads_only_rfc_3339() {
        assert_eq!(
            Timestamp::parse("2000-02-29T00:00:00Z"),
            Some(Timestamp::from_millis(951_782_400_000))
        );
        for same in ["2000-02-29T01:30:00.000+01:30", "2000-02-28T16:00:00-08:00"] {
            assert_eq!(
                Timestamp::parse(same),
                Some(Timestamp::from_millis(951_782_400_000)),
                "{same}"
            );
        }
        for text in [
            "",
            "Z",
            "2000-02-29",
            "2000-13-01T00:00:00Z",
            "2000-01-00T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-02-31T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2000-01-01T00:00:00+24:00",
            "2000-01-01T00:00:00+01:60",
            "2000-01-01T25:00:00Z",
            "2000-01-01T00:00:00+1:00",
            "2000-01-01T00:00:00*01:00",
            "x-y-zT1:2:3Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn counts_only_forward() {
        let (a, b) = (Timestamp::from_millis(1_000), Timestamp::from_millis(3_500));
        assert_eq!(b.since(a), Duration::from_millis(2_500));
        assert_eq!(a.since(b), Duration::ZERO);
        assert_eq!(a.plus(Duration::from_secs(1)).sort_key(), "0000000002000");
    }
}
