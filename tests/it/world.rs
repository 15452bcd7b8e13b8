//! A world for one test: every function in one process and one thread, a clock that moves only when
//! nothing else runs, and faults unless a test turns them off.
//!
//! Its methods are verbs. A test ends with [`World::done`], which fails if any work is left.

pub mod browser;
mod deliveries;
pub mod leaks;
pub mod money;
pub mod months;
pub mod neighbor;
pub mod operator;
mod outcomes;
pub mod program;
pub mod roles;
pub mod shop;
pub mod verbs;
pub mod wire;

use crate::world::neighbor::Neighbor;
use crate::world::wire::Wire;
use ::queues::Queue;
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::{AccountId, JobId};
use domain::inbox::{EventKey, EventRow, EventSource, EventState};
use domain::jobs::{JobRow, JobState};
use domain::time::Timestamp;
use http::{Request, Response, StatusCode};
use local_stack::signing::{github_request, stripe_request};
use local_stack::stack::{LOCAL_SECRET, Parts, Stack};
use local_stack::world::{
    CUSTOMER, INSTALLATION_ID, ISSUE_BODY, ISSUE_TITLE, OWNER, REPOSITORY, Vendors,
};
use serde_json::{Value, json};
use stand_in_aws::event_source::{Delivery, Mapping, Turn};
use stand_in_shared::Now;
use stand_in_shared::faults::{Faults, scramble};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// The moment at which every world begins.
pub const BIRTH: i64 = 1_795_210_980_000;
const BASE: &str = "http://tallyhook.test";

/// The faults that the world injects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPlan {
    /// Every message once, in order, without conflicts.
    None,
    /// Every message twice and out of order, and conflicting transactions, all drawn from this
    /// seed.
    Seeded(u64),
}

pub struct World {
    pub stack: Stack,
    pub vendors: Vendors,
    /// The connection to the vendors in a world with the settings [`crate::world::wire::WIRED`].
    pub wire: Wire,
    /// The milliseconds by which every clock except the queues' was advanced.
    pub skipped: Arc<AtomicI64>,
    neighbor: Neighbor,
    fault_plan: FaultPlan,
    draws: AtomicU64,
    deliveries: AtomicU64,
    finished: bool,
}

impl World {
    /// A prepared world with faults and one paying account.
    pub async fn start() -> Self {
        Self::with(FaultPlan::Seeded(7), &[]).await
    }

    /// A prepared world with chosen faults and settings.
    pub async fn with(fault_plan: FaultPlan, settings: &[(&str, &str)]) -> Self {
        let world = Self::bare(fault_plan, settings).await;
        world.provision().await;
        world
    }

