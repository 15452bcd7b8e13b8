//! Rate limits: requests per minute for each key or session, and twice that for an account in
//! total.
//!
//! A request with a valid key costs one conditional update of a small item, which decides for all
//! processes at once. A process remembers a key or account that has used up its minute until the
//! minute is over, so further requests cost nothing. Requests without a key are counted the same
//! way, each network on its own, so that no network uses up what another may send. The gateway's
//! throttle applies before all of this.

use domain::time::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{RateCounted, Requests, Store, StoreError, Window};

/// The limit of an account, as a multiple of the limit of one key.
pub const KEYS_WORTH: u64 = 2;
/// A network without a key may send this fraction of what a key may send.
const NETWORKS_WORTH: u64 = 30;

const MINUTE: Duration = Duration::from_secs(60);
const REMEMBERED_MAX: usize = 10_000;
const GUEST: &str = "guest";
const OPERATOR: &str = "operator";
/// The tries of one network in a minute to sign in as an operator.
const OPERATOR_TRIES_MAX: u64 = 5;
const SIGN_IN: &str = "sign_in";
/// The sign-ins of one network in a minute that may ask GitHub.
const SIGN_INS_MAX: u64 = 30;

/// The limits, and the callers that have reached them in this process.
pub struct Rates {
    pub limits: Requests,
    network: u64,
    used_up: Mutex<HashMap<String, Window>>,
}

/// An account and the key or session that acts for it.
#[derive(Clone, Copy)]
pub struct Who<'a> {
    pub account: &'a str,
    pub by: &'a str,
}

/// How many requests a caller may still send in this window.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    pub limit: u64,
    pub remaining: u64,
    pub reset_seconds: u64,
}

/// Whether a request is within its limits.
#[derive(Debug, Clone, Copy)]
pub enum Rated {
    Within(Allowance),
    Exceeded(Allowance),
}

impl Rates {
    /// Creates limits of this many requests per minute for each key.
    pub fn of(per_key: u64) -> Self {
        Self {
            limits: Requests {
                account: per_key.saturating_mul(KEYS_WORTH),
                key: per_key,
            },
            network: (per_key / NETWORKS_WORTH).max(1),
            used_up: Mutex::default(),
        }
    }

    pub async fn count(
        &self,
        store: &Store,
        who: Who<'_>,
        now: Timestamp,
    ) -> Result<Rated, StoreError> {
        let window = window(now);
        if let Some(used) = self.used_up(who, window) {
            return Ok(Rated::Exceeded(self.allowance(used, window, now)));
        }
        match store
            .rate_count(who.account, who.by, window, self.limits)
            .await?
        {
            RateCounted::Now(used) => Ok(Rated::Within(self.allowance(used, window, now))),
            RateCounted::UsedUp(used) => {
                let reached = if used.account >= self.limits.account {
                    who.account
                } else {
                    who.by
                };
                self.remember(reached, window);
                tracing::info!(
                    account.id = who.account,
                    by = who.by,
                    "a caller has reached its rate limit"
                );
                Ok(Rated::Exceeded(self.allowance(used, window, now)))
            }
        }
    }

    /// Counts a request without a key, by network. Returns the seconds to wait if there were too
    /// many.
    pub async fn count_guest(
        &self,
        store: &Store,
        network: &str,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let window = window(now);
        let from = from(network);
        if self.lock().get(&from) == Some(&window) {
            return Ok(Some(reset_seconds(window, now)));
        }
        let counted = count_network(store, &from, GUEST, self.network, window).await?;
        if matches!(counted, RateCounted::UsedUp(_)) {
            self.remember(&from, window);
        }
        Ok(retry_after(counted, window, now))
    }

    /// Returns the count of a caller that is known to have used up the window.
    fn used_up(&self, who: Who<'_>, window: Window) -> Option<Requests> {
        let used_up = self.lock();
        let known = |name: &str| used_up.get(name) == Some(&window);
        let account = if known(who.account) {
            self.limits.account
        } else {
            0
        };
        let key = if known(who.by) { self.limits.key } else { 0 };
        (account > 0 || key > 0).then_some(Requests { account, key })
    }

