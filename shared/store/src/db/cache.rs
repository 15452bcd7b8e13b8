//! A cached value that is re-read once it is too old. Concurrent callers share one read.

use crate::db::error::StoreError;
use domain::time::Timestamp;
use futures::lock::Mutex;
use std::time::Duration;

/// The last value read. If a read fails, the cache keeps the previous value (or the initial one),
/// because a failed read of a switch must never stop the service.
pub(crate) struct Believed<T>(Mutex<Kept<T>>);

struct Kept<T> {
    value: T,
    tried_at: Option<Timestamp>,
}

impl<T: Clone> Believed<T> {
    /// Starts with this value; nothing has been read yet.
    pub(crate) fn at_first(value: T) -> Self {
        Self(Mutex::new(Kept {
            value,
            tried_at: None,
        }))
    }

    /// Returns the value. Reads it again if the last attempt is at least `age_max` old.
    pub(crate) async fn now(
        &self,
        now: Timestamp,
        age_max: Duration,
        read: impl AsyncFnOnce() -> Result<T, StoreError>,
    ) -> T {
        // The lock is held across the read, so concurrent callers wait for this read instead of
        // starting their own.
        let mut kept = self.0.lock().await;
        if kept
            .tried_at
            .is_some_and(|tried_at| now.since(tried_at) < age_max)
        {
            return kept.value.clone();
        }
        match read().await {
            Ok(value) => kept.value = value,
            Err(error) => {
                let failure = domain::retry::Failure::from(error);
                tracing::error!(error = %failure, alarm = true, "switches could not be read; they stand as they stood");
            }
        }
        kept.tried_at = Some(now);
        kept.value.clone()
    }
}
