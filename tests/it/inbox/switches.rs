//! An operator's switches: they take effect within a minute in running functions, nothing is lost
//! or counted as a failure meanwhile, and work resumes within a minute of being allowed again.

use crate::world::program::program;
use crate::world::wire::WIRED;
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::inbox::{EventSource, EventState};
use domain::jobs::JobState;
use http::StatusCode;
use local_stack::signing::github_request;
use local_stack::stack::LOCAL_SECRET;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::{Value, json};
use stand_in_shared::faults::{Effect, Fault};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const METER_EVENTS: &str = "POST stripe.wire/v1/billing/meter_events";

impl World {
    /// Sets a switch as an operator, and gives every function a minute to see it.
    pub async fn switch(&self, name: &str, on: bool) {
        self.put(
            &format!("switches/{name}"),
            &json!({ "on": on, "reason": "a drill" }),
        )
        .await;
        self.elapse(MINUTE).await;
    }

    /// Pauses or resumes the work of an account in the same way.
    pub async fn pause(&self, account: &domain::ids::AccountId, paused: bool) {
        let body = json!({ "paused": paused, "reason": "a drill" });
        self.put(&format!("accounts/{account}/paused"), &body).await;
        self.elapse(MINUTE).await;
    }

    async fn put(&self, path: &str, body: &Value) {
        loop {
            let (status, answer) = self
                .operator("PUT", &format!("/api/v1/admin/{path}"), Some(body))
                .await;
            match status {
                StatusCode::SERVICE_UNAVAILABLE => {}
                StatusCode::OK => return,
                other => panic!("{path}: {other} {answer}"),
            }
        }
    }

