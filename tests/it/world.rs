//! A world for one test: every door in one process, one thread, a clock that only moves when nothing else does, and
//! injected faults unless a test asks for none.
//!
//! It speaks in verbs. At the end a test calls [`World::done`], which fails if anything was left undone.

pub mod browser;
pub mod leaks;
pub mod money;
pub mod operator;
pub mod program;
pub mod shop;
pub mod verbs;
pub mod wire;

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

/// Which faults the world injects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPlan {
    /// Every message once, in order, no conflicts.
    None,
    /// Every message twice and out of order, transactions that conflict, all drawn from this seed.
    Seeded(u64),
}

/// One world.
pub struct World {
    pub stack: Stack,
    pub vendors: Vendors,
    /// Where the vendors are reached in a world with the settings [`crate::world::wire::WIRED`].
    pub wire: Wire,
    /// Milliseconds by which every clock but the queues' has been put forward.
    pub skipped: Arc<AtomicI64>,
    fault_plan: FaultPlan,
    draws: AtomicU64,
    deliveries: AtomicU64,
    finished: bool,
}

impl World {
    /// A furnished world with injected faults, with one paying account.
    pub async fn start() -> Self {
        Self::with(FaultPlan::Seeded(7), &[]).await
    }

    /// A furnished world with its fault_plan and settings chosen.
    pub async fn with(fault_plan: FaultPlan, settings: &[(&str, &str)]) -> Self {
        let world = Self::bare(fault_plan, settings).await;
        world.provision().await;
        world
    }

