//! Billing periods: intervals in UTC, counted from an anchor. In a month that is too short, a
//! period ends on its last day, and the next period returns to the anchor's day.

use serde_json::Value;

use super::account::{number, text};
use stand_in_shared::dates::months_after;

const DAY: i64 = 86_400;

/// The end of the period that begins at `start`, for periods counted from `anchor`.
pub(super) fn end(anchor: i64, start: i64, price: &Value) -> i64 {
    let recurring = &price["recurring"];
    let count = number(recurring, "interval_count").max(1);
    let months = match text(recurring, "interval") {
        "day" => return start + count * DAY,
        "week" => return start + count * 7 * DAY,
        "year" => count * 12,
        _ => count,
    };
    let step = u32::try_from(months).unwrap_or(1);
    let mut months = step;
    while months_after(anchor, months) <= start {
        months += step;
    }
    months_after(anchor, months)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use stand_in_shared::dates::parse;

    use super::*;

    #[test]
    fn months_are_as_long_as_they_are() {
        let at = |day: &str| parse(&format!("{day}T01:00:00Z")).unwrap() / 1000;
        let every = |interval: &str, count: i64| json!({"recurring": {"interval": interval, "interval_count": count}});
        let anchor = at("2027-01-31");
        for (start, price, expected) in [
            (anchor, every("month", 1), at("2027-02-28")),
            (at("2027-02-28"), every("month", 1), at("2027-03-31")),
            (anchor, every("month", 3), at("2027-04-30")),
            (anchor, every("year", 1), at("2028-01-31")),
            (anchor, every("week", 2), at("2027-02-14")),
            (anchor, every("day", 1), at("2027-02-01")),
        ] {
            assert_eq!(end(anchor, start, &price), expected, "{price}");
        }
    }
}
