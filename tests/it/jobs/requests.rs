//! Jobs that programs request: one job per request, whatever fails on the way, and none where none
//! is allowed.

use crate::world::program::{Program, program};
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::ids::AccountId;
use domain::jobs::JobState;
use http::StatusCode;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Effect, Fault, Moment, deaths};

const JOBS: &str = "/api/v1/jobs";

fn wanted(repository: &str, issue: u64) -> Value {
    json!({ "repository": repository, "issue": issue })
}

fn id_of(answer: &Value) -> String {
    answer["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id in {answer}"))
        .to_owned()
}

impl Program {
    /// Requests a job. Returns its id.
    async fn asks_for(&self, repository: &str, issue: u64) -> String {
        let (status, answer) = self
            .ask("POST", JOBS, Some(&wanted(repository, issue)))
            .await;
        assert_eq!(
            (status, &answer["state"]),
            (StatusCode::ACCEPTED, &json!("REQUESTED")),
            "{answer}"
        );
        id_of(&answer)
    }

    async fn shown(&self, id: &str) -> Value {
        self.get(&format!("{JOBS}/{id}")).await
    }

    /// Asserts that the request was refused for this reason, and that nothing was created or
    /// charged.
    async fn assert_refused(&self, id: &str, words: &str) {
        let shown = self.shown(id).await;
        assert_eq!(shown["state"], "REFUSED", "{shown}");
        assert!(
            shown["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains(words)),
            "{shown}; expected {words:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_asked_for_shown_on_its_way_and_delivered() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    let asked = world
        .customer(
            &program.key,
            "POST",
            JOBS,
            "a click",
            Some(&wanted("Acme/greeter", 7)),
        )
        .await;
    assert_eq!(
        (asked.0, &asked.1["state"]),
        (StatusCode::ACCEPTED, &json!("REQUESTED")),
        "{}",
        asked.1
    );
    assert_eq!(
        world
            .customer(
                &program.key,
                "POST",
                JOBS,
                "a click",
                Some(&wanted("Acme/greeter", 7))
            )
            .await,
        asked
    );
    let other = world
        .customer(
            &program.key,
            "POST",
            JOBS,
            "a click",
            Some(&wanted("acme/greeter", 8)),
        )
        .await;
    assert_eq!(
        (other.0, &other.1["code"]),
        (StatusCode::CONFLICT, &json!("idempotency_key_reused"))
    );
    let mut outside = wanted("acme/greeter", 7);
    outside["agent"] = "external".into();
    let outside = world
        .customer(&program.key, "POST", JOBS, "a click", Some(&outside))
        .await;
    assert_eq!(
        (outside.0, &outside.1["code"]),
        (StatusCode::CONFLICT, &json!("idempotency_key_reused")),
        "the same issue for another agent is another wish"
    );
    let id = id_of(&asked.1);
    let shown = program.shown(&id).await;
    assert_eq!(
        (&shown["state"], &shown["paid_by"], &shown["issue"]),
        (&json!("REQUESTED"), &Value::Null, &json!(7))
    );
    let early = program
        .ask("POST", &format!("{JOBS}/{id}/cancel"), None)
        .await;
    assert_eq!(
        (early.0, &early.1["code"]),
        (StatusCode::CONFLICT, &json!("not_begun"))
    );
    world.settle().await;
    let shown = program.shown(&id).await;
    assert_eq!(
        (&shown["id"], &shown["state"]),
        (&json!(id), &json!("PR_OPENED")),
        "{shown}"
    );
    assert_eq!(
        (&shown["paid_by"], &shown["repository"]),
        (&json!("meters"), &json!("acme/greeter"))
    );
    assert!(
        shown["timeline"]
            .as_array()
            .is_some_and(|moments| moments.len() >= 6),
        "{shown}"
    );
    world.assert_delivered_once();
    // Repeating the same request after all that still returns the same job.
    assert_eq!(
        world
            .customer(
                &program.key,
                "POST",
                JOBS,
                "a click",
                Some(&wanted("Acme/greeter", 7))
            )
            .await,
        asked
    );
    world.settle().await;
    world.assert_delivered_once();
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_issue_that_has_a_job_is_joined() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    world.github_sends("issues.opened").await;
    world.turn(Queue::GithubEvents).await;
    let job = world.open_job().await.expect("a job").to_string();
    let asked = program.asks_for("acme/greeter", 7).await;
    let twice = program.asks_for("acme/greeter", 7).await;
    assert!(asked != job && twice != asked, "acts of their own");
    world.settle().await;
    for id in [&job, &asked, &twice] {
        let shown = program.shown(id).await;
        assert_eq!(
            (&shown["id"], &shown["state"]),
            (&json!(job), &json!("PR_OPENED")),
            "{id}"
        );
    }
    world.assert_delivered_once();
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn no_job_is_made_where_none_is_allowed() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    let github = &world.vendors.github;
    for (body, code) in [
        (
            json!({ "repository": "greeter", "issue": 7 }),
            "bad_repository",
        ),
        (
            json!({ "repository": "acme/..", "issue": 7 }),
            "bad_repository",
        ),
        (
            json!({ "repository": "acme/greeter", "issue": 0 }),
            "bad_issue",
        ),
        (
            json!({ "repository": "acme/greeter", "issue": 7, "account": "acc_1" }),
            "bad_body",
        ),
        (json!({ "repository": "acme/greeter" }), "bad_body"),
    ] {
        let (status, answer) = program.ask("POST", JOBS, Some(&body)).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{body}"
        );
    }
    // Another owner's repository. The App is installed there too, and another account pays for it.
    github.add_repository(
        8_001,
        9_002,
        "globex",
        6_001,
        "theirs",
        "main",
        &[("README.md", "hello")],
    );
    github.add_issue("globex", "theirs", 1, "Something", "of theirs");
    let body =
        json!({ "stripe_customer_id": "cus_Other", "installation_id": 8_001, "plan": "payg" });
    let (_, other) = world
        .operator("POST", "/api/v1/admin/accounts", Some(&body))
        .await;
    let other = AccountId::parse(other["id"].as_str().expect("an id")).expect("an id");
    let theirs = program.asks_for("globex/theirs", 1).await;
    let unknown = program.asks_for("globex/nothing", 1).await;
    github.add_issue(OWNER, REPOSITORY, 8, "Done", "already");
    github.close_issue(OWNER, REPOSITORY, 8);
    let closed = program.asks_for("acme/greeter", 8).await;
    let absent = program.asks_for("acme/greeter", 99).await;
    world.settle().await;
    let words = |shown: Value| shown["reason"].to_string().replace("theirs", "nothing");
    program
        .assert_refused(
            &theirs,
            "not among this account's repositories. Install the App there",
        )
        .await;
    assert_eq!(
        words(program.shown(&theirs).await),
        words(program.shown(&unknown).await),
        "neither is there"
    );
    program
        .assert_refused(&closed, "is closed; open it again")
        .await;
    program.assert_refused(&absent, "has no issue #99").await;
    for path in [
        format!("{JOBS}/{closed}/retry"),
        format!("{JOBS}/{closed}/cancel"),
    ] {
        let (status, answer) = program.ask("POST", &path, None).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::CONFLICT, &json!("refused")),
            "{path}"
        );
    }
    github.push_file(
        OWNER,
        REPOSITORY,
        "main",
        ".tallyhook.toml",
        "[triggers]\nopen = false",
    );
    let unread = program.asks_for("acme/greeter", 7).await;
    world.settle().await;
    program
        .assert_refused(
            &unread,
            ".tallyhook.toml cannot be used: line 2: unknown field `open`",
        )
        .await;
    github.archive(OWNER, REPOSITORY);
    let archived = program.asks_for("acme/greeter", 7).await;
    world.settle().await;
    program.assert_refused(&archived, "is archived").await;
    github.remove_installation(local_stack::world::INSTALLATION_ID);
    let gone = program.asks_for("acme/greeter", 7).await;
    world.settle().await;
    program.assert_refused(&gone, "Install the App there").await;
    // One account's request does not exist for another account.
    let outsider = world.key_of(&other, "theirs").await;
    for id in [&theirs, &closed, "job_00000000000000000000000000"] {
        for (method, path) in [("GET", ""), ("POST", "/retry"), ("POST", "/cancel")] {
            let path = format!("{JOBS}/{id}{path}");
            let (status, mut answer) = world.customer(&outsider, method, &path, "once", None).await;
            answer
                .as_object_mut()
                .expect("a problem")
                .remove("request_id");
            assert_eq!(
                (status, &answer["detail"]),
                (StatusCode::NOT_FOUND, &json!("There is no such job.")),
                "{path}"
            );
        }
    }
    world.assert_nothing_delivered();
    program.world.done().await;
}

