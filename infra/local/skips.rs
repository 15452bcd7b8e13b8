//! A clock that can be set forward, so that the demo does not wait for what takes minutes.

use boot::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far a clock was set forward. Clones share it.
#[derive(Clone, Default)]
pub struct Skips(Arc<AtomicU64>);

impl Skips {
    /// The real clock, set forward.
    pub fn over(&self, real: Clock) -> Clock {
        let skips = self.clone();
        Arc::new(move || real().plus(skips.total()))
    }

    pub fn skip(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or_default();
        self.0.fetch_add(millis, Ordering::Relaxed);
    }

    /// All the time that was skipped.
    pub fn total(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}
