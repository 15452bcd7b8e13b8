//! A customer limits their spending in a billing period, and the limit applies to every way to
//! spend.

mod crash;
mod credits;
pub mod crowds;

use crate::world::money::Sold;
use crate::world::program::{Program, program};
use ::queues::Queue;
use domain::billing::spending::{MICROS, SpendUnit, Spent};
use domain::ids::RepositoryId;
use domain::jobs::cost_to_customer;
use domain::units::Credits;
use http::StatusCode;
use local_stack::world::{CUSTOMER, OWNER, REPOSITORY, REPOSITORY_ID};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: &str = "/api/v1/billing/spend-limit";
const HOLDS: &str = "/api/v1/credits/holds";
const DAY: Duration = Duration::from_secs(86_400);
const DASHBOARD: (&str, &str) = ("DASHBOARD_URL", "https://tallyhook.test/billing");

impl Program {
    async fn limits(&self, body: Value) -> Value {
        let (status, shown) = self.ask("PUT", LIMIT, Some(&body)).await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        shown
    }

    /// Opens an issue with this number and completes all work that follows. Returns whether it got
    /// a pull request.
    async fn works(&self, number: u64) -> bool {
        let before = self.pulls();
        self.world.issue_opens(number).await;
        self.world.settle().await;
        self.pulls() > before
    }

    fn pulls(&self) -> usize {
        self.world.vendors.github.pulls(OWNER, REPOSITORY).len()
    }

    fn words(&self, number: u64) -> String {
        let comments = self
            .world
            .vendors
            .github
            .comments(OWNER, REPOSITORY, number);
        comments
            .last()
            .map(|comment| comment.body.clone())
            .unwrap_or_default()
    }

    /// The money spent and the money reserved, in minor units.
    async fn money(&self) -> (i64, i64) {
        let shown = self.get(LIMIT).await;
        let minor = |name: &str| shown["money"][name].as_i64().expect("a number");
        (minor("spent_minor"), minor("reserved_minor"))
    }

    /// The credits spent and the credits reserved.
    async fn credits(&self) -> (String, String) {
        let shown = self.get(LIMIT).await;
        let text = |name: &str| shown["credits"][name].as_str().expect("a text").to_owned();
        (text("spent"), text("reserved"))
    }

    async fn holds(&self, credits: &str, once: &str) -> (StatusCode, Value) {
        self.world
            .customer(
                &self.key,
                "POST",
                HOLDS,
                once,
                Some(&json!({ "credits": credits })),
            )
            .await
    }

    async fn settles(&self, hold: &Value, how: &str, body: Option<&Value>) -> StatusCode {
        let path = format!("{HOLDS}/{}/{how}", hold["id"].as_str().expect("an id"));
        self.ask("POST", &path, body).await.0
    }
}

/// Two pull requests fit and a third does not. The customer is notified once at 80 percent and once
/// at 100 percent.
#[tokio::test(start_paused = true)]
async fn pull_requests_by_meter_stop_at_the_limit() {
    let program = program("payg", &[DASHBOARD]).await;
    let world = &program.world;
    world.reachable(&program.account).await;
    let shown = program.limits(json!({ "money_minor": 3_750 })).await;
    assert_eq!(
        (&shown["jobs_spend"], &shown["money"]["limit_minor"]),
        (&json!("money"), &json!(3_750)),
        "{shown}"
    );
    assert!(program.works(30).await);
    assert_eq!(
        (program.money().await, world.subjects().len()),
        ((1_500, 0), 0)
    );
    assert!(program.works(31).await);
    assert_eq!(world.subjects(), ["You are near your spend limit"]);

    for number in [32, 33] {
        assert!(!program.works(number).await);
        let words = program.words(number);
        assert!(
            words.contains("nothing is billed") && !words.contains("USD"),
            "{words}"
        );
    }
    assert_eq!(
        world.subjects(),
        [
            "You are near your spend limit",
            "Your spend limit is reached"
        ]
    );
    assert_eq!(
        (
            program.money().await,
            world.vendors.stripe.total(CUSTOMER, "pull_requests")
        ),
        ((3_000, 0), 2)
    );
    let quota = program.get("/api/v1/billing/quota").await;
    assert_eq!(quota["spending"], program.get(LIMIT).await, "{quota}");
    assert!(quota["spending"]["resets_at"].is_string(), "{quota}");

    program.limits(json!({ "money_minor": 4_500 })).await;
    assert!(program.works(34).await, "there is room again");
    assert!(!program.works(35).await);
    assert_eq!(program.money().await, (4_500, 0));
    let (status, shown) = program.ask("DELETE", LIMIT, None).await;
    assert_eq!(
        (status, &shown["money"]["limit_minor"]),
        (StatusCode::OK, &Value::Null),
        "{shown}"
    );
    assert!(program.works(36).await);
    assert_eq!(
        program.money().await,
        (6_000, 0),
        "what was spent is known without a limit, too"
    );
    program.world.done().await;
}

