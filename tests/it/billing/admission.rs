//! `can_use_service` is true exactly when the next job would be accepted, and `reason` says why not.

use crate::world::money::Sold;
use crate::world::program::{Program, program};
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use domain::jobs::JobState;
use http::StatusCode;
use local_stack::world::{CUSTOMER, INSTALLATION_ID, OWNER, REPOSITORY};
use queues::Queue;
use serde_json::{Value, json};
use stand_in_shared::faults::scramble;
use std::collections::BTreeSet;
use std::time::Duration;

/// What the account says, and whether a job for this issue gets its pull request.
async fn says_and_does(program: &Program, issue: u64) -> (Value, Value, bool) {
    let account = program.get("/api/v1/account").await;
    let world = &program.world;
    let before = world.vendors.github.pulls(OWNER, REPOSITORY).len();
    world.issue_opens(issue).await;
    world.settle().await;
    let works = world.vendors.github.pulls(OWNER, REPOSITORY).len() > before;
    (
        account["can_use_service"].clone(),
        account["reason"].clone(),
        works,
    )
}

fn accepted() -> (Value, Value, bool) {
    (json!(true), Value::Null, true)
}

fn refused(reason: &str) -> (Value, Value, bool) {
    (json!(false), json!(reason), false)
}

#[tokio::test(start_paused = true)]
async fn credits_decide_for_a_prepaid_account() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    assert_eq!(
        says_and_does(&program, 60).await,
        refused("insufficient_credits")
    );
    world.adjusts(&program.account, "599", "a").await;
    assert_eq!(
        says_and_does(&program, 61).await,
        refused("insufficient_credits"),
        "a job reserves 600"
    );
    world.adjusts(&program.account, "1", "b").await;
    assert_eq!(says_and_does(&program, 62).await, accepted());
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_quota_decides_for_a_trial() {
    let sold = Sold::with(
        "admission",
        &[(
            "{ limit = 10, renews = \"never\" }",
            "{ limit = 1, renews = \"never\" }",
        )],
    );
    let program = program("trial", &[("CATALOGUE", sold.path())]).await;
    assert_eq!(says_and_does(&program, 60).await, accepted());
    assert_eq!(says_and_does(&program, 61).await, refused("quota_used"));
    program.world.done().await;
}

