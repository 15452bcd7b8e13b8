//! Every amount is computed again from what it is for, and equals what was recorded, also when the
//! catalogue has changed since.

use crate::world::World;
use crate::world::money::{Sold, built_in};
use crate::world::program::{Program, another, program, request};
use crate::world::shop::{PACK, PRICE};
use crate::world::wire::WIRED;
use domain::billing::explanations::Agreement;
use domain::billing::usage::{AccountMeter, Meter};
use domain::ids::{AccountId, UsageId};
use domain::jobs::JobState;
use domain::ledger::Cause;
use flows::billing::explanations;
use http::StatusCode;
use local_stack::stack::{LEDGER_TABLE, MAIN_TABLE};
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};

impl World {
    /// Asserts that no entry and no usage record contradicts what it was computed from. Returns how
    /// many were computed again.
    pub async fn assert_charges_explained(&self) -> u64 {
        let store = &self.stack.store;
        let mut computed = 0;
        let text = |row: &Value, name: &str| {
            let text = row[name]["S"].as_str();
            text.unwrap_or_default().to_owned()
        };
        let mut agrees = |agreement: Agreement, what: &str| {
            assert_ne!(agreement, Agreement::DoesNotEqual, "{what}");
            computed += u64::from(agreement == Agreement::Equals);
        };
        for row in self.stack.tables.rows(LEDGER_TABLE) {
            let (pk, sk) = (text(&row, "pk"), text(&row, "sk"));
            let Some(("ENTRY", cause)) = sk.split_once('#') else {
                continue;
            };
            let account = pk.split_once('#').expect("an account's entry").1;
            let account = AccountId::parse(account).expect("an id");
            let cause = Cause::parse(cause).unwrap_or_else(|| panic!("a cause, not {cause}"));
            let found = explanations::of_entry(store, &account, &cause).await;
            let (_, explained) = found.expect("the store answers").expect("an entry");
            agrees(explained.agreement, &format!("{cause}: {explained:?}"));
        }
        for row in self.stack.tables.rows(MAIN_TABLE) {
            let (pk, sk) = (text(&row, "pk"), text(&row, "sk"));
            let mut parts = sk.split('#');
            let state = parts.next().unwrap_or_default();
            if !["OWED", "USAGE", "STUCK", "CANCELLED"].contains(&state) {
                continue;
            }
            let (Some(meter), Some(id)) = (parts.next(), parts.next()) else {
                continue;
            };
            let account = pk.split_once('#').expect("an account's usage").1;
            let debts = AccountMeter {
                account: AccountId::parse(account).expect("an id"),
                meter: Meter::parse(meter).expect("a meter"),
            };
            let id = UsageId::parse(id).expect("an id");
            let found = explanations::of_usage(store, &debts, &id).await;
            let found = found.expect("the store answers").expect("a record");
            let explained = found.explanation;
            agrees(explained.agreement, &format!("{sk}: {explained:?}"));
        }
        computed
    }
}

/// How a transaction's id is written in a path.
fn path_of(cause: &str) -> String {
    let id = cause.replace('#', "~").replace('/', "!");
    format!("/api/v1/billing/transactions/{id}/explain")
}

async fn explained(program: &Program, cause: &str) -> Value {
    program.get(&path_of(cause)).await
}

/// The causes of an account's entries of a kind.
async fn causes(program: &Program, kind: &str) -> Vec<String> {
    let path = format!("/api/v1/billing/transactions?kind={kind}");
    let listed = program.get(&path).await;
    let listed = listed["transactions"].as_array().expect("a list").clone();
    let id = |one: &Value| one["id"].as_str().expect("an id").to_owned();
    listed.iter().map(id).collect()
}

/// Adds up decimals, in millionths.
fn total(lines: &Value) -> i64 {
    let micros = |line: &Value| {
        let text = line["amount"].as_str().expect("a decimal");
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let amount = domain::units::Credits::parse(digits).expect("a decimal");
        sign * i64::try_from(amount.micros()).expect("a small amount")
    };
    lines.as_array().expect("lines").iter().map(micros).sum()
}

