//! What was found in the last minute, also that nothing was: callers by digests, prices by products.

use domain::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long what was found is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// More than this is not remembered at once.
const REMEMBERED_MAX: usize = 10_000;

/// What was found, by the text that it was looked for with.
pub struct Known<T>(Mutex<HashMap<String, Found<T>>>);

struct Found<T> {
    what: Option<T>,
    at: Timestamp,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Known<T> {
    /// What was found in the last minute, if anybody looked.
    pub fn find(&self, text: &str, now: Timestamp) -> Option<Option<T>> {
        let known = self.lock();
        let found = known
            .get(text)
            .filter(|found| now.since(found.at) < BELIEVED)?;
        Some(found.what.clone())
    }

    /// Remembers what was found.
    pub fn keep(&self, text: &str, what: Option<T>, at: Timestamp) {
        let mut known = self.lock();
        if known.len() >= REMEMBERED_MAX {
            known.retain(|_, found| at.since(found.at) < BELIEVED);
        }
        if known.len() < REMEMBERED_MAX {
            known.insert(text.to_owned(), Found { what, at });
        }
    }

    /// Believes nothing of this any more, where that is known to have changed.
    pub fn forget(&self, text: &str) {
        self.lock().remove(text);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Found<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
