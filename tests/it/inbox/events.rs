//! `/api/v1/admin/events`: listing events and reading one.

use crate::world::operator::assert_problem;
use crate::world::{FaultPlan, World, fixture};
use domain::inbox::{EventSource, EventState};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;

const PATH: &str = "/api/v1/admin/events";

/// All pages of a listing: their sizes, and the rows.
async fn pages(world: &World, query: &str) -> (Vec<usize>, Vec<Value>) {
    let (mut sizes, mut rows, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let (status, page) = world
            .operator("GET", &format!("{PATH}?{query}&cursor={cursor}"), None)
            .await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let found = page["events"].as_array().expect("a list");
        sizes.push(found.len());
        rows.extend(found.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return (sizes, rows),
        }
    }
}

fn ids<'a>(rows: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    rows.into_iter()
        .map(|row| row["id"].as_str().expect("an id").to_owned())
        .collect()
}

/// GitHub events that are ignored, some of them in the same millisecond.
async fn stars(world: &World, count: usize) {
    for n in 0..count {
        let body = serde_json::to_vec(&json!({ "action": "created", "n": n })).expect("JSON");
        let answer = world
            .github_delivers("star", &format!("star-{n:03}"), &body)
            .await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        if n % 7 == 0 {
            world.elapse(Duration::from_millis(10)).await;
        }
    }
    world.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_log_is_paged_without_gaps_or_repeats_newest_first() {
    let world = World::bare(FaultPlan::None, &[]).await;
    stars(&world, 120).await;
    for sample in ["customer.subscription.created", "invoice.paid"] {
        world.stripe_sends_changed(sample, |_| {}).await;
    }
    world.settle().await;
    for (query, expected) in [
        ("", vec![50, 50, 22]),
        ("source=github", vec![50, 50, 20]),
        ("source=stripe", vec![2]),
        ("status=ignored", vec![50, 50, 20]),
        ("status=unattributed", vec![2]),
        ("source=github&status=processed", vec![0]),
    ] {
        let (sizes, rows) = pages(&world, query).await;
        assert_eq!(sizes, expected, "{query}");
        assert_eq!(ids(&rows).len(), rows.len(), "{query}: nothing twice");
        let times: Vec<_> = rows
            .iter()
            .map(|row| row["received_at"].as_str().expect("a time"))
            .collect();
        assert!(
            times.windows(2).all(|pair| pair[0] >= pair[1]),
            "{query}: newest first"
        );
    }
    world.done().await;
    let world = World::bare(FaultPlan::None, &[]).await;
    stars(&world, 50).await;
    assert_eq!(
        pages(&world, "").await.0,
        [50],
        "a page of exactly fifty is the last"
    );
    world.done().await;
}

/// New events arrive during paging: every event from the beginning is still listed once.
#[tokio::test(start_paused = true)]
async fn new_events_do_not_disturb_who_is_paging() {
    let world = World::bare(FaultPlan::None, &[]).await;
    stars(&world, 60).await;
    let (_, first) = world.operator("GET", PATH, None).await;
    for n in 0..5 {
        world
            .github_delivers("star", &format!("later-{n}"), br#"{"action":"created"}"#)
            .await;
    }
    world.settle().await;
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let (_, second) = world
        .operator("GET", &format!("{PATH}?cursor={cursor}"), None)
        .await;
    let rows = [&first, &second]
        .into_iter()
        .flat_map(|page| page["events"].as_array().expect("a list"));
    assert_eq!(ids(rows), (0..60).map(|n| format!("star-{n:03}")).collect());
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn every_status_can_be_asked_for() {
    let world = World::with(FaultPlan::None, &[]).await;
    let finished = world.github_sends("issues.opened").await;
    let ignored = world.github_sends("ping").await;
    world
        .github_delivers("issues", "failed", br#"{"action":"opened"}"#)
        .await;
    world
        .github_delivers("star", "first", br#"{"action":"created"}"#)
        .await;
    world.settle().await;
    world
        .github_delivers("star", "first", br#"{"action":"deleted"}"#)
        .await;
    let pending = world.github_sends("issues.labeled").await;
    for (status, expected) in [
        ("processed", vec![finished]),
        ("ignored", vec![ignored, "first".to_owned()]),
        ("failed", vec!["failed".to_owned()]),
        ("pending", vec![pending]),
    ] {
        let (_, page) = world
            .operator("GET", &format!("{PATH}?status={status}"), None)
            .await;
        let rows = page["events"].as_array().expect("a list");
        assert_eq!(ids(rows), expected.into_iter().collect(), "{status}");
        assert!(rows.iter().all(|row| row["status"] == status), "{rows:?}");
    }
    let (_, page) = world
        .operator("GET", &format!("{PATH}?status=quarantined"), None)
        .await;
    let id = page["events"][0]["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("first#"), "{id}");
    let (status, shown) = world
        .operator(
            "GET",
            &format!("{PATH}/github/{}", id.replace('#', "%23")),
            None,
        )
        .await;
    assert_eq!(
        (status, &shown),
        (StatusCode::OK, &page["events"][0]),
        "shown as it is listed"
    );
    world.settle().await;
    world.abandoned();
}

/// Encodes as cursors are encoded: base64 without padding, with `-` and `_`.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letters = bytes.chunks(3).flat_map(|chunk| {
        let bits = (0..3).fold(0_u32, |bits, place| {
            bits << 8 | chunk.get(place).map_or(0, |byte| u32::from(*byte))
        });
        (0..=chunk.len()).map(move |place| {
            let six = bits >> (18 - 6 * place) & 63;
            char::from(LETTERS[usize::try_from(six).expect("six bits")])
        })
    });
    letters.collect()
}

#[tokio::test(start_paused = true)]
async fn bad_queries_say_what_is_wrong() {
    let world = World::bare(FaultPlan::None, &[]).await;
    stars(&world, 1).await;
    let cursor = |text: &[u8]| format!("cursor={}", base64(text));
    for (query, code) in [
        ("source=gitlab".to_owned(), "bad_source"),
        ("source=GitHub".to_owned(), "bad_source"),
        ("status=open".to_owned(), "bad_status"),
        ("status=pending,failed".to_owned(), "bad_status"),
        ("cursor=%21%21".to_owned(), "bad_cursor"),
        ("cursor=AAAA====".to_owned(), "bad_cursor"),
        (cursor(b"x"), "bad_cursor"),
        (cursor(b"x.y"), "bad_cursor"),
        (cursor(b"99999999999999999999.y"), "bad_cursor"),
        (cursor(&[0xff, 0xfe]), "bad_cursor"),
        ("limit=1000".to_owned(), "bad_query"),
        ("source=github&source=stripe".to_owned(), "bad_query"),
    ] {
        let response = world
            .admin_request("GET", &format!("{PATH}?{query}"), Some("local-token"), None)
            .await;
        assert_problem(&query, &response, 400, code);
    }
    // A well-formed cursor that was never issued lists older rows and causes no failure.
    for text in [
        "0.x",
        "-1.x",
        "9223372036854775807.zzz",
        "1795210980000.",
        "1795210980000.a.b#c",
    ] {
        let (status, page) = world
            .operator("GET", &format!("{PATH}?{}", cursor(text.as_bytes())), None)
            .await;
        assert_eq!(status, StatusCode::OK, "{text}: {page}");
    }
    let (_, page) = world
        .operator("GET", &format!("{PATH}?source=&status=&cursor="), None)
        .await;
    assert_eq!(
        page["events"].as_array().map(Vec::len),
        Some(1),
        "what is not asked for narrows nothing"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_shows_what_the_log_knows() {
    let world = World::with(FaultPlan::None, &[]).await;
    let body = serde_json::to_vec(&fixture("github", "issues.opened")).expect("JSON");
    world.github_delivers("issues", "d-1", &body).await;
    let path = format!("{PATH}/github/d-1");
    let (_, pending) = world.operator("GET", &path, None).await;
    let not_yet = (&json!("pending"), &Value::Null, &Value::Null);
    assert_eq!(
        (
            &pending["status"],
            &pending["outcome"],
            &pending["processed_at"]
        ),
        not_yet
    );
    world.settle().await;
    let (status, shown) = world.operator("GET", &path, None).await;
    assert_eq!(status, StatusCode::OK);
    for (field, value) in [
        ("id", json!("d-1")),
        ("source", json!("github")),
        ("type", json!("issues.opened")),
        ("status", json!("processed")),
        ("provenance", json!("signature")),
        ("received_at", json!("2026-11-20T21:43:00.000Z")),
        ("attempts", json!(0)),
        ("body_bytes", json!(body.len())),
        ("digest", json!(hex::encode(Sha256::digest(&body)))),
    ] {
        assert_eq!(shown[field], value, "{field} of {shown:#}");
    }
    assert!(
        shown["outcome"]
            .as_str()
            .is_some_and(|outcome| outcome.starts_with("job job_")),
        "{shown:#}"
    );
    let raw = world
        .admin_request("GET", &format!("{path}/raw"), Some("local-token"), None)
        .await;
    assert_eq!(raw.headers()["content-type"], "application/octet-stream");
    assert_eq!(
        raw.headers()["x-content-type-options"],
        "nosniff",
        "foreign bytes are never a cursor"
    );
    assert!(raw.body() == &body);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_event_is_not_found() {
    let world = World::bare(FaultPlan::None, &[]).await;
    stars(&world, 1).await;
    let long = format!("github/{}", "a".repeat(300));
    for event in [
        "github/d-1",
        "stripe/star-000",
        "gitlab/star-000",
        "github/star-000%23x",
        "github/%20",
        "github/a%2Fb",
        "stripe/evt_1",
        &long,
    ] {
        for (method, end) in [("GET", ""), ("GET", "/raw"), ("POST", "/replay")] {
            let path = format!("{PATH}/{event}{end}");
            assert_problem(
                &path,
                &world
                    .admin_request(method, &path, Some("local-token"), None)
                    .await,
                404,
                "not_found",
            );
        }
    }
    assert_eq!(
        world
            .logged(EventSource::Github, &EventState::ALL)
            .await
            .len(),
        1
    );
    world.done().await;
}
