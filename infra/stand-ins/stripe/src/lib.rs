//! Stripe, entitlements in: what is sold (products, prices), what is paid once (checkout sessions, payment intents, charges,
//! refunds, disputes) or again and again (subscriptions, invoices), what is used (meters and their events), and the doors
//! around them (customer portal, webhook endpoints), each in a file under `stripe/`. Owns the objects in Stripe's own JSON,
//! answers the v1 API at its natural paths, and has a verb and a button for what people do at Stripe's pages. Promises what
//! a caller's money rests on: an Idempotency-Key replays its first result, 500s included; an identifier counts once in
//! 24 hours; two meter events for one customer and meter never run at the same time; whatever happens leaves the events
//! that Stripe sends for it, in its order. Time alone ends only checkout sessions: periods and trials end by a verb. It
//! calls nobody: whoever delivers webhooks takes the events from [`Stripe::outbox_take`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use gate::Remembered;
use objects::Objects;
use stand_in_shared::Now;

mod adjustments;
mod amounts;
mod billing;
mod cards;
mod changes;
mod checkout;
mod customers;
mod cycles;
mod dashboard;
mod desk;
mod disputes;
mod endpoints;
mod events;
mod expand;
mod gate;
mod invoice_shape;
mod invoices;
mod lines;
mod metadata;
mod meter_events;
mod meters;
mod methods;
mod objects;
mod pages;
mod params;
mod payments;
mod periods;
mod portal;
mod prices;
mod products;
mod refunds;
mod refusal;
mod sessions;
mod subscriptions;
#[cfg(test)]
mod tests;
mod till;

pub use checkout::Settlement;
pub use disputes::DisputeStatus;
pub use meter_events::MeterEventView;
pub use refusal::Refusal;

/// The API version every object is rendered in.
pub(crate) const API_VERSION: &str = "2026-09-30.endive";

/// Where the pages for people stand until [`Stripe::pages_stand_at`] says so.
const SITE: &str = "https://stripe.stand-in";

/// A handle on one Stripe account in test mode; clones share it.
#[derive(Clone)]
pub struct Stripe {
    now: Now,
    state: Arc<Mutex<State>>,
    moment: Arc<Mutex<Moment>>,
}

/// How the next call that is not a replay fails. Nothing of the call is carried out, but for [`Fault::DoneAndFailed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// With this status, and nothing is stored.
    Status(u16),
    /// With 429 `lock_timeout`: the object is in use.
    LockTimeout,
    /// With 429 `rate_limit`.
    RateLimit,
    /// With a 500 that is stored under the Idempotency-Key, so that the same key gets it again.
    StoredFailure,
    /// With the same stored 500, after the call was carried out: whoever gets it cannot tell.
    DoneAndFailed,
}

/// What survives a restart.
#[derive(Default, Serialize, Deserialize)]
struct State {
    objects: Objects,
    meter_events: Vec<meter_events::MeterEvent>,
    remembered: BTreeMap<String, Remembered>,
    calls: u64,
    /// How many events were taken from the outbox.
    #[serde(default)]
    handed_over: usize,
    /// How many of a customer's next payments the bank declines.
    #[serde(default)]
    declines: BTreeMap<String, u32>,
}

/// What is true only now: faults ordered, calls in flight.
struct Moment {
    faults: VecDeque<Fault>,
    /// Where the pages for people stand.
    site: String,
    /// Idempotency keys and customer-and-meter lanes in use.
    busy: BTreeSet<String>,
}

impl Stripe {
    /// An empty account.
    pub fn new(now: Now) -> Self {
        let moment = Moment {
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

    /// From now on the addresses of pages for people, such as a session's `url`, begin like this.
    pub fn pages_stand_at(&self, address: &str) {
        address
            .trim_end_matches('/')
            .clone_into(&mut self.moment().site);
    }

    /// The API.
    pub fn router(&self) -> Router {
        let unknown = async |uri: Uri| Refusal::unknown_address(uri.path());
        Router::new()
            .merge(customers::routes())
            .merge(meters::routes())
            .merge(meter_events::routes())
            .merge(events::routes())
            .merge(products::routes())
            .merge(prices::routes())
            .merge(sessions::routes())
            .merge(payments::routes())
            .merge(methods::routes())
            .merge(subscriptions::routes())
            .merge(invoices::routes())
            .merge(refunds::routes())
            .merge(disputes::routes())
            .merge(portal::routes())
            .merge(endpoints::routes())
            .merge(adjustments::routes())
            .fallback(unknown)
            .method_not_allowed_fallback(unknown)
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(self.clone(), expand::pass))
            .layer(from_fn_with_state(self.clone(), gate::pass))
            .with_state(self.clone())
    }

    /// Pages for people.
    pub fn pages(&self) -> Router {
        pages::routes()
            .merge(till::routes())
            .merge(dashboard::routes())
            .with_state(self.clone())
    }

    /// Everything it knows, to be kept across a restart.
    pub fn export(&self) -> Value {
        serde_json::to_value(&*self.lock()).expect("the state has text keys and no floats")
    }

    /// Becomes what was exported.
    pub fn import(&self, exported: Value) -> Result<(), serde_json::Error> {
        *self.lock() = serde_json::from_value(exported)?;
        Ok(())
    }

    /// The next call that is not a replay fails like this; several orders are filled one call each.
    pub fn fail_next(&self, fault: Fault) {
        self.moment().faults.push_back(fault);
    }

    /// How many calls arrived, refused ones and replays included.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    fn seconds(&self) -> i64 {
        (self.now)().div_euclid(1000)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self) -> MutexGuard<'_, Moment> {
        self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes something only one call may have at a time; `None` if another call has it.
    fn occupy(&self, what: String) -> Option<Occupied> {
        let taken = self.moment().busy.insert(what.clone());
        taken.then(|| Occupied {
            stripe: self.clone(),
            what,
        })
    }
}

/// Gives back what a call occupied, also when the call is dropped halfway.
struct Occupied {
    stripe: Stripe,
    what: String,
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.stripe.moment().busy.remove(&self.what);
    }
}
