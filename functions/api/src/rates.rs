//! How often a caller may ask: so many times a minute for each key or session, and twice that for all of an account together.
//!
//! A request that carries a good key costs one conditional update of one small item, which decides for all processes at
//! once. A key or account that has used up its minute is remembered here until the minute is over, so that who goes on
//! asking costs nothing. Guests, who need no key, are counted the same way by where they come from; what only shows what is
//! sold is not counted. The gateway's throttle is before it all. While the store
//! cannot count, reads stay open and everything else is refused: nobody's credits move unmetered.

use crate::{ApiError, Ctx};
use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::Response;
use boot::SourceAddress;
use domain::time::Timestamp;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{RateCounted, Requests, Window};

/// An account may ask this many times as often as one key.
pub const KEYS_WORTH: u64 = 2;
/// All guests together may ask as often as one key, and no place more often than this part of that.
const PLACES_WORTH: u64 = 30;

const WINDOW_MILLIS: i64 = 60_000;
/// More keys than this are not remembered at once.
const REMEMBERED_MAX: usize = 10_000;

/// The limits, and who has reached his.
pub struct Rates {
    limits: Requests,
    guests: Requests,
    used_up: Mutex<HashMap<String, Window>>,
}

impl Rates {
    /// So many requests a minute for each key.
    pub fn of(per_key: u64) -> Self {
        let limits = Requests {
            account: per_key.saturating_mul(KEYS_WORTH),
            key: per_key,
        };
        let guests = Requests {
            account: per_key,
            key: (per_key / PLACES_WORTH).max(1),
        };
        Self {
            limits,
            guests,
            used_up: Mutex::default(),
        }
    }

    /// What was counted of a caller who is known to have used up the window.
    fn is_used_up(&self, (whose, by): Who<'_>, window: Window) -> Option<Requests> {
        let used_up = self.used_up.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |who: &str| used_up.get(who) == Some(&window);
        let account = if known(whose) { self.limits.account } else { 0 };
        let key = if known(by) { self.limits.key } else { 0 };
        (account > 0 || key > 0).then_some(Requests { account, key })
    }

    fn has_used_up(&self, who: &str, window: Window) -> bool {
        self.used_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(who)
            == Some(&window)
    }

    fn remember(&self, who: &str, window: Window) {
        let mut used_up = self.used_up.lock().unwrap_or_else(PoisonError::into_inner);
        if used_up.len() >= REMEMBERED_MAX {
            used_up.retain(|_, known| *known == window);
        }
        if used_up.len() < REMEMBERED_MAX {
            used_up.insert(who.to_owned(), window);
        }
    }

    /// What there is left of the tighter limit.
    fn allowance(&self, used: Requests, window: Window, now: Timestamp) -> Allowance {
        let left = |limit: u64, used: u64| (limit, limit.saturating_sub(used));
        let key = left(self.limits.key, used.key);
        let account = left(self.limits.account, used.account);
        let (limit, remaining) = if account.1 < key.1 { account } else { key };
        // Rounded up, so that who waits that long is in the next window.
        let reset_seconds = window.end.since(now).as_millis().div_ceil(1_000);
        Allowance {
            limit,
            remaining,
            reset_seconds: u64::try_from(reset_seconds).unwrap_or(u64::MAX),
        }
    }
}

/// What a caller may still ask in this window.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    limit: u64,
    remaining: u64,
    reset_seconds: u64,
}

/// Where the count of a request waits for its answer.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Option<Allowance>>>);

/// Says in each answer what its caller may still ask.
pub async fn shown(mut request: Request, next: Next) -> Response {
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let mut response = next.run(request).await;
    let allowance = *slot.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(allowance) = allowance {
        for (name, value) in [
            ("ratelimit-limit", allowance.limit),
            ("ratelimit-remaining", allowance.remaining),
            ("ratelimit-reset", allowance.reset_seconds),
        ] {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
    response
}

/// For whom somebody asks, and by what: an account and a key of it, say.
pub type Who<'a> = (&'a str, &'a str);

/// Counts a request, or refuses it.
pub async fn count(
    ctx: &Ctx,
    (whose, by): Who<'_>,
    parts: &Parts,
    now: Timestamp,
) -> Result<(), ApiError> {
    let (rates, window) = (&ctx.rates, window(now));
    let known = rates.is_used_up((whose, by), window);
    let counted = if let Some(used) = known {
        Ok(RateCounted::UsedUp(used))
    } else {
        ctx.store.rate_count(whose, by, window, rates.limits).await
    };
    let (used, refused) = match counted {
        Ok(RateCounted::Now(used)) => (used, false),
        Ok(RateCounted::UsedUp(used)) => (used, true),
        Err(error) if matches!(parts.method, Method::GET | Method::HEAD) => {
            tracing::warn!(account.id = whose, %error, "a request was not counted");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let allowance = rates.allowance(used, window, now);
    if let Some(slot) = parts.extensions.get::<Slot>() {
        *slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(allowance);
    }
    if !refused {
        return Ok(());
    }
    if known.is_none() {
        let who = if used.account >= rates.limits.account {
            whose
        } else {
            by
        };
        rates.remember(who, window);
        tracing::info!(account.id = whose, by, "a caller has used up his minute");
    }
    let detail = format!(
        "at most {} requests a minute for a key or a session and {} for an account; go on in {} seconds",
        rates.limits.key, rates.limits.account, allowance.reset_seconds
    );
    Err(ApiError::too_many(detail, allowance.reset_seconds))
}

/// Somebody without a key, who has not asked too often.
pub struct Guest;

const GUESTS_NAME: &str = "guests";

impl FromRequestParts<Arc<Ctx>> for Guest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, ApiError> {
        let now = ctx.outside.now();
        let window = window(now);
        // Where nobody says where a request came from, all come from one place.
        let place = parts
            .extensions
            .get::<SourceAddress>()
            .map_or_else(String::new, |from| from.network());
        let place = format!("from_{}", hex::encode(&Sha256::digest(place)[..8]));
        let used_up = ctx.rates.has_used_up(&place, window)
            || match ctx
                .store
                .rate_count(GUESTS_NAME, &place, window, ctx.rates.guests)
                .await?
            {
                RateCounted::Now(_) => false,
                RateCounted::UsedUp(used) => {
                    if used.key >= ctx.rates.guests.key {
                        ctx.rates.remember(&place, window);
                    }
                    true
                }
            };
        if !used_up {
            return Ok(Self);
        }
        let seconds =
            u64::try_from(window.end.since(now).as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
        Err(ApiError::too_many(
            format!("too many requests without a key; go on in {seconds} seconds"),
            seconds,
        ))
    }
}

fn window(now: Timestamp) -> Window {
    let start = Timestamp::from_millis(now.millis().div_euclid(WINDOW_MILLIS) * WINDOW_MILLIS);
    Window {
        start,
        end: start.plus(Duration::from_secs(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_minute_of_the_clock_and_what_is_left_is_of_the_tighter_limit() {
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
