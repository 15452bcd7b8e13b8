//! How much an installation creates on GitHub: commits, branches, pull requests and comments.
//!
//! GitHub allows about 80 requests that create content a minute and cannot be asked how many are
//! left. Its minute begins at any moment, and five of our windows touch any minute, so five windows
//! together stay within 80.

use crate::time::Timestamp;
use std::time::Duration;

/// What GitHub allows in any minute (docs.github.com, "Rate limits for the REST API").
pub const CREATIONS_PER_MINUTE_MAX: u32 = 80;
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
