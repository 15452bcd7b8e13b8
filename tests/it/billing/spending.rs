//! A customer says what he wants to spend at most in a billing period, and it holds, however he spends it.

mod crash;
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

    /// An issue of this number is opened, and what follows from it is done; whether it has got a pull request.
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

    /// What was spent and is reserved of money, in minor units.
    async fn money(&self) -> (i64, i64) {
        let shown = self.get(LIMIT).await;
        let minor = |name: &str| shown["money"][name].as_i64().expect("a number");
        (minor("spent_minor"), minor("reserved_minor"))
    }

    /// What was spent and is reserved of credits.
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

/// Two pull requests fit, a third does not; four fifths and the end are told once each.
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
    assert_eq!(world.subjects(), ["Most of your spend limit is spent"]);

    for number in [32, 33] {
        assert!(!program.works(number).await);
        let words = program.words(number);
        let says = "30.00 USD of your spend limit of 37.50 USD for this billing period are spent; a job \
                    could cost more than is left. Raise the limit at https://tallyhook.test/billing";
        assert!(
            words.contains(says) && words.contains("nothing is billed"),
            "{words}"
        );
    }
    assert_eq!(
        world.subjects(),
        [
            "Most of your spend limit is spent",
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

/// Work under way counts in full; what is not delivered comes back; what is under way when the limit sinks is delivered and
/// billed; a new period begins with nothing.
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
        program
            .words(31)
            .contains("15.00 USD are reserved for work under way"),
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
    world.skip(15 * DAY);
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

/// Two are in the plan's price and every further one costs $8: a limit of nothing stops exactly there, also when one of the
/// first fails while a later one is under way.
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
    world.skip(15 * DAY);

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
    // The first one is cancelled: now the third is the second, and costs nothing.
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

/// A job of a plan that charges tokens reserves as many as it may take, takes no more, and gives back what it did not.
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
    let told = world.vendors.stripe.total(CUSTOMER, "tokens");
    let cost = i64::try_from((u64::try_from(told).expect("a count") * 18).div_ceil(10_000))
        .expect("small");
    assert!(cost > 0 && cost < 20, "{told} tokens");
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
        words.contains("the 200 tokens that it may take do not suffice for this work"),
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

/// Jobs and holds of one's own spend the same credits.
#[tokio::test(start_paused = true)]
async fn credits_stop_at_the_limit_whoever_holds_them() {
    let program = program("credits", &[DASHBOARD]).await;
    let world = &program.world;
    world.reachable(&program.account).await;
    world.adjusts(&program.account, "5000", "a gift").await;
    program.limits(json!({ "credits": "700" })).await;
    world.issue_opens(30).await;
    world.drain(Queue::GithubEvents).await;
    assert_eq!(program.credits().await, ("0".to_owned(), "600".to_owned()));
    let (status, refused) = program.holds("100.000001", "over").await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::FORBIDDEN, &json!("spend_limit_reached")),
        "{refused}"
    );
    let detail = refused["detail"].as_str().expect("a sentence");
    assert!(
        detail.contains("of the 700 credits") && detail.contains("600 credits are reserved"),
        "{detail}"
    );
    let (status, hold) = program.holds("100", "fits").await;
    assert_eq!(status, StatusCode::CREATED, "{hold}");
    assert_eq!(
        program.holds("100", "fits").await.0,
        StatusCode::OK,
        "said twice and counted once"
    );
    world.issue_opens(31).await;
    world.settle().await;
    assert_eq!(program.pulls(), 1, "the job that came first is delivered");
    assert!(
        program
            .words(31)
            .contains("of the 700 credits that you want to spend"),
        "{}",
        program.words(31)
    );
    assert_eq!(
        world.subjects(),
        ["Your spend limit is reached"],
        "for all that was refused"
    );
    let job = world
        .job_of_branch(&world.vendors.github.pulls(OWNER, REPOSITORY)[0].head)
        .await;
    let price = cost_to_customer(&job);
    assert_eq!(
        program.credits().await,
        (price.to_string(), "100".to_owned())
    );

    let used = json!({ "credits": "40" });
    assert_eq!(
        program.settles(&hold, "capture", Some(&used)).await,
        StatusCode::OK
    );
    assert_eq!(
        program.settles(&hold, "capture", Some(&used)).await,
        StatusCode::OK,
        "said twice"
    );
    let spent = |more: u64| {
        price
            .checked_add(Credits::whole(more).expect("an amount"))
            .expect("a sum")
            .to_string()
    };
    assert_eq!(program.credits().await, (spent(40), "0".to_owned()));
    let (_, hold) = program.holds("600", "most").await;
    assert_eq!(
        program.settles(&hold, "release", None).await,
        StatusCode::OK
    );
    assert_eq!(
        program.settles(&hold, "release", None).await,
        StatusCode::OK,
        "said twice"
    );
    assert_eq!(program.credits().await, (spent(40), "0".to_owned()));

    let (_, hold) = program.holds("600", "more").await;
    assert_eq!(
        program.holds("600", "no room").await.0,
        StatusCode::FORBIDDEN
    );
    world.elapse(Duration::from_secs(3_601)).await;
    assert_eq!(
        program.holds("600", "room").await.0,
        StatusCode::CREATED,
        "an old one makes room"
    );
    assert_eq!(
        program.settles(&hold, "capture", Some(&used)).await,
        StatusCode::CONFLICT
    );
    world.assert_books_agree().await;
    program.world.done().await;
}