/// A job was charged, and afterwards everything costs something else.
#[tokio::test(start_paused = true)]
async fn a_charge_is_computed_again_with_the_prices_of_its_time() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world.adjusts(account, "1000", "the first").await;
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;
    let job = world.job_of(&delivery).await;
    let cause = format!("SETTLEMENT#{}", job.facts.id);

    let changes = [
        (
            "markup_percentage = \"20.00\"",
            "markup_percentage = \"90.00\"",
        ),
        ("model = \"stand-in-1\"", "model = \"stand-in-9\""),
    ];
    let dearer = Sold::with("dearer", &changes);
    let later = another(world, &[("CATALOGUE", dearer.path())]);
    let asks = request("GET", &path_of(&cause), &program.key, &[], Vec::new());
    let answer = api::respond(later, asks).await;
    assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
    let shown: Value = serde_json::from_slice(answer.body()).expect("JSON");
    assert_eq!(shown, explained(&program, &cause).await);
    assert_eq!(shown["agreement"], "equals", "{shown}");
    assert_eq!(shown["amount"], shown["recomputed"]);
    let amount = json!([{ "amount": shown["amount"] }]);
    assert_eq!(total(&shown["sum"]), total(&amount), "{shown}");
    let calls = shown["calls"].as_array().expect("calls");
    assert_eq!(calls.len(), world.vendors.model.calls().len());
    for call in calls {
        assert_eq!(call["price_version"], built_in().version);
        assert_eq!(call["model"], "stand-in-1");
    }
    assert_eq!(shown["caused_by"]["github_delivery"], delivery);
    assert_eq!(shown["hold"]["reserved"], "600");
    assert_eq!(shown["hold"]["spent"], shown["amount"]);
    assert_eq!(shown["job"]["id"], job.facts.id.to_string());
    assert!(
        shown["sentence"]
            .as_str()
            .is_some_and(|text| text.starts_with("Fix of ") && text.contains("pull request #")),
        "{shown}"
    );
    let reserved = explained(&program, &format!("HOLD~{}", job.facts.id)).await;
    assert_eq!(reserved["agreement"], "equals", "{reserved}");
    let given = causes(&program, "adjustment").await;
    assert_eq!(explained(&program, &given[0]).await["agreement"], "named");

    let twin = path_of(&cause).replace("/billing/", &format!("/admin/accounts/{account}/"));
    let (status, seen) = world.operator("GET", &twin, None).await;
    assert_eq!((status, &seen), (StatusCode::OK, &shown));
    assert_eq!(world.assert_charges_explained().await, 2);
    program.world.done().await;
}

