//! A value that is read again now and then, by one for all who ask meanwhile.

use crate::db::error::StoreError;
use domain::time::Timestamp;
use futures::lock::Mutex;
use std::time::Duration;

/// What was read last. While it cannot be read anew it stays as it was, or as it was given at first: a switch must never be
/// what stops the house.
pub(crate) struct Believed<T>(Mutex<Kept<T>>);

struct Kept<T> {
    value: T,
    tried_at: Option<Timestamp>,
}

impl<T: Clone> Believed<T> {
    /// Nothing has been read yet.
    pub(crate) fn at_first(value: T) -> Self {
        Self(Mutex::new(Kept {
            value,
            tried_at: None,
        }))
    }

    /// The value, read anew if the last try is this old.
    pub(crate) async fn now(
        &self,
        now: Timestamp,
        age_max: Duration,
        read: impl AsyncFnOnce() -> Result<T, StoreError>,
    ) -> T {
        // Held across the read: whoever comes meanwhile waits for it instead of reading too.
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
