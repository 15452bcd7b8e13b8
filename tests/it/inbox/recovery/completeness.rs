//! What operators see: complete, incomplete, or that nothing is known.

use super::{HOUR, MINUTE, sends, watched};
use crate::world::wire::{ALWAYS, WIRED};
use crate::world::{FaultPlan, World};
use domain::inbox::EventSource;
use local_stack::stack::EVENTS_TABLE;
use serde_json::{Value, json};

async fn shown(world: &World) -> [Value; 2] {
    let (_, answer) = world
        .operator("GET", "/api/v1/admin/completeness", None)
        .await;
    [answer["sources"][0].clone(), answer["sources"][1].clone()]
}

async fn states(world: &World) -> [String; 2] {
    shown(world)
        .await
        .map(|source| source["state"].as_str().expect("a state").to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_was_not_looked_at_is_unknown() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    assert_eq!(states(&world).await, ["unknown", "unknown"]);
    world.skip(MINUTE);
    world.recovers().await;
    world.github_sends("issues.labeled").await;
    world.settle().await;
    world.skip(MINUTE * 20);
    world.recovers().await;
    assert_eq!(states(&world).await, ["complete", "complete"]);
    let [github, stripe] = shown(&world).await;
    assert_eq!(
        (&github["counted"]["made"], &github["counted"]["done"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(stripe["counted"]["made"], stripe["counted"]["done"]);
    // From now on, GitHub cannot be asked.
    world.wire.cut("github.wire", ALWAYS);
    world.recovery_runs(HOUR, MINUTE * 5).await;
    assert_eq!(states(&world).await, ["unknown", "complete"]);
    world.wire.clear();
    world.recovers().await;
    assert_eq!(states(&world).await, ["complete", "complete"]);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_named() {
    let world = watched(FaultPlan::None, &[]).await;
    world.vendors.github.set_receiver_status(Some(502));
    let lost = sends(&world).await;
    world.recovers().await;
    let [github, _] = shown(&world).await;
    assert_eq!(
        (&github["state"], &github["missing"]),
        (&json!("incomplete"), &json!(1))
    );
    let miss = &github["misses"][0];
    assert_eq!(
        (&miss["id"], &miss["type"]),
        (&json!(lost), &json!("issues.labeled"))
    );
    world.vendors.github.set_receiver_status(None);
    world.recovery_runs(HOUR, MINUTE * 5).await;
    assert_eq!(states(&world).await[0], "complete");
    world.settle().await;
    world.done().await;
}

/// A row of the log disappears: the next count names it, and the event comes back.
#[tokio::test(start_paused = true)]
async fn a_lost_row_comes_back() {
    let world = watched(FaultPlan::None, &[]).await;
    let lost = world.github_sends("issues.labeled").await;
    world.settle().await;
    let rows = world.stack.tables.rows(EVENTS_TABLE);
    let row = rows.iter().find(|row| row.to_string().contains(&lost));
    world
        .stack
        .tables
        .row_remove(EVENTS_TABLE, row.expect("it is recorded"));
    world.skip(MINUTE * 5);
    let run = world.recovers().await;
    assert_eq!((run.missing, run.recorded), (1, 1));
    let row = world.event(EventSource::Github, &lost).await;
    assert_eq!(row.expect("it is back").provenance, "provider-api");
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// Anybody may look, and sees numbers only.
#[tokio::test(start_paused = true)]
async fn the_public_page_says_what_is_known() {
    let world = watched(FaultPlan::None, &[]).await;
    let look = async |accept: &str| {
        let request = http::Request::get("http://tallyhook.test/status")
            .header("accept", accept)
            .body(bytes::Bytes::new())
            .expect("a request");
        let answer = world.stack.answer(request).await;
        assert_eq!(answer.status(), http::StatusCode::OK);
        assert_eq!(answer.headers()["cache-control"], "public, max-age=60");
        String::from_utf8(answer.body().to_vec()).expect("text")
    };
    let page = look("text/html").await;
    assert!(
        page.contains("unknown") && !page.contains(" of 0"),
        "{page}"
    );
    world.vendors.github.set_receiver_status(Some(502));
    let lost = sends(&world).await;
    world.vendors.github.set_receiver_status(None);
    world.skip(MINUTE * 20);
    world.recovers().await;
    let page = look("text/html").await;
    assert!(
        page.contains("incomplete") && page.contains("1 of 2"),
        "{page}"
    );
    assert!(!page.contains(&lost), "{page}");
    let json: Value = serde_json::from_str(&look("application/json").await).expect("JSON");
    let github = &json["events"][0];
    assert_eq!(
        (&github["made"], &github["arrived"]),
        (&json!(2), &json!(1))
    );
    assert!(!json.to_string().contains(&lost), "{json}");
    world.github_redelivers().await;
    world.recovers().await;
    // It is read once a minute.
    assert!(look("text/html").await.contains("incomplete"));
    world.skip(MINUTE * 2);
    let page = look("text/html").await;
    assert!(
        !page.contains("incomplete") && page.contains("2 of 2"),
        "{page}"
    );
    world.settle().await;
    world.done().await;
}
