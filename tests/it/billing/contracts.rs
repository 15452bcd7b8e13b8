//! An account's billing, as provisioning reads it from one route and a dashboard from all of them.

use crate::billing::checkouts::shop;
use crate::world::program::Program;
use domain::units::Credits;
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const SUBSCRIPTION: &str = "/api/v1/billing/subscription";
const DAY: u64 = 86_400;

/// The fields that provisioning reads: the plan, Stripe's status, whether the service may be used,
/// the usage, and whether access ends soon unless it is paid.
fn status_of(account: &Value) -> (&str, &str, bool, u64, bool) {
    assert_eq!(account["stripe_customer_id"], CUSTOMER);
    let word = |name: &str| account[name].as_str().expect("a word");
    let used = account["current_usage"].as_u64().expect("a count");
    (
        word("plan"),
        word("subscription_status"),
        account["can_use_service"] == true,
        used,
        account["grace_until"].is_string(),
    )
}

impl Program {
    /// Opens an issue and gets it fixed.
    async fn gets_a_fix(&self, issue: u64) {
        let before = self.world.vendors.github.pulls("acme", "greeter").len();
        self.world.issue_opens(issue).await;
        self.world.settle().await;
        assert_eq!(
            self.world.vendors.github.pulls("acme", "greeter").len(),
            before + 1,
            "a fix"
        );
    }

