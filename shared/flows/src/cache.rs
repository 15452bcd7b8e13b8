//! Caches lookups, including misses, usually for one minute: callers by digest, prices by product.
//!
//! A cached value can be that old, so use it only where that is acceptable. A cache belongs to
//! one process.

use domain::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const USUALLY_KEPT_FOR: Duration = Duration::from_secs(60);
const ENTRIES_MAX: usize = 10_000;

/// Cached values by the key of their lookup.
pub struct Cache<T> {
    entries: Mutex<HashMap<String, Entry<T>>>,
    kept_for: Duration,
}

struct Entry<T> {
    value: Option<T>,
    at: Timestamp,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self::lasting(USUALLY_KEPT_FOR)
    }
}

impl<T> Cache<T> {
    /// Creates a cache that keeps its values for this long.
    pub fn lasting(kept_for: Duration) -> Self {
        Self {
            entries: Mutex::default(),
            kept_for,
        }
    }
}

impl<T: Clone> Cache<T> {
    /// Returns the outcome of a lookup that is not too old. `Some(None)` is a cached miss.
    pub fn get(&self, key: &str, now: Timestamp) -> Option<Option<T>> {
        let entries = self.lock();
        let entry = entries
            .get(key)
            .filter(|entry| now.since(entry.at) < self.kept_for)?;
        Some(entry.value.clone())
    }

    pub fn put(&self, key: &str, value: Option<T>, at: Timestamp) {
        let mut entries = self.lock();
        if entries.len() >= ENTRIES_MAX {
            entries.retain(|_, entry| at.since(entry.at) < self.kept_for);
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
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
