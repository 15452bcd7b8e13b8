//! Bodies of every size are returned byte for byte, or refused as a whole.

use crate::world::{FaultPlan, World, fixture};
use domain::inbox::{BODY_BYTES_MAX, EventSource, EventState};
use domain::jobs::JobState;
use http::StatusCode;
use stand_in_shared::faults::{Moment, scramble};

/// JSON of exactly this size, padded with one letter or with noise that no codec compresses much.
fn json_of(bytes: usize, noisy: bool) -> Vec<u8> {
    let (head, tail) = (r#"{"action":"created","pad":""#, r#""}"#);
    let mut seed = 1;
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_!#$%&'()*+,./:;<=>?@[]^`{|}~ ";
    let mut pad = std::iter::repeat_with(|| {
        seed = scramble(seed);
        let draw = usize::try_from(seed >> 40).expect("24 bits");
        if noisy {
            letters[draw % letters.len()]
        } else {
            b'x'
        }
    });
    let mut body = head.as_bytes().to_vec();
    body.extend(pad.by_ref().take(bytes - head.len() - tail.len()));
    body.extend(tail.as_bytes());
    body
}

async fn raw(world: &World, id: &str) -> Vec<u8> {
    let path = format!("/api/v1/admin/events/github/{id}/raw");
    let response = world
        .admin_request("GET", &path, Some("local-token"), None)
        .await;
    assert_eq!(response.status(), StatusCode::OK, "{id}");
    response.body().to_vec()
}

#[tokio::test(start_paused = true)]
async fn bodies_of_every_size_come_back_byte_for_byte() {
    let world = World::bare(FaultPlan::None, &[]).await;
    const KB: usize = 1024;
    for bytes in [
        29,
        KB,
        2 * KB,
        399 * KB,
        401 * KB,
        KB * KB,
        4 * KB * KB,
        BODY_BYTES_MAX,
    ] {
        for noisy in [false, true] {
            let (id, body) = (format!("size-{bytes}-{noisy}"), json_of(bytes, noisy));
            assert_eq!(body.len(), bytes);
            assert_eq!(
                world.github_delivers("star", &id, &body).await.status(),
                StatusCode::ACCEPTED,
                "{id}"
            );
            assert!(raw(&world, &id).await == body, "{id} is not what was sent");
            let row = world
                .event(EventSource::Github, &id)
                .await
                .expect("it is recorded");
            assert_eq!(row.body_bytes, u64::try_from(bytes).expect("small"));
            // The same body sent again is the same event.
            assert_eq!(
                world.github_delivers("star", &id, &body).await.status(),
                StatusCode::ACCEPTED,
                "{id}"
            );
        }
    }
    world.settle().await;
    assert_eq!(
        world
            .logged(EventSource::Github, &[EventState::Ignored])
            .await
            .len(),
        16
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_refused_and_nothing_is_written() {
    let world = World::bare(FaultPlan::None, &[]).await;
    let before = world.effects().len();
    for bytes in [BODY_BYTES_MAX + 1, 10 * 1024 * 1024, 25 * 1024 * 1024] {
        let body = json_of(bytes, false);
        assert_eq!(
            world
                .github_delivers("star", "too-large", &body)
                .await
                .status(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
        let now = world.stack.outside.now().seconds();
        let stripe = local_stack::signing::stripe_request(
            "http://x",
            local_stack::stack::LOCAL_SECRET,
            now,
            &body,
        );
        assert_eq!(
            world.stripe_receives(stripe).await.status(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }
    assert_eq!(world.effects().len(), before, "not a part of it");
    world.done().await;
}

/// The parts are written first and the head last, so a function that dies in between leaves nothing
/// that looks like an event.
#[tokio::test(start_paused = true)]
async fn a_large_body_is_recorded_whole_or_not_at_all() {
    let body = json_of(1024 * 1024, true);
    let puts = {
        let world = awake().await;
        let before = calls(&world);
        world.github_delivers("star", "large", &body).await;
        let names = world.stack.faults.log().split_off(before);
        assert_eq!(
            names.last().map(String::as_str),
            Some("sqs SendMessage"),
            "{names:?}"
        );
        assert!(
            names
                .iter()
                .rev()
                .skip(1)
                .all(|name| name == "dynamodb PutItem"),
            "{names:?}"
        );
        world.settle().await;
        world.done().await;
        names.len() - 1
    };
    assert!(puts >= 3, "two parts and a head at least, not {puts}");
    for place in 0..puts {
        for moment in [Moment::Before, Moment::After] {
            let world = awake().await;
            world.stack.faults.crash_at(
                u64::try_from(calls(&world) + place + 1).expect("few"),
                moment,
            );
            let first = world.github_delivers("star", "large", &body).await.status();
            assert_eq!(first, StatusCode::BAD_GATEWAY, "put {place} {moment:?}");
            let head_is_there = place + 1 == puts && moment == Moment::After;
            assert_eq!(
                world.event(EventSource::Github, "large").await.is_some(),
                head_is_there,
                "put {place} {moment:?}"
            );
            assert_eq!(
                world.github_delivers("star", "large", &body).await.status(),
                StatusCode::ACCEPTED
            );
            assert!(raw(&world, "large").await == body, "put {place} {moment:?}");
            world.settle().await;
            world.done().await;
        }
    }
}

/// A world whose receiver has cached the switch, so that the next webhook has its usual cost.
async fn awake() -> World {
    let world = World::bare(FaultPlan::None, &[]).await;
    world.github_delivers("ping", "first", b"{}").await;
    world
}

fn calls(world: &World) -> usize {
    usize::try_from(world.stack.faults.calls()).expect("few")
}

#[tokio::test(start_paused = true)]
async fn an_issue_of_four_megabytes_still_becomes_a_pull_request() {
    let world = World::start().await;
    let delivery = world
        .github_sends_changed("issues.opened", |event| {
            let long = format!(
                "{}\n\n{}",
                event["issue"]["body"].as_str().expect("a text"),
                "ü".repeat(2 * 1024 * 1024)
            );
            event["issue"]["body"] = long.into();
        })
        .await;
    world.settle().await;
    assert_eq!(world.commented_job().await.state, JobState::PrOpened);
    world.assert_delivered_once();
    assert!(raw(&world, &delivery).await.len() > 4 * 1024 * 1024);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn the_sample_events_come_back_as_they_are() {
    let world = World::bare(FaultPlan::None, &[]).await;
    for name in ["ping", "pull_request.opened"] {
        let body = serde_json::to_vec_pretty(&fixture("github", name)).expect("JSON");
        let (id, event) = (
            world.fresh_delivery(),
            name.split('.').next().expect("a name"),
        );
        world.github_delivers(event, &id, &body).await;
        assert!(raw(&world, &id).await == body, "{name}");
    }
    world.settle().await;
    world.done().await;
}