    /// Lets time pass minute by minute while queues, sweeper and functions run.
    pub async fn minutes(&self, count: u32) {
        for _ in 0..count {
            while self.turn_all().await > 0 {}
            self.elapse(MINUTE).await;
            self.sweep().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_stopped_is_recorded_and_waits() {
    let world = World::start().await;
    // Every function has seen that all switches are on.
    let first = world.github_sends("issues.closed").await;
    world.settle().await;
    for source in ["github", "stripe"] {
        world.switch(&format!("process_{source}"), false).await;
    }
    let issue = world.github_sends("issues.opened").await;
    assert!(
        world
            .stripe_sends_changed("invoice.paid", |_| {})
            .await
            .is_success(),
        "it is taken all the same"
    );
    world.minutes(90).await;
    world.assert_nothing_delivered();
    let waiting = world
        .event(EventSource::Github, &issue)
        .await
        .expect("it is recorded");
    assert_eq!(
        (waiting.state, waiting.tries.attempts),
        (EventState::Pending, 0),
        "no failure"
    );
    assert_eq!(
        world
            .logged(EventSource::Stripe, &[EventState::Pending])
            .await
            .len(),
        1
    );
    let messages =
        world.waiting(Queue::GithubEvents).await + world.waiting(Queue::StripeEvents).await;
    assert_eq!(messages, 0, "no message is sent again and again");
    for source in ["github", "stripe"] {
        world
            .put(
                &format!("switches/process_{source}"),
                &json!({ "on": true, "reason": "over" }),
            )
            .await;
    }
    world.minutes(2).await;
    assert_ne!(
        world
            .event(EventSource::Github, &issue)
            .await
            .expect("it is there")
            .state,
        EventState::Pending,
        "within a minute"
    );
    assert_eq!(
        world
            .logged(EventSource::Stripe, &[EventState::Pending])
            .await
            .len(),
        0
    );
    world.settle().await;
    world.assert_delivered_once();
    assert_ne!(
        world
            .event(EventSource::Github, &first)
            .await
            .expect("it is there")
            .state,
        EventState::Pending
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_accounts_work_waits_and_continues() {
    let program = program("payg", &WIRED).await;
    let (world, account) = (&program.world, &program.account);
    // One job is in progress, and another is requested while the account is paused.
    let begun = world.github_sends("issues.opened").await;
    world.drain(Queue::GithubEvents).await;
    world.pause(account, true).await;
    world
        .vendors
        .github
        .add_issue(OWNER, REPOSITORY, 8, "another", "please");
    let asked = world
        .github_sends_changed("issues.opened", |event| {
            event["issue"]["number"] = 8.into();
            event["issue"]["id"] = 70_008.into();
        })
        .await;
    world.minutes(45).await;
    world.assert_nothing_delivered();
    let job = world.job_of(&begun).await;
    assert_eq!(
        (job.state, job.attempts),
        (JobState::Queued, 0),
        "no try was counted"
    );
    let waiting = world
        .event(EventSource::Github, &asked)
        .await
        .expect("it is recorded");
    assert_eq!(
        (waiting.state, waiting.tries.attempts),
        (EventState::Pending, 0)
    );
    assert!(
        world.comments().is_empty(),
        "GitHub is not written to either"
    );
    let job = json!({ "repository": format!("{OWNER}/{REPOSITORY}"), "issue": 7 });
    let (status, refused) = program.ask("POST", "/api/v1/jobs", Some(&job)).await;
    assert_eq!(
        (status, refused["code"].as_str()),
        (StatusCode::CONFLICT, Some("account_paused")),
        "{refused}"
    );
    let hold = json!({ "credits": "1" });
    let (status, refused) = program
        .ask("POST", "/api/v1/credits/holds", Some(&hold))
        .await;
    assert_eq!(
        (status, refused["code"].as_str()),
        (StatusCode::CONFLICT, Some("account_paused")),
        "{refused}"
    );
    program.get("/api/v1/jobs").await;
    let paused = world
        .operator("GET", "/api/v1/admin/switches", None)
        .await
        .1["paused_accounts"]
        .clone();
    assert_eq!(paused[0]["account_id"], account.as_str());

    world.pause(account, false).await;
    world.minutes(2).await;
    assert_ne!(
        world.job_of(&begun).await.state,
        JobState::Queued,
        "it continues within a minute"
    );
    world.settle().await;
    for delivery in [begun, asked] {
        assert_eq!(world.job_of(&delivery).await.state, JobState::PrOpened);
    }
    let (status, _) = program
        .ask("POST", "/api/v1/credits/holds", Some(&hold))
        .await;
    assert_ne!(status, StatusCode::CONFLICT);
    program.world.done().await;
}

/// The operator's switch overrides the setting, in running functions.
#[tokio::test(start_paused = true)]
async fn billing_is_switched_off_and_on_while_it_runs() {
    for setting in ["true", "false"] {
        let settings = [WIRED[0], WIRED[1], WIRED[2], ("BILLING_ENABLED", setting)];
        let world = World::with(FaultPlan::None, &settings).await;
        world.switch("billing_enabled", false).await;
        world.github_sends("issues.opened").await;
        world.minutes(30).await;
        assert_eq!(
            (world.owed().await, world.wire.heard(METER_EVENTS).len()),
            (1, 0),
            "kept"
        );
        world.switch("billing_enabled", true).await;
        world.minutes(2).await;
        assert_eq!(world.owed().await, 0, "reported within a minute");
        world.settle().await;
        world.assert_delivered_once();
        world.done().await;
    }
}

/// A function that cannot read the switches keeps its last state. A function that never could read
/// them works as if all were on.
#[tokio::test(start_paused = true)]
async fn switches_that_cannot_be_read_keep_their_last_state() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    let unreadable = || Fault {
        on: "GetItem".to_owned(),
        effect: Effect::Unreachable,
        times: 4,
    };
    let send = async |n: u32| {
        let delivery = world.fresh_delivery();
        let body = serde_json::to_vec(&json!({ "zen": n })).expect("JSON");
        world
            .github_delivers("ping", &delivery, &body)
            .await
            .status()
    };
    world.stack.faults.inject(unreadable());
    assert_eq!(send(1).await, StatusCode::ACCEPTED, "never known: taken");
    world.stack.faults.inject(Fault {
        times: 0,
        ..unreadable()
    });
    world.elapse(MINUTE).await;
    assert_eq!(send(2).await, StatusCode::ACCEPTED);
    world.switch("ingest_github", false).await;
    assert_eq!(send(3).await, StatusCode::SERVICE_UNAVAILABLE);
    world.elapse(MINUTE).await;
    world.stack.faults.inject(unreadable());
    assert_eq!(
        send(4).await,
        StatusCode::SERVICE_UNAVAILABLE,
        "as it stood"
    );
    world.switch("ingest_github", true).await;
    while send(5).await != StatusCode::ACCEPTED {
        world.elapse(MINUTE).await;
    }
    world.settle().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_stopped_says_when_to_come_again() {
    let world = World::start().await;
    let reads = || {
        world
            .stack
            .faults
            .log()
            .iter()
            .filter(|call| call.contains("GetItem"))
            .count()
    };
    let deliver_both = async || {
        let body = serde_json::to_vec(&json!({ "zen": "z" })).expect("JSON");
        world
            .github_receives(github_request(
                "http://t",
                LOCAL_SECRET,
                "ping",
                &world.fresh_delivery(),
                &body,
            ))
            .await
    };
    let before = reads();
    for _ in 0..50 {
        assert_eq!(deliver_both().await.status(), StatusCode::ACCEPTED);
    }
    assert_eq!(
        reads() - before,
        1,
        "one read a minute, however many webhooks"
    );
    world.switch("ingest_github", false).await;
    let before = reads();
    for _ in 0..50 {
        let response = deliver_both().await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "60");
    }
    assert_eq!(reads() - before, 1);
    assert!(
        world
            .stripe_sends_changed("invoice.paid", |_| {})
            .await
            .is_success(),
        "the other one is open"
    );
    assert_eq!(
        world
            .logged(EventSource::Github, &[EventState::Pending])
            .await
            .len(),
        50,
        "nothing of it was recorded"
    );
    world.switch("ingest_stripe", false).await;
    assert_eq!(
        world.stripe_sends_changed("invoice.paid", |_| {}).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    for name in ["ingest_github", "ingest_stripe"] {
        world.switch(name, true).await;
    }
    assert_eq!(deliver_both().await.status(), StatusCode::ACCEPTED);
    world.settle().await;
    world.done().await;
}

/// The automatic approval of sign-ups can be changed while everything runs.
#[tokio::test(start_paused = true)]
async fn sign_ups_wait_while_auto_provision_is_off() {
    let world = World::bare(FaultPlan::Seeded(5), &[]).await;
    world.switch("auto_provision", false).await;
    world.github_sends("installation.created").await;
    world.settle().await;
    let issue = world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_outcome(&issue, EventState::Ignored, "waits for approval")
        .await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn every_change_is_kept_with_who_and_why() {
    let world = World::with(FaultPlan::None, &[]).await;
    let (_, all) = world.operator("GET", "/api/v1/admin/switches", None).await;
    let all = all["switches"].as_array().expect("a list").clone();
    assert_eq!(all.len(), 6);
    for switch in &all {
        assert_eq!(
            (&switch["on"], &switch["word"]),
            (&Value::Null, &Value::Null),
            "it is at its default: {switch}"
        );
    }
    for name in ["ingest_github", "process_stripe", "auto_provision"] {
        let path = format!("/api/v1/admin/switches/{name}");
        for (on, why, changed) in [
            (false, "too much", true),
            (false, "again", false),
            (true, "better", true),
        ] {
            let (status, answer) = world
                .operator("PUT", &path, Some(&json!({ "on": on, "reason": why })))
                .await;
            assert_eq!(
                (status, answer["changed"].as_bool()),
                (StatusCode::OK, Some(changed)),
                "{answer}"
            );
            world.elapse(Duration::from_secs(1)).await;
        }
        let (_, shown) = world.operator("GET", &path, None).await;
        let said: Vec<_> = shown["changes"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|change| &change["reason"])
            .collect();
        assert_eq!(
            said,
            ["better", "too much"],
            "newest first, and what changed nothing is no change"
        );
        assert_eq!(
            (&shown["on"], &shown["word"]["by"]),
            (&json!(true), &json!("local"))
        );
    }
    let path = "/api/v1/admin/switches/ingest_github";
    for body in [
        json!({ "on": false }),
        json!({ "on": false, "reason": " " }),
        json!({ "on": 1, "reason": "x" }),
    ] {
        assert_eq!(
            world.operator("PUT", path, Some(&body)).await.0,
            StatusCode::BAD_REQUEST,
            "{body}"
        );
    }
    let word = json!({ "on": false, "reason": "x" });
    assert_eq!(
        world
            .operator("PUT", "/api/v1/admin/switches/all", Some(&word))
            .await
            .0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        world
            .admin_request("PUT", path, None, Some(&word))
            .await
            .status(),
        StatusCode::UNAUTHORIZED
    );
    let nobody = "/api/v1/admin/accounts/acc_00000000000000000000000000/paused";
    let pause = json!({ "paused": true, "reason": "x" });
    assert_eq!(
        world.operator("PUT", nobody, Some(&pause)).await.0,
        StatusCode::NOT_FOUND
    );
    world.done().await;
}
