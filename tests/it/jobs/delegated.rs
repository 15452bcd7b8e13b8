//! Jobs that an external agent works on: they wait for its report, which delivers or ends them, and
//! they are charged once.

use crate::world::money::Sold;
use crate::world::program::{Program, program};
use crate::world::verbs::together;
use crate::world::{FaultPlan, World};
use domain::ids::JobId;
use domain::jobs::JobState;
use http::StatusCode;
use local_stack::world::{CUSTOMER, OWNER};
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};
use std::time::Duration;

const JOBS: &str = "/api/v1/jobs";
const PHASES: &str = "/api/v1/phase-data";
/// How long a job waits for an agent.
const SILENCE: Duration = Duration::from_secs(7 * 86_400);

fn wanted(issue: u64) -> Value {
    json!({ "repository": "acme/greeter", "issue": issue, "agent": "external" })
}

fn report(job: &str, phase: &str, status: &str) -> Value {
    json!({ "phase": phase, "status": status, "repository": "acme/greeter", "issue": 7, "job_id": job })
}

/// The report that delivers the job.
fn fixed(job: &str) -> Value {
    let mut body = report(job, "mitigate", "success");
    body["pull_request"] = 31.into();
    body
}

/// A catalogue in which a fix that is paid with credits has a fee.
fn with_fee(name: &str) -> Sold {
    Sold::with(
        name,
        &[(
            "[[plan]]\nid = \"credits\"",
            "[[plan]]\nid = \"credits\"\nfee = 15",
        )],
    )
}

impl Program {
    /// Delegates an issue to an external agent. Returns the job's id once the job waits for the
    /// report.
    async fn delegates(&self) -> String {
        let (status, asked) = self.ask("POST", JOBS, Some(&wanted(7))).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{asked}");
        self.world.minutes(3).await;
        let id = asked["id"].as_str().expect("an id").to_owned();
        let shown = self.get(&format!("{JOBS}/{id}")).await;
        assert_eq!(
            (&shown["state"], &shown["agent"]),
            (&json!("DELEGATED"), &json!("external")),
            "{shown}"
        );
        id
    }

    async fn send_report(&self, body: &Value) -> (StatusCode, Value) {
        self.ask("POST", PHASES, Some(body)).await
    }

    async fn state(&self, id: &str) -> JobState {
        let id = JobId::parse(id).expect("an id");
        self.world
            .stack
            .store
            .job_find(&id)
            .await
            .expect("the store answers")
            .expect("a job")
            .state
    }

    async fn balance(&self) -> (Value, Value) {
        let balance = self.get("/api/v1/billing/balance").await;
        (balance["balance"].clone(), balance["held"].clone())
    }
}

#[tokio::test(start_paused = true)]
async fn an_outside_agent_s_job_is_delivered_by_its_report_and_paid_from_its_hold() {
    let sold = with_fee("delegated_credits");
    let program = program("credits", &[("CATALOGUE", sold.path())]).await;
    let world = &program.world;
    world.adjusts(&program.account, "100", "a gift").await;
    let id = program.delegates().await;
    assert_eq!(
        program.balance().await,
        (json!("85"), json!("15")),
        "the fix, and no tokens"
    );
    assert!(
        world.vendors.model.calls().is_empty(),
        "it is not planned here"
    );
    for (phase, status) in [("scan", "success"), ("validate", "failure")] {
        let (status, answer) = program.send_report(&report(&id, phase, status)).await;
        assert_eq!(
            (status, &answer["billing"]),
            (StatusCode::CREATED, &json!("not_billable")),
            "{answer}"
        );
    }
    assert_eq!(program.state(&id).await, JobState::Delegated);
    let (status, answer) = program
        .send_report(&report(&id, "mitigate", "success"))
        .await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::BAD_REQUEST, &json!("bad_pull_request")),
        "{answer}"
    );

    let first = world
        .customer(&program.key, "POST", PHASES, "a run", Some(&fixed(&id)))
        .await;
    assert_eq!(
        (first.0, &first.1["billing"], &first.1["job_id"]),
        (StatusCode::CREATED, &json!("billed"), &json!(id))
    );
    let again = world
        .customer(&program.key, "POST", PHASES, "a run", Some(&fixed(&id)))
        .await;
    assert_eq!(again, (StatusCode::OK, first.1), "the same act");
    assert_eq!(
        program.send_report(&fixed(&id)).await.1["billing"],
        "already_billed",
        "another act on the same job"
    );
    let mut plain = fixed(&id);
    plain.as_object_mut().expect("an object").remove("job_id");
    assert_eq!(
        program.send_report(&plain).await.1["billing"],
        "already_billed",
        "and on the same fix"
    );
    world.settle().await;
    assert_eq!(program.balance().await, (json!("85"), json!("0")));
    world.assert_ledger_agrees().await;

    let shown = program.get(&format!("{JOBS}/{id}")).await;
    assert_eq!(
        (&shown["state"], &shown["pull_request"], &shown["price"]),
        (&json!("PR_OPENED"), &json!(31), &json!("15"))
    );
    assert!(
        shown["pull_request_url"]
            .as_str()
            .is_some_and(|url| url.ends_with("/acme/greeter/pull/31")),
        "{shown}"
    );
    let comments = world.vendors.github.comments(OWNER, "greeter", 7);
    assert!(
        comments.len() == 1 && comments[0].body.contains("#31"),
        "{comments:?}"
    );

    // The issue is free again, and a push to the known branch attaches its pull request to the job.
    let later = world
        .customer(&program.key, "POST", JOBS, "later", Some(&wanted(7)))
        .await
        .1;
    world.minutes(3).await;
    assert_eq!(
        program.state(later["id"].as_str().expect("an id")).await,
        JobState::Delegated
    );
    world
        .github_sends_changed("pull_request.closed", |event| {
            event["number"] = 31.into();
            event["pull_request"]["number"] = 31.into();
            event["pull_request"]["merged"] = true.into();
            event["pull_request"]["head"]["ref"] = format!("tallyhook/{id}").into();
        })
        .await;
    world.minutes(3).await;
    assert_eq!(program.state(&id).await, JobState::Merged);
    program.world.abandoned();
}

