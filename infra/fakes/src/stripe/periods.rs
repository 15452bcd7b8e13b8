//! Billing periods: an interval after a moment, in UTC. A month that is too short ends a period on its last day, and the
//! next one goes back to the day of the anchor.

use serde_json::Value;

use super::desk::{number, text};
use crate::github::calendar::{civil, days};

const DAY: i64 = 86_400;

/// The end of the period that begins at `start`, for periods that are counted from `anchor`.
pub(super) fn end(anchor: i64, start: i64, price: &Value) -> i64 {
    let recurring = &price["recurring"];
    let count = number(recurring, "interval_count").max(1);
    let (first, step) = match text(recurring, "interval") {
        "day" => return start + count * DAY,
        "week" => return start + count * 7 * DAY,
        "year" => (anchor, count * 12),
        _ => (anchor, count),
    };
    let mut months = step;
    while after(first, months) <= start {
        months += step;
    }
    after(first, months)
}

/// So many months after a moment.
fn after(moment: i64, months: i64) -> i64 {
    let (year, month, day) = civil(moment.div_euclid(DAY));
    let month = year * 12 + month - 1 + months;
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    let next = if month == 12 {
        days(year + 1, 1, 1)
    } else {
        days(year, month + 1, 1)
    };
    let first = days(year, month, 1);
    (first + (day - 1).min(next - first - 1)) * DAY + moment.rem_euclid(DAY)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn months_are_as_long_as_they_are() {
        let at = |year, month, day| days(year, month, day) * DAY + 3600;
        let every = |interval: &str, count: i64| json!({"recurring": {"interval": interval, "interval_count": count}});
        let anchor = at(2027, 1, 31);
        for (start, price, expected) in [
            (anchor, every("month", 1), at(2027, 2, 28)),
            (at(2027, 2, 28), every("month", 1), at(2027, 3, 31)),
            (anchor, every("month", 3), at(2027, 4, 30)),
            (anchor, every("year", 1), at(2028, 1, 31)),
            (anchor, every("week", 2), at(2027, 2, 14)),
            (anchor, every("day", 1), at(2027, 2, 1)),
        ] {
            assert_eq!(end(anchor, start, &price), expected, "{price}");
        }
    }
}
