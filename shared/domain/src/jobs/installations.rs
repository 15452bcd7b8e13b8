//! How much an installation creates on GitHub: commits, branches, pull requests and comments.
//!
//! GitHub allows about 80 requests that create content a minute and 500 an hour, and cannot be asked
//! how many are left. Its minute begins at any moment, and five of our windows touch any minute, so
//! five windows together stay within 80. For the hour, an installation has a reserve that refills
//! evenly: the reserve and what refills in an hour together are 500.

use crate::time::Timestamp;
use std::time::Duration;

/// What GitHub allows in any minute (docs.github.com, "Rate limits for the REST API").
pub const CREATIONS_PER_MINUTE_MAX: u32 = 80;
/// What GitHub allows in any hour, on the same page.
pub const CREATIONS_PER_HOUR_MAX: u32 = 500;
/// How much a full reserve has.
const RESERVE: u32 = 200;
/// How long it takes until the reserve has one more.
const REFILL: Duration = Duration::from_millis(3_600_000 / 300);

/// How long it takes to refill what this many creations take.
pub fn refill_time(count: u32) -> Duration {
    REFILL * count
}

/// The latest moment at which the reserve may be full again if it has enough for this many creations
/// now.
pub fn refilled_at_most(now: Timestamp, count: u32) -> Timestamp {
    now.plus(refill_time(RESERVE.saturating_sub(count)))
}

/// The length of a window.
pub const WINDOW_SECONDS: i64 = 15;
/// How much an installation creates in one window.
pub const CREATIONS_MAX: u32 = CREATIONS_PER_MINUTE_MAX / 5;

/// A window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub start: Timestamp,
    /// The first moment after the window.
    pub end: Timestamp,
}

impl Window {
    pub fn at(now: Timestamp) -> Self {
        let start = now.seconds().div_euclid(WINDOW_SECONDS) * WINDOW_SECONDS;
        Self {
            start: Timestamp::from_seconds(start),
            end: Timestamp::from_seconds(start + WINDOW_SECONDS),
        }
    }

    /// How long to wait when this window is used up. Those who wait spread over the next window.
    pub fn wait(self, now: Timestamp, jitter: u64) -> Duration {
        self.end.since(now) + spread(jitter)
    }
}

/// Spreads work that has waited for the same moment, so that it does not run into the next limit.
pub fn spread(jitter: u64) -> Duration {
    Duration::from_millis(jitter % (1_000 * WINDOW_SECONDS.unsigned_abs()))
}

/// The same for work that waits for the reserve. It refills slowly, so fewer fit at a time.
pub fn spread_widely(jitter: u64) -> Duration {
    spread(jitter) * 10
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whenever a minute begins, it touches at most as many windows as fit into GitHub's limit.
    #[test]
    fn no_minute_holds_more_than_github_allows() {
        let birth = Timestamp::from_seconds(1_795_210_980);
        for millis in (0..15_000).step_by(500) {
            let start = birth.plus(Duration::from_millis(millis));
            let end = start.plus(Duration::from_millis(59_999));
            let (mut windows, mut window) = (1, Window::at(start));
            while window.end <= end {
                (windows, window) = (windows + 1, Window::at(window.end));
            }
            assert!(
                windows * CREATIONS_MAX <= CREATIONS_PER_MINUTE_MAX,
                "{millis}: {windows}"
            );
        }
    }

    /// Somebody who creates whenever the reserve allows it never creates more than 500 in an hour.
    #[test]
    fn no_hour_holds_more_than_github_allows() {
        let begin = Timestamp::from_seconds(1_795_210_980);
        let mut full_at = begin;
        let mut created: Vec<(Timestamp, u32)> = Vec::new();
        for second in 0..20_000 {
            let now = begin.plus(Duration::from_secs(second));
            let count = 1 + u32::try_from(second % 7).expect("a digit");
            // Two quiet hours refill the reserve.
            let is_busy = !(4_000..11_200).contains(&second);
            if is_busy && full_at <= refilled_at_most(now, count) {
                full_at = full_at.max(now).plus(refill_time(count));
                created.push((now, count));
            }
        }
        let mut most = 0;
        for (index, (start, _)) in created.iter().enumerate() {
            let hour = created[index..]
                .iter()
                .take_while(|(at, _)| at.since(*start) < Duration::from_secs(3_600));
            most = most.max(hour.map(|(_, count)| count).sum());
        }
        assert!(
            (490..=CREATIONS_PER_HOUR_MAX).contains(&most),
            "{most} in an hour"
        );
    }

    #[test]
    fn who_waits_comes_back_in_the_next_window() {
        let now = Timestamp::from_millis(1_795_210_987_500);
        let window = Window::at(now);
        for jitter in [0, 14_999, u64::MAX] {
            let back = now.plus(window.wait(now, jitter));
            assert_eq!(Window::at(back), Window::at(window.end), "{jitter}");
        }
    }
}
