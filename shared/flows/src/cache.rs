//! Caches lookups, including misses, for one minute: callers by digest, prices by product.
//!
//! A cached value can be a minute old, so use it only where that is acceptable. A cache belongs to
//! one process.

use domain::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const KEPT_FOR: Duration = Duration::from_secs(60);
const ENTRIES_MAX: usize = 10_000;

/// Cached values by the key of their lookup.
pub struct Cache<T>(Mutex<HashMap<String, Entry<T>>>);

struct Entry<T> {
    value: Option<T>,
    at: Timestamp,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Cache<T> {
    /// Returns the outcome of a lookup in the last minute. `Some(None)` is a cached miss.
    pub fn get(&self, key: &str, now: Timestamp) -> Option<Option<T>> {
        let entries = self.lock();
        let entry = entries
            .get(key)
            .filter(|entry| now.since(entry.at) < KEPT_FOR)?;
        Some(entry.value.clone())
    }

    pub fn put(&self, key: &str, value: Option<T>, at: Timestamp) {
        let mut entries = self.lock();
        if entries.len() >= ENTRIES_MAX {
            entries.retain(|_, entry| at.since(entry.at) < KEPT_FOR);
        }
        if entries.len() < ENTRIES_MAX {
            entries.insert(key.to_owned(), Entry { value, at });
        }
    }

    /// Drops an entry whose value has changed.
    pub fn forget(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
