//! Usage that Stripe accepted and then could not count.

use crate::world::program::{Program, program};
use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World, fixture};
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::UsageId;
use domain::inbox::{EventSource, EventState};
use http::StatusCode;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::{Value, json};

/// F-F6: an alarm is raised, and the usage that Stripe names waits for an operator; a repeated
/// event changes nothing.
#[tokio::test(start_paused = true)]
async fn what_was_not_counted_waits_for_a_person() {
    let world = World::with(FaultPlan::Seeded(161), &WIRED).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_delivered_once();
    let job = world.commented_job().await;
    let usage = UsageId::of_job(&job.facts.id);
    let debts = AccountMeter {
        account: job.facts.account.clone(),
        meter: Meter::pull_requests(),
    };
    let reported = async || {
        world
            .stack
            .store
            .usage_find(&debts, &usage)
            .await
            .expect("the store answers")
    };
    assert!(reported().await.is_some(), "it was reported to Stripe");
    for (nth, sample) in [
        "v1.billing.meter.error_report_triggered",
        "v1.billing.meter.no_meter_found",
    ]
    .into_iter()
    .enumerate()
    {
        let event = fixture("stripe", sample);
        let id = event["id"].as_str().expect("an id");
        let samples = [
            json!({ "error_message": "No such customer", "request": { "identifier": format!("{usage}-pull_requests") } }),
            json!({ "error_message": "No such customer", "request": { "identifier": "use_01hzy3v7q0m8n4s2e6r5t9w1xa-tokens" } }),
            json!({ "error_message": "No such customer", "request": { "identifier": "not-of-ours" } }),
        ];
        let kind = json!({ "code": "meter_event_customer_not_found", "error_count": 3, "sample_errors": samples });
        let full = json!({ "id": id, "object": "v2.core.event", "type": sample,
            "data": { "reason": { "error_count": 3, "error_types": [kind] } } });
        world.wire.answer(
            &format!("GET stripe.wire/v2/core/events/{id}"),
            ALWAYS,
            Reply::json(200, full),
        );
        let (state, says) = world.acts_on(&event).await;
        assert_eq!(state, EventState::Processed);
        assert_eq!(
            says, "Stripe could not count 3 reports; 1 of ours wait for a person",
            "{nth}"
        );
        assert_eq!(reported().await, None, "it does not pass for billed");
    }
    assert_eq!(world.owed().await, 0, "and is not sent again automatically");
    world.settle().await;
    world.done().await;
}

/// Stripe says that it could not count this report. Returns what the event's outcome says.
async fn not_counted(world: &World, identifier: &str) -> String {
    let event = fixture("stripe", "v1.billing.meter.error_report_triggered");
    let id = event["id"].as_str().expect("an id");
    let sample =
        json!({ "error_message": "No such customer", "request": { "identifier": identifier } });
    let kind = json!({ "code": "meter_event_customer_not_found", "error_count": 1, "sample_errors": [sample] });
    let full = json!({ "id": id, "object": "v2.core.event", "type": event["type"],
        "data": { "reason": { "error_count": 1, "error_types": [kind] } } });
    let path = format!("GET stripe.wire/v2/core/events/{id}");
    world.wire.answer(&path, ALWAYS, Reply::json(200, full));
    let (mut state, mut says) = world.acts_on(&event).await;
    if state == EventState::Pending {
        // A write met another one.
        world.settle().await;
        (state, says) = world.outcome(EventSource::Stripe, id).await;
    }
    assert_eq!(state, EventState::Processed);
    says
}

/// The records of an account in a state, as operators see them.
async fn records(program: &Program, state: &str) -> Vec<Value> {
    let path = format!(
        "/api/v1/admin/accounts/{}/usage?state={state}",
        program.account
    );
    let (status, page) = program.world.operator("GET", &path, None).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    page["usage"].as_array().expect("a list").clone()
}

/// Asserts that the one reported record of an account becomes stuck, and stays what it was.
async fn assert_set_aside(program: Program, source: &str) {
    program.world.settle().await;
    let reported = records(&program, "reported").await;
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert_ne!(reported[0][source], Value::Null, "{reported:?}");
    let identifier = reported[0]["identifier"].as_str().expect("an identifier");
    assert_eq!(
        not_counted(&program.world, identifier).await,
        "Stripe could not count 1 reports; 1 of ours wait for a person"
    );
    assert_eq!(records(&program, "reported").await, Vec::<Value>::new());
    let stuck = records(&program, "stuck").await;
    assert_eq!(stuck.len(), 1, "{stuck:?}");
    for field in [source, "value", "identifier", "amount_minor", "used_at"] {
        assert_eq!(stuck[0][field], reported[0][field], "{field}");
    }
    let why = stuck[0]["reason"].as_str().expect("a reason");
    assert!(why.contains("No such customer"), "{why}");
    program.world.settle().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_of_an_external_agent_that_was_not_counted_waits_for_a_person() {
    let program = program("payg", &WIRED).await;
    let fixed = json!({ "phase": "mitigate", "status": "success", "repository": "acme/greeter", "issue": 12 });
    let (status, told) = program
        .ask("POST", "/api/v1/phase-data", Some(&fixed))
        .await;
    assert_eq!(
        (status, &told["billing"]),
        (StatusCode::CREATED, &json!("billed"))
    );
    assert_set_aside(program, "report").await;
}

#[tokio::test(start_paused = true)]
async fn a_summary_that_was_not_counted_waits_for_a_person() {
    let program = program("hybrid", &WIRED).await;
    let github = &program.world.vendors.github;
    github.push_file(OWNER, REPOSITORY, "main", "docs/aloha.md", "aloha\n");
    let commit = github.commits_on(OWNER, REPOSITORY, "main")[0].sha.clone();
    let path = format!("/api/v1/repos/{OWNER}/{REPOSITORY}/commits/{commit}/summary");
    let (status, queued) = program.ask("POST", &path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{queued}");
    assert_set_aside(program, "assist").await;
}
