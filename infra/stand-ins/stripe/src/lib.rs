//! A stand-in for Stripe in test mode: products, prices, checkout sessions, payments, refunds,
//! disputes, subscriptions, invoices, meters, the customer portal and webhook endpoints.
//!
//! Keeps objects in Stripe's own JSON and answers the v1 API at its paths. Everything that a person
//! does at Stripe is a method and a button. An Idempotency-Key replays its first result, including
//! 500s. A meter event's identifier counts once in 24 hours, and two meter events for one customer
//! and meter never run at the same time. Every change records the events that Stripe sends, in its
//! order. Only checkout sessions expire with time; periods and trials end by a method. The stand-in
//! makes no calls: its caller takes the events from [`Stripe::outbox_take`] and delivers them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use objects::Objects;
use request_checks::StoredResult;
use stand_in_shared::Now;

mod account;
mod adjustments;
mod amounts;
mod billing_cycles;
mod billing_mode;
mod cancellations;
mod cards;
mod checkout_actions;
mod customer_balances;
mod customers;
mod dashboard;
mod debits;
mod disputes;
mod endpoints;
mod error;
mod event_destinations;
mod events;
mod expand;
mod hosted_pages;
mod invoice_shape;
mod invoices;
mod invoicing;
mod lines;
mod metadata;
mod meter_events;
mod meters;
mod methods;
mod objects;
mod pages;
mod params;
mod payment_calls;
mod payments;
mod period_ends;
mod periods;
mod portal;
mod prices;
mod products;
mod prorations;
mod refunds;
mod request_checks;
mod schedules;
mod session_options;
mod sessions;
mod subscriptions;
#[cfg(test)]
mod tests;

pub use checkout_actions::Settlement;
pub use disputes::DisputeStatus;
pub use error::ApiError;
pub use meter_events::MeterEventView;
pub use payment_calls::Authentication;

/// The API version in which every object is rendered.
pub(crate) const API_VERSION: &str = "2026-09-30.endive";

/// The address of the pages until [`Stripe::set_site`] changes it.
const SITE: &str = "https://stripe.stand-in";

/// A Stripe account in test mode. Clones share it.
#[derive(Clone)]
pub struct Stripe {
    now: Now,
    state: Arc<Mutex<State>>,
    moment: Arc<Mutex<Transient>>,
}

/// How the next call fails, unless it is a replay. Only [`Fault::DoneAndFailed`] executes the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Fails with this status, which is not stored.
    Status(u16),
    /// Fails with 429 `lock_timeout`: the object is in use.
    LockTimeout,
    /// Fails with 429 `rate_limit`.
    RateLimit,
    /// Fails with a 500 that is stored under the Idempotency-Key, so the same key gets it again.
    StoredFailure,
    /// Executes the call and then fails with the same stored 500.
    DoneAndFailed,
}

/// The part that survives a restart.
#[derive(Default, Serialize, Deserialize)]
struct State {
    objects: Objects,
    meter_events: Vec<meter_events::MeterEvent>,
    stored_results: BTreeMap<String, StoredResult>,
    calls: u64,
    /// The number of events taken from the outbox.
    #[serde(default)]
    handed_over: usize,
    /// The number of upcoming payments to decline, by customer.
    #[serde(default)]
    declines: BTreeMap<String, u32>,
}

/// The part that a restart drops: ordered faults and calls in flight.
struct Transient {
    faults: VecDeque<(String, Fault)>,
    /// The address of the pages.
    site: String,
    /// Idempotency keys, and pairs of customer and meter, that are in use.
    busy: BTreeSet<String>,
}

impl Stripe {
    /// Creates an empty account.
    pub fn new(now: Now) -> Self {
        let moment = Transient {
            faults: VecDeque::new(),
            site: SITE.to_owned(),
            busy: BTreeSet::new(),
        };
        Self {
            now,
            state: Arc::default(),
            moment: Arc::new(Mutex::new(moment)),
        }
    }

    /// Sets the address that URLs of pages begin with, such as the `url` of a session.
    pub fn set_site(&self, address: &str) {
        address
            .trim_end_matches('/')
            .clone_into(&mut self.moment().site);
    }

    /// The API.
    pub fn router(&self) -> Router {
        let unknown = async |uri: Uri| ApiError::unknown_address(uri.path());
        Router::new()
            .merge(customer_balances::routes())
            .merge(customers::routes())
            .merge(meters::routes())
            .merge(meter_events::routes())
            .merge(events::routes())
            .merge(products::routes())
            .merge(prices::routes())
            .merge(sessions::routes())
            .merge(payment_calls::routes())
            .merge(payments::routes())
            .merge(methods::routes())
            .merge(subscriptions::routes())
            .merge(schedules::routes())
            .merge(invoices::routes())
            .merge(refunds::routes())
            .merge(disputes::routes())
            .merge(portal::routes())
            .merge(endpoints::routes())
            .merge(event_destinations::routes())
            .merge(adjustments::routes())
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(self.clone(), expand::pass))
            .layer(from_fn_with_state(self.clone(), request_checks::pass))
            .with_state(self.clone())
    }

    /// Pages for people.
    pub fn pages(&self) -> Router {
        pages::routes()
            .merge(hosted_pages::routes())
            .merge(payment_calls::pages())
            .merge(dashboard::routes())
            .with_state(self.clone())
    }

    /// The whole state, to keep across a restart.
    pub fn export(&self) -> Value {
        serde_json::to_value(&*self.lock()).expect("the state has text keys and no floats")
    }

    /// Restores an exported state.
    pub fn import(&self, exported: Value) -> Result<(), serde_json::Error> {
        *self.lock() = serde_json::from_value(exported)?;
        Ok(())
    }

    /// Makes the next call fail. Several faults affect one call each.
    pub fn fail_next(&self, fault: Fault) {
        self.fail_next_at("", fault);
    }

    /// Makes the next call fail whose line (`POST /v1/customers`) begins with this text.
    pub fn fail_next_at(&self, line: &str, fault: Fault) {
        self.moment().faults.push_back((line.to_owned(), fault));
    }

    /// The fault of a call, if one is ordered.
    fn fault(&self, line: &str) -> Option<Fault> {
        let mut moment = self.moment();
        let meant = |(begin, _): &(String, Fault)| line.starts_with(begin.as_str());
        let at = moment.faults.iter().position(meant)?;
        moment.faults.remove(at).map(|(_, fault)| fault)
    }

    /// The number of calls, including refused calls and replays.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    fn seconds(&self) -> i64 {
        (self.now)().div_euclid(1000)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self) -> MutexGuard<'_, Transient> {
        self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks a key that only one call may hold at a time; `None` if another call holds it.
    fn lock_key(&self, what: String) -> Option<HeldKey> {
        let taken = self.moment().busy.insert(what.clone());
        taken.then(|| HeldKey {
            stripe: self.clone(),
            what,
        })
    }
}

/// Unlocks the key when dropped, even if the call is cancelled.
struct HeldKey {
    stripe: Stripe,
    what: String,
}

impl Drop for HeldKey {
    fn drop(&mut self) {
        self.stripe.moment().busy.remove(&self.what);
    }
}
