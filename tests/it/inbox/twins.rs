//! The same event with other bytes: what a sender's API returns is never quarantined against what
//! its webhook signed, and two signed bodies that differ still are.

use crate::world::{FaultPlan, World, fixture};
use domain::inbox::{Delivery, EventKey, EventSource, EventState, Verified};
use domain::time::Timestamp;
use http::StatusCode;
use store::Recorded;

const ID: &str = "d-1";

fn body(note: &str) -> Vec<u8> {
    let mut body = fixture("github", "issues.opened");
    body["note"] = note.into();
    serde_json::to_vec(&body).expect("JSON")
}

fn fetched(note: &str) -> Verified<Delivery> {
    webhooks::github::fetched(ID, "issues", body(note)).expect("a delivery")
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Webhook(&'static str),
    Api(&'static str),
}

/// Records a body. Returns whether it is kept as another event.
async fn quarantined(world: &World, from: Body) -> bool {
    let now: Timestamp = world.stack.outside.now();
    match from {
        Body::Webhook(note) => {
            let response = world.github_delivers("issues", ID, &body(note)).await;
            assert_eq!(response.status(), StatusCode::ACCEPTED);
            let text = String::from_utf8_lossy(response.body()).into_owned();
            text.contains("quarantined")
        }
        Body::Api(note) => {
            let recorded = world.stack.inbox.record(&fetched(note), now).await;
            matches!(recorded.expect("recorded"), Recorded::Quarantined(_))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_two_signed_bodies_are_two_events() {
    use Body::{Api, Webhook};
    for (bodies, expected) in [
        (
            [Webhook("a"), Webhook("a"), Webhook("b")],
            [false, false, true],
        ),
        ([Webhook("a"), Api("b"), Api("c")], [false, false, false]),
        (
            [Api("a"), Webhook("b"), Webhook("b")],
            [false, false, false],
        ),
        ([Api("a"), Api("b"), Webhook("c")], [false, false, false]),
        // The second signed body differs from the first, whatever was fetched before.
        ([Api("a"), Webhook("b"), Webhook("c")], [false, false, true]),
        ([Webhook("a"), Api("b"), Webhook("c")], [false, false, true]),
        ([Api("a"), Webhook("b"), Api("c")], [false, false, false]),
    ] {
        let world = World::with(FaultPlan::None, &[]).await;
        for (from, is_other) in bodies.into_iter().zip(expected) {
            assert_eq!(
                quarantined(&world, from).await,
                is_other,
                "{from:?} of {bodies:?}"
            );
        }
        world.settle().await;
        world.assert_delivered_once();
        let kept = world
            .logged(EventSource::Github, &[EventState::Quarantined])
            .await;
        let others = expected.iter().filter(|other| **other).count();
        assert_eq!(kept.len(), others, "{bodies:?}");
        world.done().await;
    }
}

/// What we fetched ourselves is no new delivery of the sender's.
#[tokio::test(start_paused = true)]
async fn a_fetched_body_takes_up_no_failed_event() {
    let world = World::with(FaultPlan::None, &[]).await;
    let key = EventKey::parse(EventSource::Github, ID).expect("an id");
    let now = world.stack.outside.now();
    world.github_delivers("issues", ID, &body("a")).await;
    let why = domain::inbox::Finish::Failed("a test".to_owned());
    let finished = world.stack.inbox.finish(&key, &why, now).await;
    finished.expect("it is pending");
    let recorded = world.stack.inbox.record(&fetched("b"), now).await;
    assert_eq!(recorded.expect("recorded"), Recorded::Settled);
    let row = world.event(EventSource::Github, ID).await;
    assert_eq!(row.expect("it is there").state, EventState::Failed);
    world.drain(::queues::Queue::GithubEvents).await;
    world.abandoned();
}