    /// A world without a paying account.
    pub async fn bare(fault_plan: FaultPlan, settings: &[(&str, &str)]) -> Self {
        leaks::listen();
        let birth = tokio::time::Instant::now();
        let skipped = Arc::new(AtomicI64::new(0));
        let skips = Arc::clone(&skipped);
        let millis: Now = Arc::new(move || {
            let elapsed = i64::try_from(birth.elapsed().as_millis()).expect("tests are short");
            BIRTH + elapsed + skips.load(Ordering::Relaxed)
        });
        let clock = Arc::clone(&millis);
        let random = AtomicU64::new(42);
        let vendors = Vendors::new("http://github.test", BASE, Arc::clone(&millis));
        vendors.furnish();
        Neighbor::furnish(&vendors);
        // Discards events from before the world began.
        vendors.stripe.outbox_take();
        vendors
            .github
            .add_issue(OWNER, REPOSITORY, 7, ISSUE_TITLE, ISSUE_BODY);
        let faults = Faults::none();
        let settings: BTreeMap<_, _> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let wire = Wire::new(&vendors, faults.clone(), millis);
        let parts = Parts {
            vendors: vendors.clone(),
            faults: faults.clone(),
            clock: Arc::new(move || Timestamp::from_millis(clock())),
            random: Arc::new(move || {
                random
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seed| {
                        Some(scramble(seed))
                    })
                    .expect("always some")
            }),
            tables_file: None,
            real_web: Some(boot::Web::new(wire.clone())),
            settings,
            roles: roles::of_the_template(),
        };
        let stack = Stack::start(parts).await.expect("the stack starts");
        let neighbor = Neighbor::moves_in(&stack).await;
        let seed = match fault_plan {
            FaultPlan::None => 0,
            FaultPlan::Seeded(seed) => {
                faults.with_conflicts(seed);
                seed
            }
        };
        Self {
            stack,
            vendors,
            wire,
            skipped,
            neighbor,
            fault_plan,
            draws: AtomicU64::new(seed),
            deliveries: AtomicU64::new(0),
            finished: false,
        }
    }

    /// Leaves the demo's customer as the only one, for a test that counts everybody's things.
    pub fn alone(mut self) -> Self {
        self.neighbor.moves_out(&self.stack);
        self
    }

    /// Creates the account of the demo's organization through the admin API. Its plan is metered, so
    /// its customer has a live subscription.
    pub async fn provision(&self) -> AccountId {
        let subscription = self.subscribes_to("payg").await;
        let body = json!({ "stripe_customer_id": CUSTOMER, "installation_id": INSTALLATION_ID, "plan": "payg" });
        loop {
            let (status, answer) = self
                .operator("POST", "/api/v1/admin/accounts", Some(&body))
                .await;
            match status {
                // A conflicting transaction, for example; operators retry too.
                StatusCode::SERVICE_UNAVAILABLE => {}
                StatusCode::OK | StatusCode::CREATED => {
                    let id = AccountId::parse(answer["id"].as_str().expect("an id"))
                        .expect("an account id");
                    self.knows(&id, subscription.as_ref()).await;
                    return id;
                }
                other => panic!("cannot provision: {other} {answer}"),
            }
        }
    }

    // --- time ---

    /// Runs every queue until all are empty and no work is due. Advances time and runs the sweeper
    /// where needed.
    pub async fn settle(&self) {
        for _ in 0..600 {
            let sent = self.stack.mail_events().await.unwrap_or_default();
            let sent = sent + self.github_redelivers().await;
            if self.stripe_hands_over().await + sent + self.turn_all().await > 0 {
                continue;
            }
            let (rows, messages) = self.pending_rows_and_messages().await;
            let Some(next) = rows.iter().map(|(_, due_at)| *due_at).min() else {
                if messages.is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(61)).await;
                continue;
            };
            // Hidden messages become visible within minutes; without any, nothing happens before a
            // row is due.
            let pause = next.since(self.stack.outside.now()) + Duration::from_secs(1);
            tokio::time::sleep(if messages.is_empty() {
                pause
            } else {
                pause.min(Duration::from_secs(61))
            })
            .await;
            // A sweep that dies or meets a fault ends early; the next sweep continues.
            let _ = self.stack.faults.run(self.stack.sweep()).await;
        }
        panic!("the world does not settle: {:?}", self.pending().await);
    }

    /// Polls every queue once. Returns the number of messages delivered.
    pub async fn turn_all(&self) -> usize {
        let mut handed = 0;
        for queue in Queue::ALL {
            handed += self.turn(queue).await;
        }
        handed
    }

    /// Polls one queue once. Returns the number of messages delivered.
    pub async fn turn(&self, queue: Queue) -> usize {
        let draw = self.draw();
        let delivery = match self.fault_plan {
            FaultPlan::None => Delivery::Once,
            FaultPlan::Seeded(_) if draw.is_multiple_of(2) => Delivery::TwiceShuffled(draw),
            FaultPlan::Seeded(_) => Delivery::TwiceAtOnce(draw),
        };
        // A queue that cannot be reached is polled again in the next round.
        match self
            .mapping(queue)
            .turn(
                &self.stack.sqs,
                0,
                delivery,
                &self.stack.faults,
                &self.stack.now,
            )
            .await
        {
            Ok(Turn::Delivered(count)) => count,
            Ok(Turn::Idle) | Err(_) => 0,
        }
    }

    /// A queue's event source mapping, with the function that it invokes.
    pub fn mapping(&self, queue: Queue) -> &Mapping {
        let found = self
            .stack
            .mappings
            .iter()
            .find(|(known, _)| *known == queue);
        &found.expect("every queue invokes a function").1
    }

    /// A description of all remaining work.
    pub async fn pending(&self) -> Vec<String> {
        let (rows, messages) = self.pending_rows_and_messages().await;
        let rows = rows
            .into_iter()
            .map(|(what, due_at)| format!("{what} due at {due_at}"));
        rows.chain(messages).collect()
    }

    async fn pending_rows_and_messages(&self) -> (Vec<(String, Timestamp)>, Vec<String>) {
        let mut rows = Vec::new();
        let far = Timestamp::from_millis(i64::MAX / 4);
        for due in self
            .stack
            .store
            .due_list(far, 100)
            .await
            .unwrap_or_default()
        {
            // What is planned for later is not work that is left. A planned row that was swept and
            // not finished is due again within minutes.
            let soon = self.stack.outside.now().plus(Duration::from_secs(300));
            if due.item.is_planned() && due.due_at > soon {
                continue;
            }
            rows.push((format!("{:?}", due.item), due.due_at));
        }
        for source in EventSource::ALL {
            for due in self
                .stack
                .inbox
                .due_list(source, far, 100)
                .await
                .unwrap_or_default()
            {
                rows.push((due.key.to_string(), due.due_at));
            }
        }
        let mut messages = Vec::new();
        for (queue, mapping) in &self.stack.mappings {
            let count = self.messages(&mapping.queue_url).await;
            if count > 0 {
                messages.push(format!("{count} messages in {queue}"));
            }
        }
        (rows, messages)
    }

    /// Messages in a queue: visible, hidden and delayed.
    pub async fn messages(&self, queue_url: &str) -> i64 {
        stand_in_aws::event_source::count(&self.stack.sqs, queue_url)
            .await
            .unwrap_or(1)
    }

    /// The number of dead letters.
    pub async fn dead_letters(&self) -> i64 {
        let mut count = 0;
        for (_, mapping) in &self.stack.mappings {
            count += self.messages(&format!("{}-dlq", mapping.queue_url)).await;
        }
        count
    }

    /// Ends a test and asserts that no work is left.
    pub async fn done(mut self) {
        self.finished = true;
        self.assert_kept_apart();
        assert_eq!(
            self.pending().await,
            Vec::<String>::new(),
            "something is left undone"
        );
        assert_eq!(self.dead_letters().await, 0, "there are dead letters");
        for source in EventSource::ALL {
            let failed = self
                .stack
                .inbox
                .list(source, &[EventState::Failed], None, 10)
                .await
                .expect("the store answers");
            assert!(failed.rows.is_empty(), "failed events: {:?}", failed.rows);
        }
    }

    /// Asserts that no function asked AWS for more than its role in the template allows, that
    /// nothing private leaked, and that nothing was done to another customer.
    fn assert_kept_apart(&self) {
        assert_eq!(
            self.stack.tables.refusals_take(),
            Vec::<String>::new(),
            "a function's role does not allow what it does"
        );
        assert_eq!(
            leaks::take(),
            Vec::<String>::new(),
            "secrets or personal text leaked"
        );
        self.neighbor.assert_untouched(&self.stack);
    }

    /// Ends a test that leaves work undone on purpose.
    pub fn abandoned(mut self) {
        self.finished = true;
        self.assert_kept_apart();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        assert!(
            self.finished || std::thread::panicking(),
            "a test must end with done() or abandoned()"
        );
    }
}

/// A sample event, parsed.
pub fn fixture(source: &str, name: &str) -> Value {
    let path = format!("{}/events/{source}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}