    /// A world in which nobody pays yet.
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
        // What happened before the world began is no news.
        vendors.stripe.outbox_take();
        vendors
            .github
            .add_issue(OWNER, REPOSITORY, 7, ISSUE_TITLE, ISSUE_BODY);
        let faults = match fault_plan {
            FaultPlan::None => Faults::none(),
            FaultPlan::Seeded(seed) => Faults::none().with_conflicts(seed),
        };
        let settings: BTreeMap<_, _> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let wire = Wire::new(&vendors, faults.clone(), millis);
        let parts = Parts {
            vendors: vendors.clone(),
            faults,
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
        };
        let stack = Stack::start(parts).await.expect("the stack starts");
        let seed = if let FaultPlan::Seeded(seed) = fault_plan {
            seed
        } else {
            0
        };
        Self {
            stack,
            vendors,
            wire,
            skipped,
            fault_plan,
            draws: AtomicU64::new(seed),
            deliveries: AtomicU64::new(0),
            finished: false,
        }
    }

    /// The account of the demo's organization, by the operators' door.
    pub async fn provision(&self) -> AccountId {
        let body = json!({ "stripe_customer_id": CUSTOMER, "installation_id": INSTALLATION_ID, "plan": "payg" });
        loop {
            let (status, answer) = self
                .operator("POST", "/api/v1/admin/accounts", Some(&body))
                .await;
            match status {
                // A conflict of transactions, say; operators try again too.
                StatusCode::SERVICE_UNAVAILABLE => {}
                StatusCode::OK | StatusCode::CREATED => {
                    return AccountId::parse(answer["id"].as_str().expect("an id"))
                        .expect("an id of ours");
                }
                other => panic!("cannot provision: {other} {answer}"),
            }
        }
    }

    // --- what people and vendors do ---

    /// GitHub sends a sample event under a fresh delivery id, which is returned.
    pub async fn github_sends(&self, sample: &str) -> String {
        self.github_sends_changed(sample, |_| {}).await
    }

    /// GitHub sends a sample event with something changed.
    pub async fn github_sends_changed(
        &self,
        sample: &str,
        change: impl FnOnce(&mut Value),
    ) -> String {
        let mut body = fixture("github", sample);
        change(&mut body);
        body["marker"] = leaks::MARKER.into();
        let delivery = self.fresh_delivery();
        let event = sample.split('.').next().expect("a name");
        let response = self
            .github_delivers(event, &delivery, &serde_json::to_vec(&body).expect("JSON"))
            .await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        delivery
    }

    /// A delivery id nobody has used.
    pub fn fresh_delivery(&self) -> String {
        let n = self.deliveries.fetch_add(1, Ordering::Relaxed);
        format!("72d3162e-cc78-11e3-81ab-{n:012}")
    }

    /// GitHub hands over one delivery.
    pub async fn github_delivers(
        &self,
        event: &str,
        delivery: &str,
        body: &[u8],
    ) -> Response<bytes::Bytes> {
        self.github_door(github_request(BASE, LOCAL_SECRET, event, delivery, body))
            .await
    }

    /// Any request at GitHub's door; a door that dies gives no answer but a 502.
    pub async fn github_door(&self, request: Request<bytes::Bytes>) -> Response<bytes::Bytes> {
        let receive = github_webhook::receive(&self.stack.github_webhook, request);
        let response = self.stack.faults.run(receive).await.unwrap_or_else(died);
        leaks::look("/github/webhook", &response);
        response
    }

    /// Stripe sends a sample event, signed now.
    pub async fn stripe_sends_changed(
        &self,
        sample: &str,
        change: impl FnOnce(&mut Value),
    ) -> StatusCode {
        let mut body = fixture("stripe", sample);
        change(&mut body);
        self.stripe_delivers(&body).await
    }

    /// Stripe hands over one event, signed now.
    pub async fn stripe_delivers(&self, event: &Value) -> StatusCode {
        let now = self.stack.outside.now().seconds();
        let mut event = event.clone();
        let object = if event["data"]["object"].is_object() {
            &mut event["data"]["object"]
        } else {
            &mut event
        };
        object["marker"] = leaks::MARKER.into();
        let body = serde_json::to_vec(&event).expect("JSON");
        self.stripe_door(stripe_request(BASE, LOCAL_SECRET, now, &body))
            .await
            .status()
    }

    /// Stripe hands over what has happened there since, with injected faults each event twice and in any order; how many events.
    /// What is not taken is handed over again, as Stripe does for days.
    pub async fn stripe_hands_over(&self) -> usize {
        let mut events = self.vendors.stripe.outbox_take();
        let count = events.len();
        if let FaultPlan::Seeded(_) = self.fault_plan {
            events.extend(events.clone());
            let mut placed: Vec<_> = events
                .into_iter()
                .map(|event| (self.draw(), event))
                .collect();
            placed.sort_by_key(|(place, _)| *place);
            events = placed.into_iter().map(|(_, event)| event).collect();
        }
        for event in events {
            let mut tries = 0;
            while !self.stripe_delivers(&event).await.is_success() {
                tries += 1;
                assert!(tries < 20, "nobody takes {}", event["id"]);
            }
        }
        count
    }

    fn draw(&self) -> u64 {
        let next = |seed| Some(scramble(seed));
        self.draws
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .expect("always some")
    }

    /// Any request at Stripe's door.
    pub async fn stripe_door(&self, request: Request<bytes::Bytes>) -> Response<bytes::Bytes> {
        let receive = stripe_webhook::receive(&self.stack.stripe_webhook, request);
        let response = self.stack.faults.run(receive).await.unwrap_or_else(died);
        leaks::look("/stripe/webhook", &response);
        response
    }

    /// An operator asks the admin door.
    pub async fn operator(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let response = self
            .admin_door(method, path, Some("local-token"), body)
            .await;
        let status = response.status();
        (
            status,
            serde_json::from_slice(response.body()).unwrap_or(Value::Null),
        )
    }

    /// Somebody asks the admin door.
    pub async fn admin_door(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Response<bytes::Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{BASE}{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                serde_json::to_vec(body).expect("JSON").into()
            }
            None => bytes::Bytes::new(),
        };
        let respond = admin::respond(
            self.stack.admin.clone(),
            request.body(body).expect("a request"),
        );
        let response = self.stack.faults.run(respond).await.unwrap_or_else(died);
        leaks::look(path, &response);
        response
    }

    // --- how time passes ---

    /// Runs every queue until all are empty and nothing is owed, letting time pass and the sweeper sweep where needed.
    pub async fn settle(&self) {
        for _ in 0..600 {
            let told = self.stack.mail_events().await.unwrap_or_default();
            if self.stripe_hands_over().await + told + self.turn_all().await > 0 {
                continue;
            }
            let (rows, messages) = self.owing_rows_and_messages().await;
            let Some(next) = rows.iter().map(|(_, due_at)| *due_at).min() else {
                if messages.is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(61)).await;
                continue;
            };
            // Hidden messages come back within minutes; where there are none, nothing happens before a row is due.
            let pause = next.since(self.stack.outside.now()) + Duration::from_secs(1);
            tokio::time::sleep(if messages.is_empty() {
                pause
            } else {
                pause.min(Duration::from_secs(61))
            })
            .await;
            // A sweep that dies or meets a fault is cut short; the next one goes on.
            let _ = self.stack.faults.run(self.stack.sweep()).await;
        }
        panic!("the world does not settle: {:?}", self.pending().await);
    }

    /// One look at every queue; how many messages were handed over.
    pub async fn turn_all(&self) -> usize {
        let mut handed = 0;
        for queue in Queue::ALL {
            handed += self.turn(queue).await;
        }
        handed
    }

    /// One look at one queue; how many messages were handed over.
    pub async fn turn(&self, queue: Queue) -> usize {
        let draw = self.draw();
        let delivery = match self.fault_plan {
            FaultPlan::None => Delivery::Once,
            FaultPlan::Seeded(_) if draw.is_multiple_of(2) => Delivery::TwiceShuffled(draw),
            FaultPlan::Seeded(_) => Delivery::TwiceAtOnce(draw),
        };
        // A queue that cannot be reached is looked at again in the next round.
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

    /// A queue and the door it wakes.
    pub fn mapping(&self, queue: Queue) -> &Mapping {
        let found = self
            .stack
            .mappings
            .iter()
            .find(|(known, _)| *known == queue);
        &found.expect("every queue wakes a door").1
    }

    /// Everything that still has to happen, in words.
    pub async fn pending(&self) -> Vec<String> {
        let (rows, messages) = self.owing_rows_and_messages().await;
        let rows = rows
            .into_iter()
            .map(|(what, due_at)| format!("{what} due at {due_at}"));
        rows.chain(messages).collect()
    }

    async fn owing_rows_and_messages(&self) -> (Vec<(String, Timestamp)>, Vec<String>) {
        let mut rows = Vec::new();
        let far = Timestamp::from_millis(i64::MAX / 4);
        for due in self
            .stack
            .store
            .due_list(far, 100)
            .await
            .unwrap_or_default()
        {
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

    /// Messages that were given up.
    pub async fn dead_letters(&self) -> i64 {
        let mut count = 0;
        for (_, mapping) in &self.stack.mappings {
            count += self.messages(&format!("{}-dlq", mapping.queue_url)).await;
        }
        count
    }

    // --- what is to be seen ---

    /// What the log says of an event.
    pub async fn event(&self, source: EventSource, id: &str) -> Option<EventRow> {
        self.stack
            .inbox
            .find_row(&EventKey::parse(source, id).expect("an id"))
            .await
            .expect("the store answers")
    }

    /// The job that an event made, by the outcome on its row.
    pub async fn job_of(&self, delivery: &str) -> JobRow {
        let row = self
            .event(EventSource::Github, delivery)
            .await
            .expect("the event is there");
        let outcome = row.outcome.expect("the event is finished");
        let id = outcome.rsplit(' ').next().expect("a word");
        self.job(&JobId::parse(id).unwrap_or_else(|_| panic!("no job in {outcome:?}")))
            .await
    }

    /// The job that a branch belongs to.
    pub async fn job_of_branch(&self, branch: &str) -> JobRow {
        let id = branch.strip_prefix("tallyhook/").expect("a branch of ours");
        self.job(&JobId::parse(id).expect("a job's id")).await
    }

    /// A job as it is.
    pub async fn job(&self, id: &JobId) -> JobRow {
        self.stack
            .store
            .job_find(id)
            .await
            .expect("the store answers")
            .expect("the job is there")
    }

    /// The states a job has been in.
    pub fn states(job: &JobRow) -> Vec<JobState> {
        job.timeline.iter().map(|moment| moment.state).collect()
    }

    /// The account of the demo's organization.
    pub async fn account(&self) -> AccountId {
        self.provision().await
    }

    /// What is owed on the pull request meter.
    pub async fn owed(&self) -> usize {
        let debts = AccountMeter {
            account: self.account().await,
            meter: Meter::pull_requests(),
        };
        self.stack
            .store
            .owed_list(&debts, 100)
            .await
            .expect("the store answers")
            .len()
    }

    /// Exactly one branch, one commit on it, one pull request and one comment of ours.
    pub fn assert_pulled_once(&self) {
        let github = &self.vendors.github;
        let branches: Vec<_> = github
            .branches(OWNER, REPOSITORY)
            .into_iter()
            .filter(|(name, _)| name != "main")
            .collect();
        assert_eq!(branches.len(), 1, "branches: {branches:?}");
        let commits = github.commits_on(OWNER, REPOSITORY, &branches[0].0);
        assert_eq!(commits.len(), 2, "the first commit and ours: {commits:?}");
        let pulls = github.pulls(OWNER, REPOSITORY);
        assert_eq!(pulls.len(), 1, "pull requests: {pulls:?}");
        assert_eq!(
            (pulls[0].head.as_str(), pulls[0].base.as_str()),
            (branches[0].0.as_str(), "main")
        );
        let comments = github.comments(OWNER, REPOSITORY, 7);
        assert_eq!(comments.len(), 1, "comments: {comments:?}");
    }

    /// The same, and one meter event: what one job is worth that Stripe bills, whatever happened on the way.
    pub fn assert_delivered_once(&self) {
        self.assert_pulled_once();
        let metered = self.vendors.stripe.meter_events();
        assert_eq!(metered.len(), 1, "meter events: {metered:?}");
        assert_eq!(self.vendors.stripe.total(CUSTOMER, "pull_requests"), 1);
    }

    /// No branch, no pull request and no meter event: what a job that was not delivered is worth.
    pub fn assert_nothing_delivered(&self) {
        assert_eq!(self.vendors.github.pulls(OWNER, REPOSITORY).len(), 0);
        assert_eq!(self.vendors.stripe.meter_events().len(), 0);
    }

    /// The end of a test: nothing may be left undone.
    pub async fn done(mut self) {
        self.finished = true;
        assert_eq!(
            leaks::take(),
            Vec::<String>::new(),
            "what nobody may say was said"
        );
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

    /// The end of a test that leaves something undone on purpose.
    pub fn abandoned(mut self) {
        self.finished = true;
        assert_eq!(
            leaks::take(),
            Vec::<String>::new(),
            "what nobody may say was said"
        );
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

fn died() -> Response<bytes::Bytes> {
    Response::builder()
        .status(StatusCode::BAD_GATEWAY)
        .body(bytes::Bytes::new())
        .expect("a response")
}
