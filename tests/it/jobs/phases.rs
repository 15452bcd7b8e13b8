//! Reports of external agents: one charge for one fix, by any agent, with any key and in any order.

mod crash;

use crate::world::money::Sold;
use crate::world::program::{Program, program};
use crate::world::verbs::together;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use domain::jobs::fixes::Fix;
use domain::jobs::{FixPaid, JobState};
use domain::ledger::Cause;
use http::StatusCode;
use local_stack::world::{CUSTOMER, OWNER, REPOSITORY};
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};

const PHASES: &str = "/api/v1/phase-data";
const JOBS: &str = "/api/v1/jobs";

fn phase(phase: &str, status: &str, issue: u64) -> Value {
    json!({ "phase": phase, "status": status, "repository": "acme/greeter", "issue": issue })
}

impl Program {
    /// Reports a phase under a new idempotency key. Returns how it is billed.
    async fn reports(&self, body: &Value) -> String {
        let (status, answer) = self.ask("POST", PHASES, Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["billing"].as_str().expect("a word").to_owned()
    }

    fn metered(&self) -> i64 {
        self.world.vendors.stripe.total(CUSTOMER, "pull_requests")
    }

    async fn pulls_counted(&self) -> Value {
        self.get("/api/v1/account").await["current_usage"].clone()
    }

    /// Requests a job for the issue and runs it to its end. Returns the job.
    async fn orders(&self, issue: u64) -> Value {
        let wanted = json!({ "repository": "acme/greeter", "issue": issue });
        let (_, asked) = self.ask("POST", JOBS, Some(&wanted)).await;
        self.world.settle().await;
        self.get(&format!("{JOBS}/{}", asked["id"].as_str().expect("an id")))
            .await
    }
}

#[tokio::test(start_paused = true)]
async fn phase_completion_bills_a_fix_once() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    for (name, status) in [
        ("scan", "success"),
        ("validate", "success"),
        ("mitigate", "failure"),
        ("scan", "failure"),
    ] {
        assert_eq!(
            program.reports(&phase(name, status, 12)).await,
            "not_billable",
            "{name} {status}"
        );
    }
    let fixed = phase("mitigate", "success", 12);
    let first = world
        .customer(&program.key, "POST", PHASES, "a run", Some(&fixed))
        .await;
    assert_eq!(
        (first.0, &first.1["billing"]),
        (StatusCode::CREATED, &json!("billed")),
        "{}",
        first.1
    );
    // The same report, in the same words and in others.
    let again = world
        .customer(&program.key, "POST", PHASES, "a run", Some(&fixed))
        .await;
    assert_eq!(again, (StatusCode::OK, first.1.clone()));
    let other = world
        .customer(
            &program.key,
            "POST",
            PHASES,
            "a run",
            Some(&phase("mitigate", "success", 13)),
        )
        .await;
    assert_eq!(
        (other.0, &other.1["code"]),
        (StatusCode::CONFLICT, &json!("idempotency_key_reused"))
    );
    // Other reports of the same fix: another key, other capitalization, more fields, and an earlier
    // phase.
    let loud = json!({ "phase": "mitigate", "status": "success", "repository": "ACME/Greeter", "issue": 12, "pull_request": 5 });
    assert_eq!(program.reports(&loud).await, "already_billed");
    assert_eq!(
        program.reports(&phase("validate", "success", 12)).await,
        "not_billable"
    );
    let (_, key) = program
        .ask(
            "POST",
            "/api/v1/api-keys",
            Some(&json!({ "name": "b", "scopes": ["usage"] })),
        )
        .await;
    let key = key["secret"].as_str().expect("a key");
    let by_other = world
        .customer(key, "POST", PHASES, "a run of another", Some(&fixed))
        .await;
    assert_eq!(
        (by_other.0, &by_other.1["billing"]),
        (StatusCode::CREATED, &json!("already_billed"))
    );
    // A fix without an issue is identified by a name.
    let named = json!({ "phase": "mitigate", "status": "success", "repository": "acme/greeter", "fix": "CVE-2026-1" });
    assert_eq!(
        (program.reports(&named).await, program.reports(&named).await),
        ("billed".into(), "already_billed".into())
    );
    world.settle().await;
    assert_eq!(
        (program.metered(), world.vendors.stripe.meter_events().len()),
        (2, 2)
    );
    assert_eq!(program.pulls_counted().await, 2);
    program.world.done().await;
}

