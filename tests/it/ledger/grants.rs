//! Typed grants: operators give credits with a type, a priority and an end; they are spent in this
//! order, expire once, and customers see what ends when.

use super::jobs::prepaid;
use crate::world::program::Program;
use crate::world::verbs::together;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const GRANTS: &str = "/api/v1/billing/credit-grants";
const DAY: Duration = Duration::from_secs(86_400);

/// An account that pays from credits, and has none.
async fn begin(fault_plan: FaultPlan) -> Program {
    let (world, account) = prepaid(fault_plan, "0", &[]).await;
    let key = world.key_of(&account, "the first").await;
    Program {
        world,
        account,
        key,
    }
}

impl World {
    async fn gives(&self, account: &AccountId, key: &str, wanted: &Value) -> (StatusCode, Value) {
        self.skip(Duration::from_secs(1));
        let path = format!("/api/v1/admin/accounts/{account}/adjustments");
        loop {
            let answer = self.keyed("POST", &path, key, wanted).await;
            if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
        }
    }

    /// A grant whose last day is in this many days.
    fn typed(&self, kind: &str, amount: &str, days: u32) -> Value {
        let end = self.stack.outside.now().plus(DAY * days);
        json!({ "amount": amount, "reason": format!("a {kind}"), "type": kind, "expires_at": end.to_string() })
    }
}

impl Program {
    /// Types and remaining credits, in the order in which they are spent.
    async fn grants(&self) -> Vec<(String, String)> {
        let shown = self.get(GRANTS).await;
        let grants = shown["grants"].as_array().expect("a list");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        grants
            .iter()
            .map(|grant| (text(&grant["type"]), text(&grant["remaining"])))
            .collect()
    }

    async fn spend(&self, credits: u64) {
        self.world.skip(Duration::from_secs(1));
        let wanted = json!({ "credits": credits.to_string() });
        let path = "/api/v1/credits/debit";
        loop {
            let (status, answer) = self.ask("POST", path, Some(&wanted)).await;
            if status != StatusCode::SERVICE_UNAVAILABLE {
                assert_eq!(status, StatusCode::CREATED, "{answer}");
                return;
            }
        }
    }
}

fn left(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(kind, left): &(&str, &str)| ((*kind).to_owned(), (*left).to_owned());
    pairs.iter().map(owned).collect()
}

#[tokio::test(start_paused = true)]
async fn grants_are_spent_by_priority_and_expire_once() {
    for seed in 421..424 {
        let program = begin(FaultPlan::Seeded(seed)).await;
        let (world, account) = (&program.world, &program.account);
        world.adjusts(account, "100", "a correction").await;
        world.buys_a_pack().await;
        world.settle().await;
        for (kind, amount, days) in [("goodwill", "50", 3), ("promotional", "200", 9)] {
            let wanted = world.typed(kind, amount, days);
            let (status, made) = world.gives(account, kind, &wanted).await;
            assert_eq!(status, StatusCode::CREATED, "{made}");
        }
        let mut trial = world.typed("trial", "30", 5);
        trial["priority"] = json!(60);
        let (status, _) = world.gives(account, "trial", &trial).await;
        assert_eq!(status, StatusCode::CREATED);
        let (status, _) = world.gives(account, "trial", &trial).await;
        assert_eq!(status, StatusCode::OK, "a repeat");
        trial["priority"] = json!(61);
        let (status, other) = world.gives(account, "trial", &trial).await;
        assert_eq!(
            (status, &other["code"]),
            (StatusCode::CONFLICT, &json!("idempotency_key_reused"))
        );
        assert_eq!(
            program.grants().await,
            left(&[
                ("promotional", "200"),
                ("goodwill", "50"),
                ("adjustment", "100"),
                ("purchased", "10000"),
                ("trial", "30")
            ])
        );
        program.spend(210).await;
        let after = [
            ("goodwill", "40"),
            ("adjustment", "100"),
            ("purchased", "10000"),
            ("trial", "30"),
        ];
        assert_eq!(program.grants().await, left(&after));
        world.skip(3 * DAY);
        assert_eq!(world.seal().await.expired, 0, "its last day is not over");
        world.skip(DAY);
        let nights = together([world.seal(), world.seal()]).await;
        let again = world.seal().await;
        assert_eq!(again.faults, 0);
        let expired: u64 = nights.iter().map(|night| night.expired).sum();
        assert_eq!(expired + again.expired, 1, "the goodwill, once");
        assert_eq!(program.grants().await, left(&after[1..]));
        let shown = program.get(GRANTS).await;
        assert_eq!(shown["balance"], json!("10130"));
        let sums = shown["by_type"].as_array().expect("a list");
        let trial = sums.iter().find(|sum| sum["type"] == "trial");
        let trial = trial.expect("a sum");
        assert_eq!(trial["remaining"], json!("30"));
        assert_ne!(trial["next_expiry"], Value::Null);
        world.skip(3 * DAY);
        assert_eq!(world.seal().await.expired, 1, "the trial");
        assert_eq!(world.purse(account).await, (10_100, 0));
        world.skip(9 * DAY);
        assert_eq!(world.seal().await.expired, 0, "the promotion was spent");
        assert_eq!(world.purse(account).await, (10_100, 0));
        let kinds = world.kinds(account).await;
        assert_eq!(kinds.iter().filter(|kind| **kind == "expiry").count(), 2);
        world.assert_ledger_agrees().await;
        world.settle().await;
        program.world.done().await;
    }
}