    async fn assert_status(&self, expected: (&str, &str, bool, u64, bool), when: &str) {
        assert_eq!(
            status_of(&self.get("/api/v1/account").await),
            expected,
            "{when}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn billing_returns_correct_status() {
    let program = shop("trial").await;
    let (world, stripe) = (&program.world, &program.world.vendors.stripe);
    program
        .assert_status(("trial", "none", true, 0, false), "a trial")
        .await;
    program.gets_a_fix(31).await;
    program
        .assert_status(("trial", "none", true, 1, false), "a fix of the trial")
        .await;

    stripe.add_card(CUSTOMER, "pm_card_visa").expect("a card");
    world.settle().await;
    program
        .assert_status(("payg", "active", true, 0, false), "converted")
        .await;
    program.gets_a_fix(32).await;
    program
        .assert_status(("payg", "active", true, 1, false), "a fix that is paid")
        .await;

    let (status, changed) = program
        .ask("PATCH", SUBSCRIPTION, Some(&json!({ "plan": "teams" })))
        .await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    world.settle().await;
    program
        .assert_status(("teams", "active", true, 0, false), "another plan")
        .await;
    program.gets_a_fix(33).await;
    program
        .assert_status(
            ("teams", "active", true, 1, false),
            "a fix of the other plan",
        )
        .await;

    world.skip(Duration::from_secs(31 * DAY));
    stripe.fail_next_payment(CUSTOMER).expect("a customer");
    let id = changed["id"].as_str().expect("an id");
    stripe.roll_period(id).expect("a period");
    world.settle().await;
    program
        .assert_status(("teams", "past_due", true, 0, true), "a payment failed")
        .await;
    program.gets_a_fix(34).await;
    program
        .assert_status(
            ("teams", "past_due", true, 1, true),
            "a fix within the grace",
        )
        .await;

    world.skip(Duration::from_secs(8 * DAY));
    program
        .assert_status(
            ("trial", "past_due", true, 1, false),
            "the grace is over; what is left of the trial's fixes is there",
        )
        .await;
    let open = stripe
        .invoices()
        .into_iter()
        .find(|invoice| invoice["status"] == "open")
        .expect("an invoice");
    stripe
        .pay_invoice(open["id"].as_str().expect("an id"))
        .expect("it is paid");
    world.settle().await;
    program
        .assert_status(("teams", "active", true, 1, false), "paid after all")
        .await;

    let (status, ended) = program
        .ask("DELETE", &format!("{SUBSCRIPTION}?when=now"), None)
        .await;
    assert_eq!(status, StatusCode::OK, "{ended}");
    world.settle().await;
    program
        .assert_status(("trial", "canceled", true, 1, false), "cancelled")
        .await;
    world.assert_ledger_agrees().await;
    program.world.done().await;
}

/// Every route that a dashboard reads, except the session.
const ASKED: [&str; 12] = [
    "/api/v1/account",
    "/api/v1/billing/balance",
    "/api/v1/billing/transactions",
    "/api/v1/billing/transactions?limit=2",
    "/api/v1/billing/transactions?format=csv",
    "/api/v1/billing/quota",
    "/api/v1/billing/usage",
    "/api/v1/billing/invoices",
    SUBSCRIPTION,
    "/api/v1/jobs",
    "/api/v1/plans",
    "/api/v1/billing/credit-packs",
];

/// Every credit movement, read in pages of two.
async fn paged(program: &Program) -> Vec<Value> {
    let (mut lines, mut next) = (Vec::new(), Value::Null);
    loop {
        let cursor = next
            .as_str()
            .map(|cursor| format!("&cursor={cursor}"))
            .unwrap_or_default();
        let page = program
            .get(&format!("/api/v1/billing/transactions?limit=2{cursor}"))
            .await;
        lines.extend(
            page["transactions"]
                .as_array()
                .expect("a list")
                .iter()
                .cloned(),
        );
        next = page["next_cursor"].clone();
        if next.is_null() {
            return lines;
        }
    }
}

/// Asserts that the movements, the balance, the usage and the job agree with the ledger.
async fn assert_money_agrees(program: &Program) {
    let balance = program.get("/api/v1/billing/balance").await;
    let ledger = program.world.balance(&program.account).await;
    let shown = |what: Credits| json!(what.to_string());
    assert_eq!(
        (&balance["balance"], &balance["held"]),
        (&shown(ledger.available), &shown(ledger.held))
    );
    let lines = paged(program).await;
    assert_eq!(
        lines.len(),
        program.world.kinds(&program.account).await.len()
    );
    assert_eq!(
        program.get("/api/v1/billing/transactions").await["transactions"],
        json!(lines),
        "by pages or not"
    );
    assert_eq!(
        balance["recentTransactions"],
        json!(lines),
        "all of them are recent"
    );
    let (_, table) = program
        .ask("GET", "/api/v1/billing/transactions?format=csv", None)
        .await;
    let rows: Vec<_> = table.as_str().expect("text").lines().skip(1).collect();
    assert_eq!(rows.len(), lines.len());
    for (row, line) in rows.iter().zip(&lines) {
        let word = |name: &str| line[name].as_str().expect("a word");
        assert!(
            row.contains(&format!("\"{}\",\"{}\"", word("kind"), word("amount"))),
            "{row} is not {line}"
        );
        assert!(
            row.ends_with(&format!("\"{}\"", word("id"))),
            "{row} is not {line}"
        );
    }
    let spent: Vec<_> = lines
        .iter()
        .filter(|line| line["kind"] == "capture")
        .map(|line| &line["amount"])
        .collect();
    let usage = program.get("/api/v1/billing/usage").await;
    assert_eq!(
        (spent.as_slice(), &usage["credits_spent_complete"]),
        ([&usage["credits_spent"]].as_slice(), &json!(true))
    );
    let jobs = program.get("/api/v1/jobs").await;
    let job = &jobs["jobs"][0];
    assert_eq!(
        (&job["paid_by"], &job["price"]),
        (&json!("credits"), &usage["credits_spent"]),
        "{job}"
    );
    assert_eq!(
        program
            .get(&format!(
                "/api/v1/jobs/{}",
                job["id"].as_str().expect("an id")
            ))
            .await,
        *job
    );
    let states: Vec<_> = job["timeline"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|moment| &moment["state"])
        .collect();
    assert_eq!(
        (states.first(), states.last()),
        (Some(&&json!("QUEUED")), Some(&&json!("PR_OPENED"))),
        "{job}"
    );
    assert_eq!(usage["waiting_for_stripe"], 0);
}

/// Asserts that every route reports the same plan, and that its invoice is Stripe's.
async fn assert_plan_agrees(program: &Program) {
    let account = program.get("/api/v1/account").await;
    let (quota, usage) = (
        program.get("/api/v1/billing/quota").await,
        program.get("/api/v1/billing/usage").await,
    );
    let subscription = program.get(SUBSCRIPTION).await;
    for plan in [
        &account["plan"],
        &quota["plan"],
        &usage["plan"],
        &subscription["plan"],
        &subscription["effective_plan"],
    ] {
        assert_eq!(plan, "starter");
    }
    assert_eq!(
        (&account["subscription_status"], &subscription["status"]),
        (&json!("active"), &json!("active"))
    );
    assert_eq!(account["current_usage"], usage["jobs"]);
    let plans = program.get("/api/v1/plans").await;
    let sold = plans["plans"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|plan| plan["id"] == "starter")
        .expect("it is sold");
    let meters = |quotas: &Value| -> BTreeSet<String> {
        quotas
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["meter"].as_str().expect("a word").to_owned())
            .collect()
    };
    assert_eq!(
        meters(&quota["quotas"]),
        sold["quotas"]
            .as_object()
            .expect("a map")
            .keys()
            .cloned()
            .collect()
    );
    for one in quota["quotas"].as_array().expect("a list") {
        let meter = one["meter"].as_str().expect("a word");
        assert_eq!(one["limit"], sold["quotas"][meter]["limit"]);
        assert_eq!(
            one["used"],
            if meter == "messages" {
                json!(3)
            } else {
                json!(0)
            },
            "{one}"
        );
    }
    let invoices = program.get("/api/v1/billing/invoices").await;
    let theirs = program.world.vendors.stripe.invoices();
    let (ours, theirs) = (&invoices["invoices"][0], &theirs[0]);
    assert_eq!(
        (&ours["id"], &ours["status"], &ours["amount_paid_minor"]),
        (
            &theirs["id"],
            &json!("paid"),
            &sold["price"]["amount_minor"]
        )
    );
    let packs = program.get("/api/v1/billing/credit-packs").await;
    let bought = packs["packs"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|pack| pack["id"] == "10k")
        .expect("it is sold");
    let lines = paged(program).await;
    let granted: Vec<_> = lines
        .iter()
        .filter(|line| line["kind"] == "grant")
        .map(|line| &line["amount"])
        .collect();
    assert_eq!(granted, [&bought["credits"]]);
}

/// A pack is bought, a plan subscribed to, a fix delivered and usage reported; every caller with
/// access sees the same.
#[tokio::test(start_paused = true)]
async fn dashboard_queries_work() {
    let program = shop("credits").await;
    let world = &program.world;
    world.buys_a_pack().await;
    world.settle().await;
    world
        .vendors
        .stripe
        .add_card(CUSTOMER, "pm_card_visa")
        .expect("a card");
    let (status, made) = program
        .ask("POST", SUBSCRIPTION, Some(&json!({ "plan": "starter" })))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    world.settle().await;
    program.gets_a_fix(31).await;
    let used = json!({ "meter": "messages", "amount": 3 });
    let (status, counted) = program.ask("POST", "/api/v1/usage", Some(&used)).await;
    assert!(status.is_success(), "{counted}");
    world.settle().await;
    assert_money_agrees(&program).await;
    assert_plan_agrees(&program).await;

    let boss = world.signed_in("acme-owner").await;
    let mate = world.signed_in("acme-member").await.session().await["user_id"].clone();
    let wanted = json!({ "role": "viewer" });
    let (status, shown) = boss
        .acts("PATCH", &format!("/api/v1/members/{mate}"), Some(&wanted))
        .await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    let viewer = world.signed_in("acme-member").await;
    let session = viewer.session().await;
    assert_eq!(
        (&session["account_id"], &session["accounts"][0]["role"]),
        (&json!(program.account.as_str()), &json!("viewer")),
        "{session}"
    );
    for path in ASKED {
        let (status, seen) = viewer.api("GET", path, "", None).await;
        assert_eq!(
            (status, &seen),
            (StatusCode::OK, &program.ask("GET", path, None).await.1),
            "{path}"
        );
    }
    assert_eq!(
        program.ask("GET", "/api/v1/session", None).await.0,
        StatusCode::UNAUTHORIZED,
        "a key is not a person"
    );
    program.world.assert_ledger_agrees().await;
    program.world.done().await;
}
