//! The limits that a plan sells bind our own work: agents that work at a time, tokens, and calls of
//! the API that begin work.

use crate::world::money::Sold;
use crate::world::program::Program;
use crate::world::{FaultPlan, World};
use http::StatusCode;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::{Value, json};
use std::time::Duration;

const JOBS: &str = "/api/v1/jobs";
const MONTH: Duration = Duration::from_secs(32 * 86_400);

async fn on_plan(fault_plan: FaultPlan, plan: &str, settings: &[(&str, &str)]) -> Program {
    let (world, account) = World::on_plan(fault_plan, plan, settings).await;
    let key = world.key_of(&account, "the first").await;
    world.adjusts(&account, "100000", "first").await;
    Program {
        world,
        account,
        key,
    }
}

impl Program {
    /// How much of a quota is used.
    async fn used(&self, meter: &str) -> Value {
        let shown = self.get("/api/v1/billing/quota").await;
        let quotas = shown["quotas"].as_array().expect("a list");
        let one = quotas.iter().find(|quota| quota["meter"] == meter);
        one.expect("a quota")["used"].clone()
    }

    /// Has events of GitHub handled until a job has begun.
    async fn one_begins(&self) {
        for _ in 0..30 {
            self.world.turn(::queues::Queue::GithubEvents).await;
            if self.used("agents").await == json!(1) {
                return;
            }
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        panic!("no job has begun");
    }

    async fn reason(&self) -> Value {
        self.get("/api/v1/account").await["reason"].clone()
    }

    fn pulls_made(&self) -> usize {
        self.world.vendors.github.pulls(OWNER, REPOSITORY).len()
    }

    /// Why the job of an issue was refused, as members of the account read it.
    async fn refusal(&self, issue: u64) -> String {
        let jobs = self.world.stack.store.job_list(&self.account, None, 99);
        let jobs = jobs.await.expect("the store answers").rows;
        let reasons = jobs
            .into_iter()
            .filter(|job| job.facts.issue_number == issue);
        reasons.filter_map(|job| job.reason).collect()
    }

    /// Everybody reads the comment under the issue; the plan is the account's own matter.
    fn says_nothing_of_the_plan(&self, issue: u64, plan: &str) {
        let comments = self.world.vendors.github.comments(OWNER, REPOSITORY, issue);
        let ours = comments.into_iter().filter(|comment| comment.by_app);
        let said: String = ours.map(|comment| comment.body).collect();
        assert!(said.contains("cannot start a job at the moment"), "{said}");
        assert!(!said.contains(plan), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_jobs_work_at_a_time_as_the_plan_has_agents() {
    for seed in 561..564 {
        let program = on_plan(FaultPlan::Seeded(seed), "free", &[]).await;
        let world = &program.world;
        for issue in [60, 61, 62] {
            world.issue_opens(issue).await;
        }
        program.one_begins().await;
        assert_eq!(program.reason().await, json!("agents_busy"));
        world.settle().await;
        assert_eq!(program.pulls_made(), 1, "of three at once");
        let mut refused = 0;
        for issue in [60, 61, 62] {
            let why = program.refusal(issue).await;
            if why.contains("the plan Free runs 1 job at a time") {
                assert!(why.contains("ask again when one has finished"), "{why}");
                program.says_nothing_of_the_plan(issue, "Free");
                refused += 1;
            }
        }
        assert_eq!(refused, 2);
        assert_eq!(program.used("agents").await, json!(0));
        assert_eq!(program.reason().await, Value::Null);
        world.issue_opens(63).await;
        world.settle().await;
        assert_eq!(program.pulls_made(), 2);
        assert_eq!(program.used("agents").await, json!(0));
        program.world.done().await;
    }
}

/// A job that is cancelled while it works returns its agent, once.
#[tokio::test(start_paused = true)]
async fn a_cancelled_job_returns_its_agent() {
    let program = on_plan(FaultPlan::Seeded(564), "free", &[]).await;
    let world = &program.world;
    let browser = world.signed_in("acme-owner").await;
    let home = browser.ask("GET", "/billing", &[], "").await;
    let home = String::from_utf8_lossy(home.body()).into_owned();
    assert!(home.contains("At a time"), "agents have no period: {home}");
    world.issue_opens(60).await;
    program.one_begins().await;
    let listed = program.get(JOBS).await;
    let id = listed["jobs"][0]["id"].as_str().expect("an id");
    let path = format!("{JOBS}/{id}/cancel");
    for _ in 0..2 {
        program.ask("POST", &path, None).await;
    }
    world.settle().await;
    assert_eq!(program.used("agents").await, json!(0));
    assert_eq!(program.pulls_made(), 0);
    world.issue_opens(61).await;
    world.settle().await;
    assert_eq!(program.pulls_made(), 1);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn no_job_begins_when_the_tokens_are_used_up() {
    let sold = Sold::with(
        "tokens",
        &[(
            "quotas.tokens = { limit = 100_000 }",
            "quotas.tokens = { limit = 1 }",
        )],
    );
    let program = on_plan(
        FaultPlan::Seeded(565),
        "basic",
        &[("CATALOGUE", sold.path())],
    )
    .await;
    let world = &program.world;
    world.reachable(&program.account).await;
    world.issue_opens(60).await;
    world.settle().await;
    assert_eq!(program.pulls_made(), 1, "one token was left");
    assert_eq!(program.reason().await, json!("quota_used"));
    world.issue_opens(61).await;
    world.settle().await;
    assert_eq!(program.pulls_made(), 1);
    let why = program.refusal(61).await;
    assert!(
        why.contains("the 1 tokens of the plan Basic are used up until the next period begins on"),
        "{why}"
    );
    program.says_nothing_of_the_plan(61, "Basic");
    assert_eq!(world.subjects(), ["Your quota is used up"]);
    world.skip(MONTH);
    assert_eq!(program.reason().await, Value::Null);
    world.issue_opens(62).await;
    world.settle().await;
    assert_eq!(program.pulls_made(), 2);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_begin_work_count_once() {
    let sold = Sold::with(
        "calls",
        &[(
            "quotas.api_calls = { limit = 1_000 }",
            "quotas.api_calls = { limit = 2 }",
        )],
    );
    let program = on_plan(
        FaultPlan::Seeded(566),
        "basic",
        &[("CATALOGUE", sold.path())],
    )
    .await;
    let world = &program.world;
    let ask = async |once: &str, issue: u64| {
        let wanted = json!({ "repository": format!("{OWNER}/{REPOSITORY}"), "issue": issue });
        world
            .customer(&program.key, "POST", JOBS, once, Some(&wanted))
            .await
    };
    for (once, issue) in [("one", 60), ("two", 61), ("one", 60)] {
        world
            .vendors
            .github
            .add_issue(OWNER, REPOSITORY, issue, "Another", "thing");
        let (status, answer) = ask(once, issue).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{once}: {answer}");
    }
    assert_eq!(program.used("api_calls").await, json!(2));
    let (status, refused) = ask("three", 62).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::FORBIDDEN, &json!("quota_used"))
    );
    let detail = refused["detail"].as_str().expect("a sentence");
    for part in [
        "The 2 API calls of the plan Basic are used up until",
        "see your plan at http://tallyhook.test/billing",
    ] {
        assert!(detail.contains(part), "{detail}");
    }
    // A click on a page is no call of the API.
    let browser = world.signed_in("acme-owner").await;
    let csrf = browser.csrf().await;
    let place = format!("{OWNER}/{REPOSITORY}");
    world
        .vendors
        .github
        .add_issue(OWNER, REPOSITORY, 63, "Another", "thing");
    let run = [
        ("repository", place.as_str()),
        ("issue", "63"),
        ("once", "a"),
        ("csrf_token", csrf.as_str()),
    ];
    let sent = browser.sends("/jobs", &run).await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER, "{sent:?}");
    assert_eq!(program.used("api_calls").await, json!(2));

    let sha = "a".repeat(40);
    let path = format!("/api/v1/repos/{OWNER}/{REPOSITORY}/commits/{sha}/summary");
    let (status, refused) = program.ask("POST", &path, None).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::FORBIDDEN, &json!("quota_used")),
        "{refused}"
    );
    world.settle().await;
    assert_eq!(program.pulls_made(), 3);
    program.world.done().await;
}