#[tokio::test(start_paused = true)]
async fn an_outside_agent_s_job_is_on_the_meter_once_however_many_report_it() {
    let program = program("payg", &[]).await;
    let id = program.delegates().await;
    let fixed = fixed(&id);
    let answers = together((0..8).map(|_| program.send_report(&fixed))).await;
    let billed = answers
        .iter()
        .filter(|(_, answer)| answer["billing"] == "billed")
        .count();
    assert_eq!(billed, 1, "{answers:?}");
    for queue in [::queues::Queue::Usage, ::queues::Queue::Pulls] {
        let handed = program.world.turn(queue).await;
        assert!(handed > 0, "{queue} gets its message without the sweeper");
    }
    program.world.settle().await;
    assert_eq!(
        program
            .world
            .vendors
            .stripe
            .total(CUSTOMER, "pull_requests"),
        1
    );
    assert_eq!(program.get("/api/v1/account").await["current_usage"], 1);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_agent_fails_or_falls_silent_costs_nothing() {
    let sold = with_fee("delegated_ends");
    for (body, words) in [
        (Some("mitigate"), "reported a failure"),
        (None, "for 7 days"),
    ] {
        let program = program("credits", &[("CATALOGUE", sold.path())]).await;
        let world = &program.world;
        world.adjusts(&program.account, "20", "a gift").await;
        let id = program.delegates().await;
        if let Some(phase) = body {
            assert_eq!(
                program.send_report(&report(&id, phase, "failure")).await.1["billing"],
                "not_billable"
            );
        }
        // All due work ends, including the agent's seven days.
        world.skip(SILENCE);
        world.settle().await;
        let shown = program.get(&format!("{JOBS}/{id}")).await;
        assert_eq!(shown["state"], "FAILED", "{shown}");
        assert!(
            shown["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains(words)),
            "{shown}"
        );
        assert_eq!(program.balance().await, (json!("20"), json!("0")));
        assert_eq!(program.get("/api/v1/account").await["current_usage"], 0);
        let (status, again) = program
            .ask("POST", &format!("{JOBS}/{id}/retry"), None)
            .await;
        assert_eq!(status, StatusCode::ACCEPTED, "{again}");
        world.minutes(3).await;
        let again = program
            .get(&format!("{JOBS}/{}", again["id"].as_str().expect("an id")))
            .await;
        assert_eq!(
            (&again["state"], &again["agent"]),
            (&json!("DELEGATED"), &json!("external")),
            "by the same agent"
        );
        assert!(world.vendors.model.calls().is_empty(), "and no other");
        world.skip(SILENCE);
        world.settle().await;
        assert_eq!(program.balance().await, (json!("20"), json!("0")));
        // A fix that is reported anyway has happened. It is charged once, as without a job.
        assert_eq!(
            program.send_report(&fixed(&id)).await.1["billing"],
            "billed"
        );
        assert_eq!(
            program.send_report(&fixed(&id)).await.1["billing"],
            "already_billed"
        );
        assert_eq!(
            (program.balance().await, program.state(&id).await),
            ((json!("5"), json!("0")), JobState::Failed)
        );
        assert_eq!(program.get("/api/v1/account").await["current_usage"], 1);
        world.assert_ledger_agrees().await;
        program.world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_moves_its_own_job_and_no_other() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    let id = program.delegates().await;
    let (status, answer) = program
        .ask(
            "POST",
            JOBS,
            Some(&json!({ "repository": "acme/greeter", "issue": 7, "agent": "me" })),
        )
        .await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::BAD_REQUEST, &json!("bad_agent")),
        "{answer}"
    );
    let mut elsewhere = fixed(&id);
    elsewhere["issue"] = 8.into();
    let (status, answer) = program.send_report(&elsewhere).await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::CONFLICT, &json!("other_job")),
        "{answer}"
    );
    for unknown in ["job_00000000000000000000000000", "x"] {
        let (status, answer) = program.send_report(&fixed(unknown)).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::NOT_FOUND, &json!("not_found")),
            "{answer}"
        );
    }
    let body =
        json!({ "stripe_customer_id": "cus_Other", "installation_id": 9_009, "plan": "payg" });
    let other = world
        .operator("POST", "/api/v1/admin/accounts", Some(&body))
        .await
        .1;
    let other = domain::ids::AccountId::parse(other["id"].as_str().expect("an id")).expect("an id");
    let outsider = world.key_of(&other, "theirs").await;
    let (status, answer) = world
        .customer(&outsider, "POST", PHASES, "theirs", Some(&fixed(&id)))
        .await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::NOT_FOUND, &json!("not_found")),
        "{answer}"
    );
    let (status, _) = program
        .ask("POST", &format!("{JOBS}/{id}/cancel"), None)
        .await;
    assert!(status.is_success(), "{status}");
    assert_eq!(program.state(&id).await, JobState::Cancelled);
    let (_, ours) = program
        .ask(
            "POST",
            JOBS,
            Some(&json!({ "repository": "acme/greeter", "issue": 7 })),
        )
        .await;
    world.settle().await;
    let (status, answer) = program
        .send_report(&fixed(ours["id"].as_str().expect("an id")))
        .await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::CONFLICT, &json!("not_delegated")),
        "{answer}"
    );
    assert_eq!(
        world.vendors.stripe.total(CUSTOMER, "pull_requests"),
        1,
        "our own"
    );
    program.world.abandoned();
}