/// A key of the account has the scope to request jobs. The policy's labels, commands and people
/// restrict only requests without a key.
#[tokio::test(start_paused = true)]
async fn a_policy_says_how_and_not_whether() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    let policy = "[triggers]\nopened = false\ncommands = false\nassociations = ['OWNER']\n[pull]\nlabels = ['asked']\n";
    world
        .vendors
        .github
        .push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", policy);
    let id = program.asks_for("acme/greeter", 7).await;
    world.settle().await;
    assert_eq!(program.shown(&id).await["state"], "PR_OPENED");
    assert_eq!(
        world.vendors.github.pulls(OWNER, REPOSITORY)[0].labels,
        ["asked"]
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_paid_for_says_so() {
    let program = program("credits", &[]).await;
    let id = program.asks_for("acme/greeter", 7).await;
    program.world.settle().await;
    let shown = program.shown(&id).await;
    assert_eq!(
        (&shown["id"], &shown["state"], &shown["paid_by"]),
        (&json!(id), &json!("FAILED"), &json!("nothing"))
    );
    assert!(
        shown["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("Top up at")),
        "{shown}"
    );
    // With credits, the same issue is attempted again.
    program
        .world
        .adjusts(&program.account, "1000", "a gift")
        .await;
    let (status, again) = program
        .ask("POST", &format!("{JOBS}/{id}/retry"), None)
        .await;
    assert_eq!(status, StatusCode::ACCEPTED, "{again}");
    program.world.settle().await;
    let shown = program.shown(&id_of(&again)).await;
    assert_eq!(
        (&shown["state"], &shown["retry_of"]),
        (&json!("PR_OPENED"), &json!(id)),
        "{shown}"
    );
    program.world.assert_ledger_agrees().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn only_what_ended_without_a_pull_request_is_tried_again_and_charged_if_delivered() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    let first = program.asks_for("acme/greeter", 7).await;
    world.turn(Queue::GithubEvents).await;
    let retry = format!("{JOBS}/{first}/retry");
    let (status, answer) = program.ask("POST", &retry, None).await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::CONFLICT, &json!("under_way"))
    );
    let (status, _) = program
        .ask("POST", &format!("{JOBS}/{first}/cancel"), None)
        .await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let again = world
        .customer(&program.key, "POST", &retry, "again", None)
        .await;
    assert_eq!(again.0, StatusCode::ACCEPTED, "{}", again.1);
    assert_eq!(
        world
            .customer(&program.key, "POST", &retry, "again", None)
            .await,
        again,
        "one try for one act"
    );
    world.settle().await;
    let second = id_of(&again.1);
    let shown = program.shown(&second).await;
    assert_eq!(
        (&shown["state"], &shown["retry_of"]),
        (&json!("PR_OPENED"), &json!(first)),
        "{shown}"
    );
    assert_eq!(program.shown(&first).await["state"], "CANCELLED");
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 1);
    assert_eq!(world.vendors.stripe.meter_events().len(), 1);
    let (status, answer) = program
        .ask("POST", &format!("{JOBS}/{second}/retry"), None)
        .await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::CONFLICT, &json!("delivered"))
    );
    assert!(
        answer["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("close that first")),
        "{answer}"
    );
    program.world.done().await;
}