/// Somebody changes a step, or its price, after the charge.
#[tokio::test(start_paused = true)]
async fn a_step_that_was_changed_does_not_equal_its_charge() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world.adjusts(account, "1000", "the first").await;
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;
    let cause = format!("SETTLEMENT#{}", world.job_of(&delivery).await.facts.id);
    let mut rows = world.stack.tables.rows(MAIN_TABLE);
    rows.retain(|row| {
        let calls = row["calls"]["L"].as_array();
        calls.is_some_and(|calls| !calls.is_empty())
    });
    assert!(rows.len() >= 3, "a plan, a change and a review");
    for row in rows {
        let call = row["calls"]["L"][0]["S"].as_str().expect("a call");
        let mut words: Vec<_> = call.split(' ').map(str::to_owned).collect();
        for (place, with) in [(0, "1"), (2, "1/1")] {
            let was = std::mem::replace(&mut words[place], with.to_owned());
            let mut tampered = row.clone();
            tampered["calls"]["L"][0]["S"] = words.join(" ").into();
            world.stack.tables.row_put(MAIN_TABLE, &tampered);
            let shown = explained(&program, &cause).await;
            assert_eq!(shown["agreement"], "does_not_equal", "{shown}");
            assert_ne!(shown["amount"], shown["recomputed"]);
            words[place] = was;
        }
        world.stack.tables.row_put(MAIN_TABLE, &row);
        assert_eq!(explained(&program, &cause).await["agreement"], "equals");
    }
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_delivers_nothing_says_why_it_costs_nothing() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world.adjusts(account, "1000", "the first").await;
    let reject = r#"{"verdict":"reject","notes":"it breaks everything"}"#;
    world
        .vendors
        .model
        .script("review", vec![reject.to_owned()]);
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_not_delivered(JobState::Rejected, "it breaks everything")
        .await;
    let released = causes(&program, "release").await;
    let shown = explained(&program, &released[0]).await;
    assert_eq!(shown["agreement"], "equals", "{shown}");
    assert_eq!(
        (&shown["hold"]["spent"], total(&shown["sum"])),
        (&json!("0"), 0)
    );
    let says = shown["sentence"].as_str().expect("a sentence");
    assert!(
        says.starts_with("Nothing to pay") && says.contains("it breaks everything"),
        "{says}"
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_purchase_and_what_is_taken_back_of_it_name_their_payment() {
    let program = program("credits", &WIRED).await;
    let world = &program.world;
    let price = world.price(PACK, PRICE).await;
    let payment = world.pays(&world.cart(CUSTOMER, &price, 1, &[]).await);
    world.settle().await;
    let path = format!("/api/v1/admin/payments/{payment}/refund");
    for (key, minor) in [("first", 250), ("second", 300)] {
        let body = json!({ "amount_minor": minor, "reason": "a gift" });
        let (status, asked) = world.keyed("POST", &path, key, &body).await;
        assert!(status.is_success(), "{asked}");
        world.settle().await;
    }
    let bought = explained(&program, &format!("PAYMENT~{payment}")).await;
    assert_eq!(bought["agreement"], "equals", "{bought}");
    assert_eq!(bought["payment"]["id"], payment);
    assert_eq!(bought["payment"]["paid_minor"], PRICE);
    let taken = causes(&program, "take_back").await;
    assert_eq!(taken.len(), 2);
    for cause in &taken {
        let shown = explained(&program, cause).await;
        assert_eq!(shown["agreement"], "equals", "{shown}");
    }
    assert_eq!(world.assert_charges_explained().await, 3);

    // Another account sees none of it.
    let body =
        json!({ "stripe_customer_id": "cus_other", "installation_id": 77, "plan": "credits" });
    let other = world.insist("POST", "/api/v1/admin/accounts", &body).await;
    let other = AccountId::parse(other["id"].as_str().expect("an id")).expect("an id");
    let key = world.key_of(&other, "another's").await;
    let path = path_of(&taken[0]);
    let (status, _) = world.customer(&key, "GET", &path, "x", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_usage_record_is_counted_again_and_says_what_stripe_calls_it() {
    let program = program("payg", &[]).await;
    let (world, account) = (&program.world, &program.account);
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;
    let job = world.job_of(&delivery).await;
    let usage = UsageId::of_job(&job.facts.id);
    let path = format!("/api/v1/billing/usage/pull_requests/{usage}/explain");
    let shown = program.get(&path).await;
    assert_eq!(shown["agreement"], "equals", "{shown}");
    assert_eq!(
        (&shown["amount"], &shown["unit"]),
        (&json!("1"), &json!("pull_requests"))
    );
    assert_eq!(
        shown["usage"]["identifier"],
        format!("{usage}-pull_requests")
    );
    assert_eq!(shown["usage"]["state"], "reported");
    assert_eq!(shown["caused_by"]["github_delivery"], delivery);
    let twin = path.replace("/billing/", &format!("/admin/accounts/{account}/"));
    let (status, seen) = world.operator("GET", &twin, None).await;
    assert_eq!((status, &seen), (StatusCode::OK, &shown));
    for absent in ["use_1", "job_1"] {
        let path = format!("/api/v1/billing/usage/pull_requests/{absent}/explain");
        assert_eq!(
            program.ask("GET", &path, None).await.0,
            StatusCode::NOT_FOUND
        );
    }
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn every_line_and_every_job_lead_to_an_explanation() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world.adjusts(account, "1000", "the first").await;
    let delivery = world.github_sends("issues.opened").await;
    world.settle().await;
    let job = world.job_of(&delivery).await;
    let browser = world.signed_in("acme-owner").await;
    let opens = async |path: &str| {
        let page = browser.ask("GET", path, &[], "").await;
        assert_eq!(page.status(), StatusCode::OK, "{path}: {page:?}");
        String::from_utf8(page.body().to_vec()).expect("UTF-8")
    };
    let listed = opens("/billing/transactions").await;
    let links: Vec<_> = listed
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|path| path.starts_with("/billing/transactions/"))
        .collect();
    assert_eq!(links.len(), 3, "{listed}");
    for link in links {
        let page = opens(link).await;
        assert!(!page.contains("does not equal"), "{page}");
    }
    let path = format!("/billing/transactions/SETTLEMENT~{}", job.facts.id);
    let page = opens(&format!("/jobs/{}", job.facts.id)).await;
    assert!(page.contains(&path), "{page}");
    let page = opens(&path).await;
    for part in [
        "equals the recorded amount",
        "stand-in-1",
        &delivery,
        "PR_OPENED",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    program.world.done().await;
}