/// A hold belongs to the period in which it was made, whenever it is captured.
#[tokio::test(start_paused = true)]
async fn a_hold_ends_in_the_period_in_which_it_was_made() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    world.reachable(&program.account).await;
    world.adjusts(&program.account, "5000", "a gift").await;
    program.limits(json!({ "credits": "100" })).await;
    let (_, hold) = program.holds("100", "november").await;
    let before = program.get(LIMIT).await["period"]
        .as_str()
        .expect("a period")
        .to_owned();
    world.skip(15 * DAY);
    let (status, other) = program.holds("100", "december").await;
    assert_eq!(status, StatusCode::CREATED, "{other}");
    assert_eq!(
        program
            .settles(&hold, "capture", Some(&json!({ "credits": "80" })))
            .await,
        StatusCode::OK
    );
    assert_eq!(program.credits().await, ("0".to_owned(), "100".to_owned()));
    let spent = world
        .stack
        .store
        .spent_find(&program.account, &before, SpendUnit::Credits)
        .await
        .expect("an answer");
    assert_eq!(
        spent,
        Spent {
            spent: 80 * MICROS,
            reserved: 0
        }
    );
    world.settle().await;
    assert_eq!(world.subjects(), ["Most of your spend limit is spent"]);
    program.world.done().await;
}

/// A fix that an agent outside has made cannot be refused any more: it counts, and what begins afterwards is measured by it.
#[tokio::test(start_paused = true)]
async fn what_is_reported_is_counted_and_never_refused() {
    let program = program("payg", &[]).await;
    program.limits(json!({ "money_minor": 1_000 })).await;
    let told = json!({ "phase": "mitigate", "status": "success", "repository": "acme/greeter", "fix": "CVE-2026-1" });
    for once in ["a", "a", "b"] {
        let (status, shown) = program
            .world
            .customer(
                &program.key,
                "POST",
                "/api/v1/phase-data",
                once,
                Some(&told),
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
    let told = json!({ "phase": "mitigate", "status": "success", "repository": "acme/greeter", "issue": 32 });
    assert!(
        program
            .ask("POST", "/api/v1/phase-data", Some(&told))
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
async fn a_limit_is_said_whole_and_in_sense() {
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

/// A commit's summary is no job and spends like one: by tokens, and from credits.
#[tokio::test(start_paused = true)]
async fn summaries_of_commits_spend_within_the_limit() {
    for (plan, limit) in [
        ("hybrid", json!({ "money_minor": 1_000 })),
        ("credits", json!({ "credits": "1000" })),
    ] {
        let program = program(plan, &[]).await;
        let world = &program.world;
        world.adjusts(&program.account, "5000", "a gift").await;
        let path = |text: &str| {
            world
                .vendors
                .github
                .push_file(OWNER, REPOSITORY, "main", "docs/aloha.md", text);
            let commits = world.vendors.github.commits_on(OWNER, REPOSITORY, "main");
            format!(
                "/api/v1/repos/{OWNER}/{REPOSITORY}/commits/{}/summary",
                commits[0].sha
            )
        };
        let now = async || {
            let shown = program.get(LIMIT).await;
            let (money, credits) = (&shown["money"], &shown["credits"]);
            let both = |name: &str, minor: &str| {
                format!(
                    "{} {}",
                    money[minor],
                    credits[name].as_str().expect("a text")
                )
            };
            (
                both("spent", "spent_minor"),
                both("reserved", "reserved_minor"),
            )
        };
        program.limits(limit).await;
        let first = path("aloha\n");
        let (status, queued) = program.ask("POST", &first, None).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{plan}: {queued}");
        let (_, reserved) = now().await;
        assert_ne!(reserved, "0 0", "{plan}");
        assert_eq!(
            program.ask("POST", &first, None).await.0,
            StatusCode::ACCEPTED
        );
        assert_eq!(
            now().await.1,
            reserved,
            "{plan}: asked twice and counted once"
        );
        world.settle().await;
        let (spent, left) = now().await;
        assert!(spent != "0 0" && left == "0 0", "{plan}: {spent}, {left}");

        program
            .limits(json!({ "money_minor": 0, "credits": "0" }))
            .await;
        let (status, refused) = program.ask("POST", &path("mahalo\n"), None).await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::FORBIDDEN, &json!("spend_limit_reached")),
            "{refused}"
        );
        assert_eq!(
            program.ask("POST", &first, None).await.0,
            StatusCode::OK,
            "what stands is answered"
        );
        assert_eq!(now().await, (spent, left), "{plan}");

        // What cannot be answered gives back what was counted for it.
        program
            .limits(json!({ "money_minor": 9_000, "credits": "4000" }))
            .await;
        let nowhere = format!(
            "/api/v1/repos/{OWNER}/{REPOSITORY}/commits/{}/summary",
            "0".repeat(40)
        );
        assert_eq!(
            program.ask("POST", &nowhere, None).await.0,
            StatusCode::ACCEPTED
        );
        let before = now().await.0;
        world.settle().await;
        assert_eq!(now().await, (before, "0 0".to_owned()), "{plan}");
        program.world.done().await;
    }
}