    fn remember(&self, name: &str, window: Window) {
        let mut used_up = self.lock();
        if used_up.len() >= REMEMBERED_MAX {
            used_up.retain(|_, known| *known == window);
        }
        if used_up.len() < REMEMBERED_MAX {
            used_up.insert(name.to_owned(), window);
        }
    }

    /// Returns the rest of the tighter limit.
    fn allowance(&self, used: Requests, window: Window, now: Timestamp) -> Allowance {
        let left = |limit: u64, used: u64| (limit, limit.saturating_sub(used));
        let key = left(self.limits.key, used.key);
        let account = left(self.limits.account, used.account);
        let (limit, remaining) = if account.1 < key.1 { account } else { key };
        Allowance {
            limit,
            remaining,
            reset_seconds: reset_seconds(window, now),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Window>> {
        self.used_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a try of a network to sign in as an operator. Returns the seconds to wait if there were
/// too many.
pub async fn count_operator_try(
    store: &Store,
    network: &str,
    now: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let window = window(now);
    let counted =
        count_network(store, &from(network), OPERATOR, OPERATOR_TRIES_MAX, window).await?;
    Ok(retry_after(counted, window, now))
}

/// Counts the end of a sign-in, by network. Returns the seconds to wait if there were too many.
pub async fn count_sign_in(
    store: &Store,
    network: &str,
    now: Timestamp,
) -> Result<Option<u64>, StoreError> {
    let window = window(now);
    let counted = count_network(store, &from(network), SIGN_IN, SIGN_INS_MAX, window).await?;
    Ok(retry_after(counted, window, now))
}

async fn count_network(
    store: &Store,
    from: &str,
    what: &str,
    limit: u64,
    window: Window,
) -> Result<RateCounted, StoreError> {
    // One row holds every kind of request, and each kind has its own limit.
    let limits = Requests {
        account: u64::from(u32::MAX),
        key: limit,
    };
    store.rate_count(from, what, window, limits).await
}

/// Names a network's row without its address.
fn from(network: &str) -> String {
    format!("from_{}", hex::encode(&Sha256::digest(network)[..8]))
}

fn retry_after(counted: RateCounted, window: Window, now: Timestamp) -> Option<u64> {
    matches!(counted, RateCounted::UsedUp(_)).then(|| reset_seconds(window, now))
}

/// Rounds up, so that a client that waits this long is in the next window.
fn reset_seconds(window: Window, now: Timestamp) -> u64 {
    let seconds = window.end.since(now).as_millis().div_ceil(1_000);
    u64::try_from(seconds).unwrap_or(u64::MAX)
}

fn window(now: Timestamp) -> Window {
    let start = now.floor(MINUTE);
    Window {
        start,
        end: start.plus(MINUTE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_minute_of_the_clock_and_the_tighter_limit_counts() {
        let rates = Rates::of(10);
        for (at, start, reset) in [
            (0, 0, 60),
            (1, 0, 60),
            (59_000, 0, 1),
            (59_999, 0, 1),
            (60_000, 60_000, 60),
        ] {
            let now = Timestamp::from_millis(at);
            let window = window(now);
            assert_eq!(window.start.millis(), start, "{at}");
            assert_eq!(
                rates
                    .allowance(Requests { account: 0, key: 0 }, window, now)
                    .reset_seconds,
                reset,
                "{at}"
            );
        }
        for ((account, key), (limit, remaining)) in [
            ((1, 1), (10, 9)),
            ((10, 10), (10, 0)),
            ((19, 3), (20, 1)),
            ((20, 3), (20, 0)),
            ((30, 30), (10, 0)),
        ] {
            let now = Timestamp::from_millis(0);
            let left = rates.allowance(Requests { account, key }, window(now), now);
            assert_eq!(
                (left.limit, left.remaining),
                (limit, remaining),
                "{account} {key}"
            );
        }
    }
}