/// GitHub fails for a while: the request stays due in its row and succeeds later.
#[tokio::test(start_paused = true)]
async fn a_request_outlives_github_s_bad_hours() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    world.stack.faults.inject(Fault {
        on: "/installation".to_owned(),
        times: 6,
        effect: Effect::AnswerLost,
    });
    let id = program.asks_for("acme/greeter", 7).await;
    world.settle().await;
    assert_eq!(program.shown(&id).await["state"], "PR_OPENED");
    world.assert_delivered_once();
    program.world.done().await;
}

/// The request, or the function that processes it, may die at this call; there is still one job.
/// Returns its calls.
async fn dies_at(call: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) = World::on_plan(FaultPlan::None, "payg", &[]).await;
    let key = world.key_of(&account, "the first").await;
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(before + call, moment);
    }
    let body = wanted("acme/greeter", 7);
    let answered = world
        .customer_once(&key, "POST", JOBS, "once", Some(&body))
        .await;
    if answered.is_none_or(|answer| answer.0 != StatusCode::ACCEPTED) {
        let (status, answer) = world
            .customer(&key, "POST", JOBS, "once", Some(&body))
            .await;
        assert_eq!(status, StatusCode::ACCEPTED, "{call:?}: {answer}");
    }
    world.turn(Queue::GithubEvents).await;
    let calls = world.stack.faults.since(before);
    world.settle().await;
    let jobs = world.customer(&key, "GET", JOBS, "", None).await.1;
    assert_eq!(
        jobs["jobs"].as_array().map(Vec::len),
        Some(1),
        "{call:?}: {jobs}"
    );
    assert_eq!(
        jobs["jobs"][0]["state"],
        JobState::PrOpened.as_str(),
        "{call:?}"
    );
    world.assert_delivered_once();
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_between_asking_and_the_job() {
    let calls = dies_at(None).await;
    assert!(calls.len() >= 10, "{calls:?}");
    for death in deaths(&calls) {
        dies_at(Some(death)).await;
    }
}