/// Stripe has the usage at once. The sweeper only repeats a message that is lost.
#[tokio::test(start_paused = true)]
async fn a_reported_fix_is_on_the_meter_at_once() {
    let (world, account) = World::on_plan(FaultPlan::None, "payg", &[]).await;
    let key = world.key_of(&account, "the first").await;
    let body = phase("mitigate", "success", 12);
    let reported = world.customer(&key, "POST", PHASES, "once", Some(&body));
    assert_eq!(reported.await.0, StatusCode::CREATED);
    while world.turn_all().await > 0 {}
    let stripe = &world.vendors.stripe;
    assert_eq!(stripe.total(CUSTOMER, "pull_requests"), 1);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn reports_at_once_are_one_charge() {
    let program = program("payg", &[]).await;
    let fixed = phase("mitigate", "success", 12);
    let billed = together((0..8).map(|_| program.reports(&fixed))).await;
    assert_eq!(
        billed.iter().filter(|word| *word == "billed").count(),
        1,
        "{billed:?}"
    );
    program.world.settle().await;
    assert_eq!(
        (program.metered(), program.pulls_counted().await),
        (1, json!(1))
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_fix_that_a_job_delivered_is_not_billed_again() {
    let program = program("payg", &[]).await;
    assert_eq!(program.orders(7).await["state"], "PR_OPENED");
    assert_eq!(
        program.reports(&phase("mitigate", "success", 7)).await,
        "already_billed"
    );
    program.world.settle().await;
    program.world.assert_delivered_once();
    assert_eq!(program.pulls_counted().await, 1);
    program.world.done().await;
}

/// A report replaces the delivery of one job and not of a second one, so a report does not pay for
/// further jobs.
#[tokio::test(start_paused = true)]
async fn a_fix_that_was_reported_first_is_not_billed_with_its_job() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    assert_eq!(
        program.reports(&phase("mitigate", "success", 7)).await,
        "billed"
    );
    let job = program.orders(7).await;
    assert_eq!(job["state"], "PR_OPENED");
    assert_eq!(
        (program.metered(), program.pulls_counted().await),
        (1, json!(1)),
        "one fix"
    );
    let pull = world.vendors.github.pulls(OWNER, REPOSITORY).remove(0);
    assert_eq!(
        world.job_of_branch(&pull.head).await.fix_paid,
        FixPaid::Before
    );
    world
        .vendors
        .github
        .close_pull(OWNER, REPOSITORY, pull.number);
    world
        .github_sends_changed("pull_request.closed", |event| {
            event["number"] = pull.number.into();
            event["pull_request"]["number"] = pull.number.into();
            event["pull_request"]["merged"] = false.into();
            event["pull_request"]["head"]["ref"] = pull.head.clone().into();
        })
        .await;
    world.settle().await;
    assert_eq!(
        world.job_of_branch(&pull.head).await.state,
        JobState::Closed
    );
    let (status, again) = program
        .ask(
            "POST",
            &format!("{JOBS}/{}/retry", job["id"].as_str().expect("an id")),
            None,
        )
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{again}");
    world.settle().await;
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 2);
    assert_eq!(
        (program.metered(), program.pulls_counted().await),
        (2, json!(2)),
        "a second pull request is a second one"
    );
    assert_eq!(
        program.reports(&phase("mitigate", "success", 7)).await,
        "already_billed"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn credits_pay_a_fix_and_the_rest_is_a_debt() {
    let sold = Sold::with(
        "phases_fee",
        &[(
            "[[plan]]\nid = \"credits\"",
            "[[plan]]\nid = \"credits\"\nfee = 15",
        )],
    );
    let program = program("credits", &[("CATALOGUE", sold.path())]).await;
    let world = &program.world;
    world.adjusts(&program.account, "20", "a gift").await;
    assert_eq!(
        program.reports(&phase("mitigate", "success", 1)).await,
        "billed"
    );
    assert_eq!(
        program.reports(&phase("mitigate", "success", 1)).await,
        "already_billed"
    );
    let balance = program.get("/api/v1/billing/balance").await;
    assert_eq!(
        (&balance["balance"], &balance["debt"]),
        (&json!("5"), &json!("0")),
        "{balance}"
    );
    let cause = Cause::Fix(Fix::of_issue(OWNER, REPOSITORY, 1)).to_string();
    assert_eq!(balance["recentTransactions"][0]["id"], cause);
    assert_eq!(
        program.reports(&phase("mitigate", "success", 2)).await,
        "billed"
    );
    let balance = program.get("/api/v1/billing/balance").await;
    assert_eq!(
        (&balance["balance"], &balance["debt"]),
        (&json!("0"), &json!("10")),
        "delivered, so owed: {balance}"
    );
    let job = program.orders(7).await;
    assert!(
        job["state"] == "FAILED" && job["reason"].to_string().contains("are owed"),
        "nothing new begins: {job}"
    );
    // With sufficient credits again, a job on a reported fix costs its tokens and no fee.
    world.adjusts(&program.account, "2000", "a purchase").await;
    assert_eq!(
        program.reports(&phase("mitigate", "success", 7)).await,
        "billed"
    );
    let before = world.balance(&program.account).await.available;
    assert_eq!(program.orders(7).await["state"], "PR_OPENED");
    let pull = world.vendors.github.pulls(OWNER, REPOSITORY).remove(0);
    let job = world.job_of_branch(&pull.head).await;
    let paid = before.less(world.balance(&program.account).await.available);
    let tokens = domain::billing::plans::price(
        job.cost,
        domain::billing::plans::BasisPoints(2_000),
        domain::units::Credits::ZERO,
    );
    assert_eq!(
        (paid, domain::jobs::cost_to_customer(&job)),
        (tokens, tokens)
    );
    world.settle().await;
    world.assert_ledger_agrees().await;
    assert_eq!(program.metered(), 0);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_trial_s_fixes_end_with_its_quota_and_then_no_job_begins() {
    let program = program("trial", &[]).await;
    for issue in 1..=10 {
        assert_eq!(
            program.reports(&phase("mitigate", "success", issue)).await,
            "billed"
        );
    }
    let beyond = phase("mitigate", "success", 11);
    let (status, refused) = program.ask("POST", PHASES, Some(&beyond)).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::FORBIDDEN, &json!("quota_used")),
        "{refused}"
    );
    let again = program.reports(&phase("mitigate", "success", 1)).await;
    assert_eq!(again, "already_billed", "it counted before");
    assert_eq!(program.pulls_counted().await, 10);
    let job = program.orders(7).await;
    assert_eq!(job["state"], "FAILED", "{job}");
    assert!(
        job["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("are used up")),
        "{job}"
    );
    assert_eq!(
        (program.metered(), program.pulls_counted().await),
        (0, json!(10))
    );
    let notices = program.world.notices(&program.account).await;
    assert!(
        notices
            .iter()
            .any(|notice| notice.starts_with("quota_used")),
        "{notices:?}"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_is_its_own_account_s_and_says_what_it_must() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    let with = |name: &str, value: Value| {
        let mut body = phase("mitigate", "success", 12);
        body[name] = value;
        body
    };
    let stripe = &world.vendors.stripe;
    stripe.add_customer("cus_Other", "other@acme.example");
    world.customer_subscribes_to("cus_Other", "payg").await;
    let body =
        json!({ "stripe_customer_id": "cus_Other", "installation_id": 9_009, "plan": "payg" });
    let other = world
        .operator("POST", "/api/v1/admin/accounts", Some(&body))
        .await
        .1;
    let other = AccountId::parse(other["id"].as_str().expect("an id")).expect("an id");
    for id in ["cus_Other", other.as_str(), "cus_Nobody", ""] {
        let (status, answer) = program
            .ask("POST", PHASES, Some(&with("customer_id", json!(id))))
            .await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::FORBIDDEN, &json!("other_customer")),
            "{id}"
        );
        assert!(
            !answer.to_string().contains(program.account.as_str()),
            "{answer}"
        );
    }
    for (body, code) in [
        (with("phase", json!("deploy")), "bad_phase"),
        (with("status", json!("ok")), "bad_status"),
        (with("repository", json!("greeter")), "bad_repository"),
        (with("issue", json!(0)), "bad_fix"),
        (with("issue", Value::Null), "bad_fix"),
        (with("fix", json!("x")), "bad_fix"),
        (with("commit", json!("a b")), "bad_reference"),
        (with("run_id", json!("")), "bad_reference"),
        (with("pull_request", json!(0)), "bad_reference"),
        (with("data", json!({ "x": "y".repeat(5_000) })), "bad_data"),
        (with("occurred_at", json!("yesterday")), "bad_occurred_at"),
        (
            with("occurred_at", json!("2099-01-01T00:00:00Z")),
            "bad_occurred_at",
        ),
        (with("account", json!(other.as_str())), "bad_body"),
        (json!([]), "bad_body"),
    ] {
        let (status, answer) = program.ask("POST", PHASES, Some(&body)).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{body}"
        );
    }
    assert_eq!(
        program.get(PHASES).await["phases"],
        json!([]),
        "nothing of that was stored"
    );
    assert_eq!(
        program.reports(&with("customer_id", json!(CUSTOMER))).await,
        "billed"
    );
    assert_eq!(
        program
            .reports(&with("customer_id", json!(program.account.as_str())))
            .await,
        "already_billed"
    );
    // The same name in another account is another fix, and reveals nothing about this one.
    let outsider = world.key_of(&other, "theirs").await;
    let theirs = world
        .customer(
            &outsider,
            "POST",
            PHASES,
            "once",
            Some(&phase("mitigate", "success", 12)),
        )
        .await;
    assert_eq!(
        (theirs.0, &theirs.1["billing"]),
        (StatusCode::CREATED, &json!("billed"))
    );
    let seen = world.customer(&outsider, "GET", PHASES, "", None).await.1;
    assert_eq!(seen["phases"].as_array().map(Vec::len), Some(1), "{seen}");
    world.settle().await;
    assert_eq!(program.metered(), 1);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn reports_are_listed_by_pages_as_they_were_sent() {
    let program = program("payg", &[]).await;
    let data = json!({ "findings": 3, "tool": { "name": "x" } });
    let body = json!({ "phase": "scan", "status": "success", "repository": "Acme/Greeter", "issue": 1, "commit": "0f5c1e7a90",
        "run_id": "987", "pull_request": 4, "data": data, "occurred_at": "2026-01-02T03:04:05Z" });
    program.reports(&body).await;
    for issue in 2..=27 {
        program
            .world
            .elapse(std::time::Duration::from_millis(2))
            .await;
        program.reports(&phase("scan", "failure", issue)).await;
    }
    let first = program.get(PHASES).await;
    let next = first["next_cursor"]
        .as_str()
        .expect("27 reports are two pages");
    let second = program.get(&format!("{PHASES}?cursor={next}")).await;
    let sent: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page["phases"].as_array().expect("a list"))
        .map(|one| one["issue"].as_u64().expect("an issue"))
        .collect();
    assert_eq!(
        (sent, &second["next_cursor"]),
        ((1..=27).rev().collect(), &Value::Null)
    );
    let oldest = second["phases"]
        .as_array()
        .and_then(|list| list.last())
        .expect("a report");
    for (name, value) in body
        .as_object()
        .expect("an object")
        .iter()
        .filter(|(name, _)| *name != "occurred_at")
    {
        assert_eq!(&oldest[name], value, "{name}");
    }
    assert_eq!(
        (&oldest["occurred_at"], &oldest["fix"]),
        (
            &json!("2026-01-02T03:04:05.000Z"),
            &json!("acme/greeter#issue-1")
        )
    );
    let (status, _) = program
        .ask("GET", &format!("{PHASES}?cursor=x"), None)
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    // Jobs are listed separately.
    assert_eq!(program.get(JOBS).await["jobs"], json!([]));
    program.world.done().await;
}