/// Work in progress counts in full, and undelivered work releases its reservation. Work in progress
/// when the limit is lowered is still delivered and billed. A new period starts at zero.
#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_reserved_and_what_fails_comes_back() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    program.limits(json!({ "money_minor": 1_500 })).await;
    let reject = r#"{"verdict":"reject","notes":"it breaks everything"}"#;
    world
        .vendors
        .model
        .script("review", vec![reject.to_owned()]);
    world.issue_opens(30).await;
    world.drain(Queue::GithubEvents).await;
    assert_eq!(program.money().await, (0, 1_500));
    world.issue_opens(31).await;
    world.drain(Queue::GithubEvents).await;
    assert_eq!(
        program.money().await,
        (0, 1_500),
        "the second one is refused"
    );
    world.settle().await;
    assert!(
        program.words(31).contains("cannot start a job"),
        "{}",
        program.words(31)
    );
    assert_eq!((program.pulls(), program.money().await), (0, (0, 0)));

    world.issue_opens(32).await;
    world.drain(Queue::GithubEvents).await;
    program.limits(json!({ "money_minor": 100 })).await;
    world.settle().await;
    assert_eq!(
        (program.pulls(), program.money().await),
        (1, (1_500, 0)),
        "it was begun before"
    );
    assert_eq!(world.vendors.stripe.total(CUSTOMER, "pull_requests"), 1);
    assert!(!program.works(33).await);

    program.limits(json!({ "money_minor": 1_500 })).await;
    assert!(!program.works(34).await, "it is spent");
    let before = program.get(LIMIT).await;
    world.skip(31 * DAY);
    let after = program.get(LIMIT).await;
    assert_ne!(before["period"], after["period"]);
    assert_eq!(
        (program.money().await, &after["money"]["limit_minor"]),
        ((0, 0), &json!(1_500)),
        "{after}"
    );
    assert!(program.works(35).await);
    assert_eq!(program.money().await, (1_500, 0));
    program.world.done().await;
}

/// The plan's price includes two jobs and each further one costs $8. A limit of zero stops exactly
/// there, even if one of the first jobs fails while a later one is in progress.
#[tokio::test(start_paused = true)]
async fn what_the_plan_includes_costs_nothing_of_the_limit() {
    let sold = Sold::with(
        "included",
        &[(
            "{ up_to = 60, each = \"0.00\" }",
            "{ up_to = 2, each = \"0.00\" }",
        )],
    );
    let program = program("teams", &[("CATALOGUE", sold.path())]).await;
    let world = &program.world;
    program.limits(json!({ "money_minor": 0 })).await;
    for (number, passes) in [(30, true), (31, true), (32, false)] {
        assert_eq!(program.works(number).await, passes, "{number}");
    }
    assert_eq!((program.money().await, program.pulls()), ((0, 0), 2));
    world.skip(31 * DAY);

    program.limits(json!({ "money_minor": 800 })).await;
    for number in 40..43 {
        world.issue_opens(number).await;
        world.drain(Queue::GithubEvents).await;
    }
    assert_eq!(
        program.money().await,
        (0, 800),
        "the third is beyond what is included"
    );
    // The first job is cancelled, so the third becomes the second and costs nothing.
    let first = world
        .stack
        .store
        .job_find_open(RepositoryId::new(REPOSITORY_ID), 40)
        .await
        .expect("an answer");
    let path = format!("/api/v1/jobs/{}/cancel", first.expect("a job"));
    assert!(program.ask("POST", &path, None).await.0.is_success());
    world.settle().await;
    assert_eq!((program.money().await, program.pulls()), ((0, 0), 4));
    assert!(program.works(43).await);
    assert_eq!(program.money().await, (800, 0));
    assert!(!program.works(44).await);
    program.world.done().await;
}