/// What a job holds is not known to be spent, so its grant expires the night after the job.
#[tokio::test(start_paused = true)]
async fn what_is_held_expires_after_the_hold() {
    let program = begin(FaultPlan::Seeded(425)).await;
    let (world, account) = (&program.world, &program.account);
    let wanted = world.typed("trial", "100", 1);
    world.gives(account, "trial", &wanted).await;
    world.skip(Duration::from_secs(1));
    let until = json!({ "credits": "60", "expires_in_seconds": 86_400 });
    let (status, hold) = program
        .ask("POST", "/api/v1/credits/holds", Some(&until))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{hold}");
    assert_eq!(program.grants().await, left(&[("trial", "100")]));
    world.skip(2 * DAY);
    let night = world.seal().await;
    assert_eq!((night.expired, night.waiting), (0, 1));
    world.skip(2 * DAY);
    world.settle().await;
    assert_eq!(world.seal().await.expired, 1);
    assert_eq!(world.purse(account).await, (0, 0));
    assert!(program.grants().await.is_empty());
    world.settle().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_grant_is_explained() {
    let program = begin(FaultPlan::None).await;
    let (world, account) = (&program.world, &program.account);
    for (field, value, code) in [
        ("type", json!("gift"), "bad_type"),
        ("type", Value::Null, "bad_type"),
        ("amount", json!("-5"), "bad_type"),
        ("priority", json!(100), "bad_priority"),
        ("expires_at", json!("2001-01-01T00:00:00Z"), "bad_expiry"),
        ("expires_at", json!("tomorrow"), "bad_expiry"),
    ] {
        let mut wanted = world.typed("goodwill", "5", 1);
        wanted[field] = value;
        let (status, refused) = world.gives(account, "key", &wanted).await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{wanted}: {refused}"
        );
    }
    assert_eq!(world.purse(account).await, (0, 0));
    program.world.done().await;
}

/// The answer of a grant is lost, and the operator's program asks again after the grant has ended.
#[tokio::test(start_paused = true)]
async fn a_repeat_after_the_end_finds_the_grant() {
    let program = begin(FaultPlan::None).await;
    let (world, account) = (&program.world, &program.account);
    let wanted = world.typed("promotional", "5", 3);
    let (status, made) = world.gives(account, "once", &wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    world.skip(DAY * 10);
    let (status, again) = world.gives(account, "once", &wanted).await;
    assert_eq!((status, &again["id"]), (StatusCode::OK, &made["id"]));
    let (status, other) = world.gives(account, "another", &wanted).await;
    let code = json!("bad_expiry");
    assert_eq!((status, &other["code"]), (StatusCode::BAD_REQUEST, &code));
    world.settle().await;
    program.world.done().await;
}
