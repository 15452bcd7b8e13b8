//! The connection between the functions and the vendors, controlled by the test.
//!
//! In a world with the settings [`WIRED`], the functions reach the vendors over the wire. The test
//! can answer in a vendor's place, hold a call until it releases it, and see which calls were made.
//! The wire also returns the secrets that settings name by `ssm:`.

use bytes::Bytes;
use http::{Request, Response};
use local_stack::world::Vendors;
use serde_json::{Value, json};
use stand_in_github::LOGS_HOST;
use stand_in_shared::Now;
use stand_in_shared::faults::{Faults, Held, Moment};
use stand_in_shared::web::{StandInWeb, WebError};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use tower::Service;

/// The settings that direct the functions to the wire.
pub const WIRED: [(&str, &str); 3] = [
    ("GITHUB_URL", "https://github.wire"),
    ("STRIPE_URL", "https://stripe.wire"),
    ("MODEL_URL", "https://model.wire"),
];

/// As a number of times: all calls.
pub const ALWAYS: u32 = u32::MAX;

const SECRETS_HOST: &str = "ssm.us-east-1.amazonaws.com";

/// The wire of one world. Clones share it.
#[derive(Clone)]
pub struct Wire {
    vendors: StandInWeb,
    now: Now,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Default)]
struct Desk {
    orders: Vec<Order>,
    heard: Vec<Heard>,
    flying: BTreeMap<String, (u32, u32)>,
    secrets: BTreeMap<String, String>,
}

struct Order {
    on: String,
    times: u32,
    act: Act,
}

#[derive(Clone)]
enum Act {
    Answer(Reply),
    Break,
    Pass,
    Hold(Moment, Held),
}

/// An answer in a vendor's place.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Value,
}

impl Reply {
    /// A status and a body.
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    /// A status with a message, as GitHub words it.
    pub fn status(status: u16, message: &str) -> Self {
        Self::json(
            status,
            json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }),
        )
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn response(&self) -> Response<Bytes> {
        let mut response = Response::builder()
            .status(self.status)
            .header("content-type", "application/json");
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        response
            .body(Bytes::from(self.body.to_string()))
            .expect("plain headers")
    }
}

/// A call that was made, and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub at: i64,
    pub line: String,
}

impl Wire {
    /// Creates a wire to these vendors with these faults.
    pub fn new(vendors: &Vendors, faults: Faults, now: Now) -> Self {
        let vendors = StandInWeb::new(faults)
            .host("github.wire", vendors.github.router())
            .host("codeload.github.wire", vendors.github.archives())
            .host(LOGS_HOST, vendors.github.logs())
            .host("stripe.wire", vendors.stripe.router())
            .host("model.wire", vendors.model.router());
        Self {
            vendors,
            now,
            desk: Arc::default(),
        }
    }

    /// Answers the next calls whose line (`POST github.wire/repos/…`) contains a text; the vendor
    /// never sees them.
    pub fn answer(&self, on: &str, times: u32, reply: Reply) {
        self.order(on, times, Act::Answer(reply));
    }

    /// Answers the next call with exactly this line.
    pub fn answer_exactly(&self, line: &str, reply: Reply) {
        self.order(&format!("{line}$"), 1, Act::Answer(reply));
    }

    /// Cuts off the next calls whose line contains a text, before they arrive.
    pub fn cut(&self, on: &str, times: u32) {
        self.order(on, times, Act::Break);
    }

    /// Holds the next call whose line contains a text, before or after the vendor executes it.
    pub fn hold(&self, on: &str, moment: Moment) -> Held {
        let held = Held::default();
        self.order(on, 1, Act::Hold(moment, held.clone()));
        held
    }

    /// Holds a call whose line contains a text after letting this many others pass.
    pub fn hold_after(&self, on: &str, moment: Moment, passed: u32) -> Held {
        self.order(on, passed, Act::Pass);
        self.hold(on, moment)
    }

    /// Cancels everything that was ordered.
    pub fn clear(&self) {
        self.desk().orders.clear();
    }

    /// Every call whose line contains a text.
    pub fn heard(&self, on: &str) -> Vec<Heard> {
        self.desk()
            .heard
            .iter()
            .filter(|heard| heard.line.contains(on))
            .cloned()
            .collect()
    }

    /// The maximum number of concurrent calls with this line.
    pub fn busiest(&self, line: &str) -> u32 {
        self.desk().flying.get(line).map_or(0, |(_, most)| *most)
    }

    /// Sets the value of a parameter.
    pub fn set_secret(&self, name: &str, value: &str) {
        self.desk()
            .secrets
            .insert(name.to_owned(), value.to_owned());
    }

    fn order(&self, on: &str, times: u32, act: Act) {
        self.desk().orders.push(Order {
            on: on.to_owned(),
            times,
            act,
        });
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("no thread panics")
    }

    /// Records a call and returns what was ordered for it.
    fn take(&self, line: &str) -> Option<Act> {
        let at = (self.now)();
        let mut desk = self.desk();
        desk.heard.push(Heard {
            at,
            line: line.to_owned(),
        });
        let line = format!("{line}$");
        let order = desk
            .orders
            .iter_mut()
            .find(|order| order.times > 0 && line.contains(&order.on))?;
        if order.times != ALWAYS {
            order.times -= 1;
        }
        Some(order.act.clone())
    }

    fn secrets(&self, asked: &[u8]) -> Response<Bytes> {
        let asked: Value = serde_json::from_slice(asked).unwrap_or_default();
        let desk = self.desk();
        let names = asked["Names"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let found: Vec<Value> = names
            .filter_map(|name| Some(json!({ "Name": name, "Value": desk.secrets.get(name)? })))
            .collect();
        Reply::json(200, json!({ "Parameters": found })).response()
    }

    async fn carry(mut self, request: Request<Bytes>) -> Result<Response<Bytes>, WebError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let line = format!("{} {host}{}", request.method(), request.uri().path());
        let act = self.take(&line);
        let _flight = Flight::start(&self.desk, line);
        match &act {
            Some(Act::Answer(reply)) => return Ok(reply.response()),
            Some(Act::Break) => return Err("the wire is cut".into()),
            Some(Act::Hold(Moment::Before, held)) => held.stop().await,
            Some(Act::Hold(Moment::After, _) | Act::Pass) | None => {}
        }
        if host == SECRETS_HOST {
            return Ok(self.secrets(request.body()));
        }
        let response = self.vendors.call(request).await;
        if let Some(Act::Hold(Moment::After, held)) = &act {
            held.stop().await;
        }
        response
    }
}

/// A call in progress, which also ends when it is dropped.
struct Flight {
    desk: Arc<Mutex<Desk>>,
    line: String,
}

impl Flight {
    fn start(desk: &Arc<Mutex<Desk>>, line: String) -> Self {
        let mut open = desk.lock().expect("no thread panics");
        let (now, most) = open.flying.entry(line.clone()).or_default();
        *now += 1;
        *most = (*most).max(*now);
        drop(open);
        Self {
            desk: Arc::clone(desk),
            line,
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Ok(mut desk) = self.desk.lock()
            && let Some((now, _)) = desk.flying.get_mut(&self.line)
        {
            *now -= 1;
        }
    }
}

impl Service<Request<Bytes>> for Wire {
    type Response = Response<Bytes>;
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, WebError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), WebError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(self.clone().carry(request))
    }
}
