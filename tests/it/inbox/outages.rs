//! Outages of vendors: whatever lasts minutes, hours or a day delays events and ends none. An answer
//! about the event itself counts, once for each wait.

use crate::world::program::program;
use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World};
use ::queues::{Message, Queue};
use domain::ids::JobId;
use domain::inbox::{EventKey, EventSource, EventState};
use domain::jobs::JobState;
use http::StatusCode;
use serde_json::json;
use std::time::Duration;

const POLICY: &str = "GET github.wire/repos/acme/greeter/contents";

/// A world in which both vendors fail from now on, and both have sent events.
async fn struck(fault_plan: FaultPlan) -> (World, String) {
    let world = World::with(fault_plan, &WIRED).await;
    world.buys_a_pack().await;
    world
        .wire
        .answer("github.wire", ALWAYS, Reply::status(502, "bad gateway"));
    world.wire.cut("stripe.wire", ALWAYS);
    let delivery = world.github_sends("issues.opened").await;
    assert!(world.stripe_hands_over().await > 0);
    (world, delivery)
}

async fn assert_nothing_failed(world: &World) {
    for source in EventSource::ALL {
        let failed = world.logged(source, &[EventState::Failed]).await;
        assert!(failed.is_empty(), "{failed:?}");
    }
    assert_eq!(world.dead_letters().await, 0);
}

/// Both vendors are back: the job is delivered once, and the credits are there once.
async fn recovers(world: World) {
    world.wire.clear();
    world.settle().await;
    world.assert_delivered_once();
    let account = world.account().await;
    assert_eq!(world.purse(&account).await, (10_000, 0));
    world.done().await;
}

/// Ten minutes as they pass: the queues are polled every few seconds, the sweeper runs every minute.
#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_delays_and_ends_nothing() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(81)] {
        let (world, delivery) = struck(fault_plan).await;
        for _ in 0..10 {
            for _ in 0..12 {
                world.turn_all().await;
                world.elapse(Duration::from_secs(5)).await;
            }
            world.sweep().await;
        }
        assert_nothing_failed(&world).await;
        let row = world.event(EventSource::Github, &delivery).await;
        let row = row.expect("it is there");
        assert_eq!((row.state, row.tries.attempts), (EventState::Pending, 0));
        let asked = world.wire.heard("github.wire").len();
        assert!(asked < 40, "{asked} calls in ten minutes");
        recovers(world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_a_day_delays_and_ends_nothing() {
    let (world, _) = struck(FaultPlan::Seeded(82)).await;
    world.outage(Duration::from_secs(86_400)).await;
    assert_nothing_failed(&world).await;
    let asked = world.wire.heard("github.wire").len();
    assert!(asked < 400, "{asked} calls in a day");
    recovers(world).await;
}

/// After two days of nothing but errors, the attempts are counted, and the event fails.
#[tokio::test(start_paused = true)]
async fn an_outage_of_three_days_ends_the_event_with_its_reason() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world
        .wire
        .answer(POLICY, ALWAYS, Reply::status(500, "oops"));
    let delivery = world.github_sends("issues.opened").await;
    world.outage(Duration::from_secs(3 * 86_400)).await;
    world
        .assert_outcome(
            &delivery,
            EventState::Failed,
            "gave up after 12 attempts: could not read the file: GitHub failed with 500",
        )
        .await;
    assert_eq!(world.dead_letters().await, 0);
    world.settle().await;
    world.abandoned();
}

/// Copies of the message, from the sweeper, from SQS or from the sender, use no attempts: however
/// many there are, one attempt is counted for each wait, and one copy carries on.
#[tokio::test(start_paused = true)]
async fn copies_of_a_message_count_one_attempt() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world
        .wire
        .answer(POLICY, ALWAYS, Reply::status(409, "busy"));
    let delivery = world.github_sends("issues.opened").await;
    let key = EventKey::parse(EventSource::Github, &delivery).expect("an id");
    for attempt in 1..=6 {
        for _ in 0..7 {
            world.queue_gets(&Message::Event(key.clone())).await;
        }
        world.drain(Queue::GithubEvents).await;
        let row = world.event(EventSource::Github, &delivery).await;
        let row = row.expect("it is there");
        assert_eq!(
            (row.state, row.tries.attempts),
            (EventState::Pending, attempt)
        );
        assert_eq!(
            world.waiting(Queue::GithubEvents).await,
            1,
            "one copy carries on"
        );
        // While the row waits, the sweeper adds nothing.
        let due_at = row.tries.not_before.expect("it waits");
        let wait = due_at.since(world.stack.outside.now());
        world.elapse(wait + Duration::from_secs(2)).await;
        world.sweep().await;
        assert_eq!(world.waiting(Queue::GithubEvents).await, 1);
    }
    world.wire.clear();
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// Every message is lost while the event waits: the sweeper sends it a minute after its time.
#[tokio::test(start_paused = true)]
async fn an_event_that_waits_needs_no_message() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world.wire.cut(POLICY, 3);
    world.github_sends("issues.opened").await;
    for _ in 0..3 {
        world.drain(Queue::GithubEvents).await;
        crate::inbox::sweeping::lose_all_messages(&world).await;
        world.elapse(Duration::from_secs(130)).await;
        world.sweep().await;
    }
    world.settle().await;
    assert_eq!(world.commented_job().await.state, JobState::PrOpened);
    world.assert_delivered_once();
    world.done().await;
}

/// A comment waits for the end of an outage, too, and no message becomes a dead letter.
#[tokio::test(start_paused = true)]
async fn a_comment_outlasts_an_outage() {
    let world = World::with(FaultPlan::Seeded(83), &WIRED).await;
    let down = Reply::status(503, "down");
    world.wire.answer("issues/7/comments", ALWAYS, down);
    world.github_sends("issues.opened").await;
    world.outage(Duration::from_secs(86_400)).await;
    assert_eq!(world.comments(), Vec::<String>::new());
    assert_nothing_failed(&world).await;
    world.wire.clear();
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// A job that a program asked for waits for GitHub, too. While GitHub answers and is of no use, copies
/// of the message count one attempt for each wait.
#[tokio::test(start_paused = true)]
async fn a_requested_job_outlasts_an_outage() {
    let program = program("payg", &WIRED).await;
    let world = &program.world;
    world.wire.cut("github.wire", ALWAYS);
    let wanted = json!({ "repository": "acme/greeter", "issue": 7 });
    let (status, asked) = program.ask("POST", "/api/v1/jobs", Some(&wanted)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{asked}");
    let id = JobId::parse(asked["id"].as_str().expect("an id")).expect("a job's id");
    let row = async || {
        let found = world.stack.store.request_find(&id).await;
        found.expect("the store answers").expect("the request")
    };
    world.outage(Duration::from_secs(86_400)).await;
    assert_eq!((row().await.tries.attempts, row().await.outcome), (0, None));
    world.wire.clear();
    let busy = Reply::status(409, "busy");
    world.wire.answer("github.wire/repos", ALWAYS, busy);
    for attempt in 1..=4 {
        // Until its time has come, and whatever else is under way has arrived.
        world.elapse(Duration::from_secs(1_000)).await;
        for _ in 0..5 {
            world.queue_gets(&Message::Request(id.clone())).await;
        }
        world.drain(Queue::GithubEvents).await;
        assert_eq!(row().await.tries.attempts, attempt);
    }
    world.wire.clear();
    world.settle().await;
    world.assert_delivered_once();
    program.world.done().await;
}