/// A lapsed account works on with what it falls back to.
#[tokio::test(start_paused = true)]
async fn a_lapsed_account_works_while_its_fallback_does() {
    let program = program("free", &[]).await;
    let world = &program.world;
    let subscription = crate::world::shop::subscribes(world, CUSTOMER).await;
    world.settle().await;
    let stripe = &world.vendors.stripe;
    stripe
        .cancel_subscription(&subscription)
        .expect("an active one");
    world.settle().await;
    assert_eq!(
        says_and_does(&program, 60).await,
        refused("insufficient_credits")
    );
    world.adjusts(&program.account, "600", "a").await;
    assert_eq!(says_and_does(&program, 61).await, accepted());
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_spend_limit_decides_for_a_metered_account() {
    let program = program("payg", &[]).await;
    let limit = json!({ "money_minor": 2_000 });
    let (status, answer) = program
        .ask("PUT", "/api/v1/billing/spend-limit", Some(&limit))
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(says_and_does(&program, 60).await, accepted());
    assert_eq!(
        says_and_does(&program, 61).await,
        refused("spend_limit_reached"),
        "a second fix would make it 30.00"
    );
    program.world.done().await;
}

/// What a job's reason says for each reason of `can_use_service`.
const WORDS: [(&str, &str); 6] = [
    ("no_subscription", "billed through a subscription"),
    ("too_much_unbilled", "could not be reported to Stripe"),
    ("quota_used", "used up"),
    ("agents_busy", "at a time"),
    ("spend_limit_reached", "is left"),
    ("insufficient_credits", "reserves"),
];

/// The plans on which stories begin.
const STARTS: [&str; 5] = ["credits", "trial", "free", "payg", UNSUBSCRIBED];
const UNSUBSCRIBED: &str = "payg without a subscription";

/// An account and what happened to it, for readers of a failure.
struct Story {
    program: Program,
    seed: u64,
    issues: u64,
    told: Vec<String>,
}

impl Story {
    async fn begin(seed: u64, sold: &Sold) -> Self {
        let plan = STARTS[usize::try_from(seed % 5).expect("small")];
        let settings = [("CATALOGUE", sold.path())];
        let (world, account) = if plan == UNSUBSCRIBED {
            let world = World::bare(FaultPlan::None, &settings).await;
            let wanted = json!({ "stripe_customer_id": CUSTOMER, "installation_id": INSTALLATION_ID,
                "plan": "payg", "billing": "none" });
            let made = world
                .insist("POST", "/api/v1/admin/accounts", &wanted)
                .await;
            let account = AccountId::parse(made["id"].as_str().expect("an id"));
            (world, account.expect("an id"))
        } else {
            World::on_plan(FaultPlan::None, plan, &settings).await
        };
        let key = world.key_of(&account, "the first").await;
        Self {
            program: Program {
                world,
                account,
                key,
            },
            seed: scramble(seed),
            issues: 100,
            told: vec![plan.to_owned()],
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.seed = scramble(self.seed);
        (self.seed >> 7) % below
    }

    async fn happens(&mut self) {
        let drawn = self.draw(8);
        let world = &self.program.world;
        match drawn {
            0 | 1 => {
                let credits = ["600", "250"][usize::try_from(drawn).expect("small")];
                let once = format!("credits {}", self.told.len());
                world.adjusts(&self.program.account, credits, &once).await;
                self.told.push(format!("{credits} credits"));
            }
            2 => {
                let limit = json!({ "money_minor": 2_000, "credits": "900" });
                let path = "/api/v1/billing/spend-limit";
                let (status, answer) = self.program.ask("PUT", path, Some(&limit)).await;
                assert_eq!(status, StatusCode::OK, "{answer}");
                self.told.push("a spend limit".to_owned());
            }
            3 => {
                let hold = json!({ "credits": "200", "expires_in_seconds": 60 });
                let (status, _) = self
                    .program
                    .ask("POST", "/api/v1/credits/holds", Some(&hold))
                    .await;
                self.told.push(format!("an own hold: {status}"));
            }
            4 => {
                world.skip(Duration::from_secs(90));
                self.told.push("the hold's end".to_owned());
            }
            5 => {
                for _ in 0..20 {
                    for queue in Queue::ALL.into_iter().filter(|one| *one != Queue::Usage) {
                        world.turn(queue).await;
                    }
                    world.elapse(Duration::from_secs(31)).await;
                    world.sweep().await;
                }
                self.told.push("work whose usage waits".to_owned());
            }
            6 => {
                world.settle().await;
                self.told.push("quiet".to_owned());
            }
            _ => {
                for subscription in world.vendors.stripe.subscriptions() {
                    let id = subscription["id"].as_str().expect("an id");
                    let _ = world.vendors.stripe.cancel_subscription(id);
                }
                let path = format!("/api/v1/admin/accounts/{}/billing", self.program.account);
                let billed = json!({ "billing": "stripe", "reason": "a test" });
                world.insist("PUT", &path, &billed).await;
                world.settle().await;
                self.told.push("no subscription".to_owned());
            }
        }
    }

    /// Asks whether the service can be used, asks for a job, and compares. The job stays open.
    /// Returns the reason for which it was refused.
    async fn compares(&mut self) -> Option<&'static str> {
        let says = self.program.get("/api/v1/account").await;
        let world = &self.program.world;
        self.issues += 1;
        // Jobs are listed by the moment of their creation.
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.issue_opens(self.issues).await;
        world.turn(Queue::GithubEvents).await;
        let job = &self.program.get("/api/v1/jobs").await["jobs"][0];
        let refused = job["state"] == JobState::Failed.as_str();
        self.told
            .push(format!("{} {}", says["reason"], job["reason"]));
        assert_eq!(says["can_use_service"], json!(!refused), "{:#?}", self.told);
        if !refused {
            return None;
        }
        let reason = says["reason"].as_str().expect("a reason");
        let known = WORDS.iter().find(|(word, _)| *word == reason);
        let (reason, words) = known.unwrap_or_else(|| panic!("{reason}: {:#?}", self.told));
        let text = job["reason"].as_str().unwrap_or_default();
        assert!(text.contains(words), "{reason}: {:#?}", self.told);
        Some(reason)
    }
}

/// Whatever an account has and whatever is at work, the account says what its next job meets.
#[tokio::test(start_paused = true)]
async fn the_next_job_meets_what_the_account_says() {
    let sold = Sold::with(
        "says-and-meets",
        &[
            (
                "{ limit = 10, renews = \"never\" }",
                "{ limit = 2, renews = \"never\" }",
            ),
            (
                "description = \"Every fix on its own.\"",
                "description = \"Every fix on its own.\"\nunbilled_max = 1",
            ),
        ],
    );
    let mut met = BTreeSet::new();
    for seed in 0..25 {
        let mut story = Story::begin(seed, &sold).await;
        for _ in 0..5 {
            story.happens().await;
            met.extend(story.compares().await);
        }
        story.program.world.settle().await;
        story.program.world.done().await;
    }
    assert_eq!(
        met,
        WORDS.map(|(word, _)| word).into(),
        "the stories meet every reason"
    );
}