/// A job on a plan that charges tokens reserves its maximum, never uses more, and releases what it
/// did not use.
#[tokio::test(start_paused = true)]
async fn tokens_by_meter_are_reserved_and_settled() {
    let rate = "counts = \"tokens\", each_1k = \"0.018\" }]";
    let sold = Sold::with(
        "tokens",
        &[(rate, &format!("{rate}\ntokens_max = 100_000"))],
    );
    let program = program("hybrid", &[("CATALOGUE", sold.path())]).await;
    let world = &program.world;
    program.limits(json!({ "money_minor": 200 })).await;
    for number in [30, 31] {
        world.issue_opens(number).await;
        world.drain(Queue::GithubEvents).await;
        assert_eq!(program.money().await, (0, 180), "of two at once one fits");
    }
    world.settle().await;
    assert_eq!(program.pulls(), 1);
    let sent = world.vendors.stripe.total(CUSTOMER, "tokens");
    let cost = i64::try_from((u64::try_from(sent).expect("a count") * 18).div_ceil(10_000))
        .expect("small");
    assert!(cost > 0 && cost < 20, "{sent} tokens");
    assert_eq!(program.money().await, (cost, 0));
    assert!(program.works(32).await, "what was not taken is there again");
    program.world.done().await;

    let sold = Sold::with(
        "few-tokens",
        &[(rate, &format!("{rate}\ntokens_max = 200"))],
    );
    let program = crate::world::program::program("hybrid", &[("CATALOGUE", sold.path())]).await;
    assert!(!program.works(30).await);
    let words = program.words(30);
    assert!(
        words.contains("the tokens that the job may take do not suffice for this work"),
        "{words}"
    );
    assert_eq!(
        (
            program.money().await,
            program.world.vendors.model.calls().len()
        ),
        ((0, 0), 0)
    );
    program.world.done().await;
}

/// A fix that an external agent has made can no longer be refused: it counts, and work that begins
/// afterwards is checked against it.
#[tokio::test(start_paused = true)]
async fn what_is_reported_is_counted_and_never_refused() {
    let program = program("payg", &[]).await;
    program.limits(json!({ "money_minor": 1_000 })).await;
    let sent = json!({ "phase": "mitigate", "status": "success", "repository": "acme/greeter", "fix": "CVE-2026-1" });
    for once in ["a", "a", "b"] {
        let (status, shown) = program
            .world
            .customer(
                &program.key,
                "POST",
                "/api/v1/phase-data",
                once,
                Some(&sent),
            )
            .await;
        assert!(status.is_success(), "{shown}");
    }
    assert_eq!(program.money().await, (1_500, 0), "once");
    program.limits(json!({ "money_minor": 2_999 })).await;
    assert!(!program.works(30).await);
    program.limits(json!({ "money_minor": 3_000 })).await;
    assert!(program.works(31).await);
    // A job whose fix was reported before it delivers costs nothing more.
    program.limits(json!({ "money_minor": 6_000 })).await;
    program.world.issue_opens(32).await;
    program.world.drain(Queue::GithubEvents).await;
    assert_eq!(program.money().await, (3_000, 1_500));
    let sent = json!({ "phase": "mitigate", "status": "success", "repository": "acme/greeter", "issue": 32 });
    assert!(
        program
            .ask("POST", "/api/v1/phase-data", Some(&sent))
            .await
            .0
            .is_success()
    );
    assert_eq!(program.money().await, (4_500, 1_500));
    program.world.settle().await;
    assert_eq!(
        (
            program.money().await,
            program
                .world
                .vendors
                .stripe
                .total(CUSTOMER, "pull_requests")
        ),
        ((4_500, 0), 3)
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_must_be_complete_and_sensible() {
    let program = program("trial", &[]).await;
    let shown = program
        .limits(json!({ "money_minor": 5_000, "credits": "12.5" }))
        .await;
    assert_eq!(
        (
            &shown["jobs_spend"],
            &shown["money"]["limit_minor"],
            &shown["credits"]["limit"]
        ),
        (&Value::Null, &json!(5_000), &json!("12.5")),
        "{shown}"
    );
    let shown = program.limits(json!({ "credits": "7" })).await;
    assert_eq!(
        (&shown["money"]["limit_minor"], &shown["credits"]["limit"]),
        (&Value::Null, &json!("7")),
        "{shown}"
    );
    for (bad, code) in [
        (json!({}), "bad_amount"),
        (json!({ "money_minor": -1 }), "bad_amount"),
        (json!({ "money_minor": 100_000_000 }), "bad_amount"),
        (json!({ "money_minor": "5" }), "bad_body"),
        (json!({ "credits": "-1" }), "bad_amount"),
        (
            json!({ "credits": "1", "account": "acc_other" }),
            "bad_body",
        ),
    ] {
        let (status, refused) = program.ask("PUT", LIMIT, Some(&bad)).await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{bad}: {refused}"
        );
    }
    assert_eq!(program.get(LIMIT).await, shown, "nothing has changed");
    assert!(
        program.works(30).await,
        "a job that costs nothing is in no limit's way"
    );
    program.world.done().await;
}
