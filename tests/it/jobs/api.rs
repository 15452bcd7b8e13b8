//! `/api/v1/jobs`: an account's view of its jobs.

use crate::world::program::program;
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn jobs_are_listed_by_pages_with_what_they_cost() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    world.adjusts(&program.account, "100000", "plenty").await;
    for number in 30..57_u64 {
        world.issue_opens(number).await;
    }
    world.settle().await;
    let first = program.get("/api/v1/jobs").await;
    let next = first["next_cursor"]
        .as_str()
        .expect("27 jobs are two pages");
    let second = program.get(&format!("/api/v1/jobs?cursor={next}")).await;
    let mut ids: Vec<&Value> = [&first, &second]
        .iter()
        .flat_map(|page| page["jobs"].as_array().expect("a list"))
        .map(|job| &job["id"])
        .collect();
    assert_eq!((ids.len(), &second["next_cursor"]), (27, &Value::Null));
    ids.dedup();
    assert_eq!(ids.len(), 27);
    let job = &first["jobs"][0];
    assert_eq!(
        (&job["state"], &job["paid_by"], &job["repository"]),
        (
            &json!("PR_OPENED"),
            &json!("credits"),
            &json!("acme/greeter")
        )
    );
    assert!(
        job["price"].as_str().is_some_and(|price| price != "0") && job["pull_request"].is_u64()
    );
    let shown = program
        .get(&format!(
            "/api/v1/jobs/{}",
            job["id"].as_str().expect("an id")
        ))
        .await;
    assert_eq!(&shown, job);
    world.assert_ledger_agrees().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn the_owner_of_a_job_may_cancel_it() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    world.adjusts(&program.account, "1000", "a gift").await;
    world.github_sends("issues.opened").await;
    world.turn(::queues::Queue::GithubEvents).await;
    let id = world.open_job().await.expect("a job");
    while world.turn(::queues::Queue::Pulls).await > 0 {}
    let path = format!("/api/v1/jobs/{id}/cancel");
    let (status, job) = program.ask("POST", &path, None).await;
    assert!(
        world.turn(::queues::Queue::Pulls).await > 0,
        "the comment is brought up to date at once, without the sweeper"
    );
    assert_eq!(
        (status, &job["state"]),
        (StatusCode::ACCEPTED, &json!("CANCELLED")),
        "{job}"
    );
    assert_eq!(
        program.ask("POST", &path, None).await.0,
        StatusCode::OK,
        "again"
    );
    world.settle().await;
    world
        .assert_not_delivered(domain::jobs::JobState::Cancelled, "its owner cancelled it")
        .await;
    assert_eq!(
        program.get("/api/v1/billing/balance").await["balance"],
        "1000"
    );

    world.elapse(Duration::from_secs(1)).await;
    world.github_sends("issue_comment.created").await;
    world.settle().await;
    let delivered = program.get("/api/v1/jobs").await["jobs"][0].clone();
    let path = format!(
        "/api/v1/jobs/{}/cancel",
        delivered["id"].as_str().expect("an id")
    );
    let (status, refused) = program.ask("POST", &path, None).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::CONFLICT, &json!("delivered")),
        "{delivered}"
    );
    world.assert_ledger_agrees().await;
    program.world.done().await;
}
