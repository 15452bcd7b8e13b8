//! Deliveries that never arrived come back: after an outage of any length, once each, whatever
//! fails on the way.

mod completeness;
mod crash;
mod stripe;

use crate::world::leaks;
use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World, fixture};
use domain::inbox::recovery::{Miss, Progress};
use domain::inbox::{EventSource, EventState};
use http::StatusCode;
use recovery::Recovered;
use serde_json::json;
use stand_in_shared::faults::Moment;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// A page of the list; a call in the wire's orders ends with `$`.
const LISTED: &str = "GET github.wire/app/hook/deliveries$";
const DETAIL: &str = "GET github.wire/app/hook/deliveries/";
const ATTEMPTS: &str = "/attempts";

impl World {
    /// Runs recovery once, as its schedule does.
    pub async fn recovers(&self) -> Recovered {
        let run = self.stack.faults.run(self.stack.recover()).await;
        run.expect("no process dies")
    }

    /// Lets time pass in which recovery runs every so often and GitHub delivers what it was asked
    /// for.
    pub async fn recovery_runs(&self, lasts: Duration, every: Duration) {
        let until = self.stack.outside.now().plus(lasts);
        while self.stack.outside.now() < until {
            self.recovers().await;
            self.github_redelivers().await;
            self.skip(every);
        }
    }

    pub async fn misses(&self, source: EventSource) -> Vec<Miss> {
        let misses = self.stack.recoveries.miss_list(source).await;
        misses.expect("the store answers")
    }

    pub async fn recovery_progress(&self, source: EventSource) -> Progress {
        let progress = self.stack.recoveries.recovery_progress(source).await;
        progress
            .expect("the store answers")
            .expect("recovery has begun")
    }

    /// How an event of GitHub that is recorded was vouched for.
    async fn provenance(&self, delivery: &str) -> String {
        let row = self.event(EventSource::Github, delivery).await;
        row.expect("it is recorded").provenance
    }
}

/// A world in which recovery has begun.
async fn watched(fault_plan: FaultPlan, settings: &[(&str, &str)]) -> World {
    let world = World::with(fault_plan, settings).await;
    // Stripe counts in seconds: what the world made before is older by one.
    world.skip(Duration::from_secs(1));
    world.recovers().await;
    world.skip(MINUTE);
    world
}

/// What GitHub sends during an outage: an issue that asks for a job, and events that ask for nothing.
async fn sends(world: &World) -> String {
    let lost = world.github_sends("issues.labeled").await;
    world.github_sends("ping").await;
    lost
}

/// Nothing is missing, and the job was delivered and charged once.
async fn is_whole(world: &World) {
    assert_eq!(world.misses(EventSource::Github).await, []);
    world.settle().await;
    world.assert_delivered_once();
    let quarantined = world
        .logged(EventSource::Github, &[EventState::Quarantined])
        .await;
    assert_eq!(quarantined, []);
}

/// The receiver is down, and recovery with it.
#[tokio::test(start_paused = true)]
async fn an_outage_of_everything_loses_nothing() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(101)] {
        for (lasts, vouched) in [
            (MINUTE, "signature"),
            (HOUR * 6, "signature"),
            (HOUR * 48, "signature"),
            // What is older than 60 hours is fetched: a failed redelivery could not be repeated.
            (HOUR * 62, "provider-api"),
        ] {
            let world = watched(fault_plan, &[]).await;
            world.vendors.github.set_receiver_status(Some(502));
            let lost = sends(&world).await;
            world.skip(lasts);
            world.vendors.github.set_receiver_status(None);
            world.recovery_runs(MINUTE * 30, MINUTE * 5).await;
            assert_eq!(world.provenance(&lost).await, vouched, "after {lasts:?}");
            is_whole(&world).await;
            world.done().await;
        }
    }
}