/// The report may die at this call; its retry delivers the job once. Returns its calls.
async fn dies_at(plan: &str, sold: &Sold, call: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) =
        World::on_plan(FaultPlan::None, plan, &[("CATALOGUE", sold.path())]).await;
    world.adjusts(&account, "20", "a gift").await;
    let key = world.key_of(&account, "the first").await;
    let (_, asked) = world
        .customer(&key, "POST", JOBS, "a job", Some(&wanted(7)))
        .await;
    world.minutes(3).await;
    let id = asked["id"].as_str().expect("an id");
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(before + call, moment);
    }
    let _ = world
        .customer_once(&key, "POST", PHASES, "once", Some(&fixed(id)))
        .await;
    let calls = world.stack.faults.since(before);
    let (_, answer) = world
        .customer(&key, "POST", PHASES, "once", Some(&fixed(id)))
        .await;
    assert_eq!(answer["billing"], "billed", "{call:?}: {answer}");
    world.settle().await;
    let expected = if plan == "payg" { (1, "20") } else { (0, "5") };
    assert_eq!(
        world.vendors.stripe.total(CUSTOMER, "pull_requests"),
        expected.0,
        "{plan} {call:?}"
    );
    assert_eq!(
        world.balance(&account).await.available.to_string(),
        expected.1,
        "{plan} {call:?}"
    );
    world.assert_ledger_agrees().await;
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_report_that_delivers() {
    let sold = with_fee("delegated_deaths");
    for plan in ["payg", "credits"] {
        let calls = dies_at(plan, &sold, None).await;
        assert!(calls.len() >= 4, "{calls:?}");
        for death in deaths(&calls) {
            dies_at(plan, &sold, Some(death)).await;
        }
    }
}