/// The receiver cannot be reached, and recovery can.
#[tokio::test(start_paused = true)]
async fn an_outage_of_the_receiver_ends_with_a_fetch() {
    for (lasts, vouched, asked) in [
        (MINUTE * 10, "signature", 2),
        (HOUR * 6, "provider-api", 3),
        (HOUR * 48, "provider-api", 3),
    ] {
        let world = watched(FaultPlan::Seeded(102), &[]).await;
        world.vendors.github.set_receiver_status(Some(504));
        let lost = sends(&world).await;
        world.recovery_runs(lasts, MINUTE * 5).await;
        world.vendors.github.set_receiver_status(None);
        world.recovery_runs(HOUR, MINUTE * 5).await;
        assert_eq!(world.provenance(&lost).await, vouched, "after {lasts:?}");
        let deliveries = world.vendors.github.deliveries();
        let again = deliveries.iter().filter(|one| one.redelivery);
        assert_eq!(again.count(), asked, "redeliveries after {lasts:?}");
        is_whole(&world).await;
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_comes_late_does_nothing() {
    let world = watched(FaultPlan::Seeded(103), &[]).await;
    let mut body = fixture("github", "issues.labeled");
    body["marker"] = leaks::MARKER.into();
    // Not the bytes that GitHub's API returns.
    let body = serde_json::to_vec_pretty(&body).expect("JSON");
    let lost = world.fresh_delivery();
    world.vendors.github.set_receiver_status(Some(502));
    world.github_delivers("issues", &lost, &body).await;
    world.skip(HOUR * 61);
    world.vendors.github.set_receiver_status(None);
    world.recovery_runs(MINUTE * 10, MINUTE * 5).await;
    assert_eq!(world.provenance(&lost).await, "provider-api");
    for settled in [false, true] {
        let late = world.github_delivers("issues", &lost, &body).await;
        assert_eq!(late.status(), StatusCode::ACCEPTED);
        if !settled {
            world.settle().await;
        }
    }
    is_whole(&world).await;
    world.recovery_runs(MINUTE * 10, MINUTE * 5).await;
    is_whole(&world).await;
    world.done().await;
}

/// Someone presses "Redeliver" while recovery is at it.
#[tokio::test(start_paused = true)]
async fn a_delivery_by_hand_ends_the_miss() {
    let world = watched(FaultPlan::None, &[]).await;
    world.vendors.github.set_receiver_status(Some(502));
    sends(&world).await;
    world.recovers().await;
    world.github_redelivers().await;
    assert_eq!(world.misses(EventSource::Github).await.len(), 1);
    world.vendors.github.set_receiver_status(None);
    world.recovers().await;
    assert_eq!(
        world.github_redelivers().await,
        0,
        "it waits for its second try"
    );
    let miss = world.misses(EventSource::Github).await.remove(0);
    let body = serde_json::to_vec(&fixture("github", "issues.labeled")).expect("JSON");
    world.github_delivers("issues", miss.key.id(), &body).await;
    assert_eq!(world.recovers().await.back, 1);
    is_whole(&world).await;
    world.done().await;
}

/// Each delivery fails, and what GitHub's API returns cannot be recorded.
#[tokio::test(start_paused = true)]
async fn poison_is_tried_three_times_and_given_up() {
    let world = watched(FaultPlan::None, &WIRED).await;
    world.vendors.github.set_receiver_status(Some(500));
    let lost = sends(&world).await;
    world.wire.answer(
        &format!("{DETAIL}38"),
        ALWAYS,
        detail(&lost, &json!("poison")),
    );
    leaks::alarms();
    world.recovery_runs(HOUR * 60, MINUTE * 20).await;
    let deliveries = world.vendors.github.deliveries();
    let tries = deliveries.iter().filter(|one| one.redelivery);
    assert_eq!(tries.count(), 3);
    let miss = world.misses(EventSource::Github).await.remove(0);
    let why = miss.given_up.expect("it was given up");
    assert!(why.contains("not a JSON object"), "{why}");
    let alarms = leaks::alarms();
    let named = alarms.iter().filter(|line| line.contains("gave up"));
    assert_eq!(named.count(), 1, "{alarms:?}");
    let (_, answer) = world
        .operator("GET", "/api/v1/admin/completeness", None)
        .await;
    let github = &answer["sources"][0];
    assert_eq!(
        (&github["state"], &github["given_up"]),
        (&json!("incomplete"), &json!(1))
    );
    assert_eq!(github["misses"][0]["id"], json!(lost));
    let calls = world.wire.heard(ATTEMPTS).len() + world.wire.heard(DETAIL).len();
    world.recovery_runs(HOUR, MINUTE * 20).await;
    let later = world.wire.heard(ATTEMPTS).len() + world.wire.heard(DETAIL).len();
    assert_eq!(later, calls, "it is never touched again");
    world.done().await;
}

/// How many pages of the list were asked for.
fn pages_read(world: &World) -> usize {
    let heard = world.wire.heard("GET github.wire/app/hook/deliveries");
    let pages = heard
        .iter()
        .filter(|call| call.line.ends_with("deliveries"));
    pages.count()
}

fn detail(guid: &str, payload: &serde_json::Value) -> Reply {
    let body = json!({ "guid": guid, "event": "issues", "request": { "payload": payload } });
    Reply::json(200, body)
}

/// 350 deliveries on four pages, each read once. A page that fails loses nothing.
#[tokio::test(start_paused = true)]
async fn what_is_known_moves_only_after_a_complete_reading() {
    let world = watched(FaultPlan::None, &WIRED).await;
    let before = world.recovery_progress(EventSource::Github).await;
    world.vendors.github.set_receiver_status(Some(502));
    let lost = sends(&world).await;
    world.vendors.github.set_receiver_status(None);
    for _ in 0..348 {
        let guid = world.fresh_delivery();
        world
            .vendors
            .github
            .delivery_ended(&guid, "push", b"{}", 202);
    }
    for fails in [1, 2] {
        let pages = pages_read(&world);
        if fails == 2 {
            world.wire.hold(LISTED, Moment::Before).release();
        }
        world.wire.cut(LISTED, 1);
        assert_eq!(world.recovers().await.stopped, 1);
        assert_eq!(pages_read(&world), pages + fails);
        let after = world.recovery_progress(EventSource::Github).await;
        assert_eq!(after, before);
        assert_eq!(world.misses(EventSource::Github).await, []);
    }
    let pages = pages_read(&world);
    let run = world.recovers().await;
    assert_eq!((run.missing, run.redeliveries, run.stopped), (1, 1, 0));
    assert_eq!(pages_read(&world), pages + 4);
    let after = world.recovery_progress(EventSource::Github).await;
    assert!(after.read_through > before.read_through);
    let counted = world
        .stack
        .recoveries
        .recovery_count(EventSource::Github)
        .await;
    let counted = counted.expect("the store answers").expect("a count");
    // The newest 15 minutes are not counted.
    assert_eq!(counted.count.made, 0);
    world.skip(HOUR);
    world.github_redelivers().await;
    world.recovers().await;
    let counted = world
        .stack
        .recoveries
        .recovery_count(EventSource::Github)
        .await;
    let count = counted.expect("the store answers").expect("a count").count;
    assert_eq!(
        (count.made, count.done, count.pending, count.missing),
        (350, 349, 1, 0)
    );
    assert_eq!(world.provenance(&lost).await, "signature");
    is_whole(&world).await;
    world.done().await;
}

/// A float or JavaScript would round it.
#[tokio::test(start_paused = true)]
async fn numbers_above_two_to_the_53_survive() {
    let world = watched(FaultPlan::None, &WIRED).await;
    world.vendors.github.set_receiver_status(Some(502));
    sends(&world).await;
    world.vendors.github.set_receiver_status(None);
    world.recovers().await;
    let number = world.misses(EventSource::Github).await[0].delivery;
    let number = number.expect("GitHub numbers deliveries");
    assert!(number > 3_804_004_623_172_239_366 && number % 1_000 != 0);
    let asked = world.wire.heard(ATTEMPTS);
    let line = format!("POST github.wire/app/hook/deliveries/{number}/attempts");
    assert_eq!(
        asked
            .iter()
            .map(|call| call.line.as_str())
            .collect::<Vec<_>>(),
        [line]
    );
    world.github_redelivers().await;
    world.recovers().await;
    is_whole(&world).await;
    world.done().await;
}

/// An outage's backlog is brought back in runs of 25 redeliveries.
#[tokio::test(start_paused = true)]
async fn a_backlog_comes_back_in_parts() {
    let world = watched(FaultPlan::None, &WIRED).await;
    world.vendors.github.set_receiver_status(Some(502));
    for _ in 0..60 {
        // Closed issues ask for nothing.
        world.github_sends("issues.closed").await;
    }
    world.vendors.github.set_receiver_status(None);
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(world.recovers().await.redeliveries);
        world.github_redelivers().await;
        world.skip(MINUTE * 5);
    }
    assert_eq!(runs, [25, 25, 10, 0]);
    assert_eq!(world.misses(EventSource::Github).await, []);
    let asked = world.wire.heard(ATTEMPTS);
    let closest = asked.windows(2).map(|two| two[1].at - two[0].at).min();
    assert!(
        closest >= Some(1_000),
        "{closest:?} ms between two redeliveries"
    );
    world.settle().await;
    world.done().await;
}

/// While intake is off, receivers answer 503, and a redelivery would be wasted.
#[tokio::test(start_paused = true)]
async fn a_paused_intake_loses_nothing() {
    let world = watched(FaultPlan::None, &WIRED).await;
    world.switch("ingest_github", false).await;
    let body = serde_json::to_vec(&fixture("github", "issues.labeled")).expect("JSON");
    let lost = world.fresh_delivery();
    let refused = world.github_delivers("issues", &lost, &body).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    for _ in 0..10 {
        let run = world.recovers().await;
        assert_eq!((run.waiting, run.redeliveries), (1, 0));
        world.skip(HOUR);
    }
    world.switch("ingest_github", true).await;
    assert_eq!(world.recovers().await.redeliveries, 1);
    assert_eq!(world.github_redelivers().await, 1);
    world.recovers().await;
    assert_eq!(world.provenance(&lost).await, "signature");
    is_whole(&world).await;
    world.done().await;
}

/// GitHub asks to wait, or is down while it is asked: no try is used.
#[tokio::test(start_paused = true)]
async fn a_sender_that_does_not_answer_uses_no_try() {
    let world = watched(FaultPlan::None, &WIRED).await;
    world.vendors.github.set_receiver_status(Some(502));
    sends(&world).await;
    world.vendors.github.set_receiver_status(None);
    world
        .wire
        .answer(ATTEMPTS, 5, Reply::status(502, "bad gateway"));
    for _ in 0..5 {
        world.recovers().await;
        world.skip(MINUTE * 6);
    }
    let miss = world.misses(EventSource::Github).await.remove(0);
    assert_eq!(
        (miss.redeliveries, miss.fetches, miss.given_up),
        (0, 0, None)
    );
    let limited = Reply::status(429, "slow down").with("retry-after", 1_800);
    world.wire.answer(ATTEMPTS, 1, limited);
    assert_eq!(world.recovers().await.stopped, 1);
    let calls = world.wire.heard("github.wire").len();
    world.skip(MINUTE * 29);
    assert_eq!(world.recovers().await, Recovered::default());
    assert_eq!(world.wire.heard("github.wire").len(), calls, "it waits");
    world.skip(MINUTE * 2);
    assert_eq!(world.recovers().await.redeliveries, 1);
    world.github_redelivers().await;
    world.recovers().await;
    is_whole(&world).await;
    world.done().await;
}

/// A 2xx promised that it is recorded.
#[tokio::test(start_paused = true)]
async fn an_acknowledged_event_that_is_gone_is_fetched_with_an_alarm() {
    let world = watched(FaultPlan::None, &WIRED).await;
    let guid = world.fresh_delivery();
    let body = serde_json::to_vec(&fixture("github", "issues.labeled")).expect("JSON");
    world
        .vendors
        .github
        .delivery_ended(&guid, "issues", &body, 202);
    leaks::alarms();
    assert_eq!(world.recovers().await.recorded, 1);
    let alarms = leaks::alarms();
    assert!(alarms.iter().any(|line| line.contains(&guid)), "{alarms:?}");
    assert_eq!(world.wire.heard(ATTEMPTS).len(), 0);
    is_whole(&world).await;
    world.done().await;
}

/// What was made before recovery began may have been acted on by another system.
#[tokio::test(start_paused = true)]
async fn nothing_before_recovery_began_is_touched() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.vendors.github.set_receiver_status(Some(502));
    sends(&world).await;
    world.vendors.github.set_receiver_status(None);
    world.skip(MINUTE * 10);
    world.recovery_runs(HOUR * 2, MINUTE * 5).await;
    assert_eq!(world.misses(EventSource::Github).await, []);
    world.assert_nothing_delivered();
    world.done().await;
}
