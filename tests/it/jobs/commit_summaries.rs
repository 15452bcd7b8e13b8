//! `/api/v1/repos/{owner}/{repo}/commits/{sha}/summary`: one summary of the real diff, charged
//! once.

use crate::world::program::{Program, program};
use crate::world::verbs::together;
use crate::world::{FaultPlan, World};
use domain::billing::plans::Limit;
use domain::billing::usage::Meter;
use domain::jobs::assists::FREE_A_DAY_MAX;
use domain::ledger::Balance;
use domain::units::Credits;
use http::StatusCode;
use local_stack::world::{OWNER, REPOSITORY};
use queues::Queue;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};
use std::time::Duration;

/// A commit that adds one file of two lines, and the path of its summary.
fn pushed(world: &World) -> String {
    world
        .vendors
        .github
        .push_file(OWNER, REPOSITORY, "main", "docs/aloha.md", "aloha\nkakou\n");
    path_of(&world.vendors.github.commits_on(OWNER, REPOSITORY, "main")[0].sha)
}

fn path_of(sha: &str) -> String {
    format!("/api/v1/repos/{OWNER}/{REPOSITORY}/commits/{sha}/summary")
}

fn credits(text: &str) -> Credits {
    Credits::parse(text).expect("an amount")
}

async fn with_credits() -> Program {
    let program = program("credits", &[]).await;
    program
        .world
        .adjusts(&program.account, "1000", "a gift")
        .await;
    program
}

/// The summary describes the diff that GitHub shows, the captured price is the shown one, and the
/// rest of the hold is released.
#[tokio::test(start_paused = true)]
async fn a_summary_is_of_the_real_diff_and_paid_for_exactly() {
    let program = with_credits().await;
    let (world, path) = (&program.world, pushed(&program.world));
    let (status, queued) = program.ask("POST", &path, None).await;
    assert_eq!(
        (status, &queued["state"]),
        (StatusCode::ACCEPTED, &json!("QUEUED")),
        "{queued}"
    );
    assert!(!world.balance(&program.account).await.held.is_zero());
    world.settle().await;
    let done = program.get(&path).await;
    let said = done["summary"].as_str().expect("a summary");
    assert_eq!(
        said, "Changes 1 file(s): docs/aloha.md. 2 line(s) added, 0 removed.",
        "{done}"
    );
    assert_eq!(
        (&done["diff"]["files"], &done["diff"]["additions"]),
        (&json!(1), &json!(2))
    );
    let asked = world.vendors.model.calls();
    assert!(
        asked.last().expect("a call").content.contains("+kakou"),
        "the diff itself was read"
    );
    let price = credits(done["price"].as_str().expect("a price"));
    let expected = Balance {
        available: credits("1000").less(price),
        ..Balance::default()
    };
    assert!(!price.is_zero());
    assert_eq!(world.balance(&program.account).await, expected);
    assert_eq!(
        world.kinds(&program.account).await,
        ["adjustment", "hold", "capture"]
    );
    let (status, again) = program.ask("POST", &path, None).await;
    assert_eq!((status, &again["id"]), (StatusCode::OK, &done["id"]));
    world.assert_ledger_agrees().await;
    program.world.done().await;
}

/// Two concurrent requests create one assist and one charge.
#[tokio::test(start_paused = true)]
async fn two_requests_at_once_are_one_assist() {
    let program = with_credits().await;
    let path = pushed(&program.world);
    let answers = together((0..4).map(|_| program.ask("POST", &path, None))).await;
    let ids: std::collections::BTreeSet<_> = answers
        .iter()
        .map(|(_, answer)| answer["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
    program.world.settle().await;
    assert_eq!(
        program.world.kinds(&program.account).await,
        ["adjustment", "hold", "capture"]
    );
    program.world.done().await;
}

/// A request that cannot be answered fails with its reason and releases its hold. A foreign
/// repository looks missing.
#[tokio::test(start_paused = true)]
async fn what_is_not_there_fails_and_costs_nothing() {
    let program = with_credits().await;
    let world = &program.world;
    world.vendors.github.add_repository(
        8_008,
        9_009,
        "other",
        6_006,
        "theirs",
        "main",
        &[("a", "a\n")],
    );
    let theirs = world.vendors.github.commits_on("other", "theirs", "main")[0]
        .sha
        .clone();
    let nowhere = "0".repeat(40);
    let mut reasons = Vec::new();
    for path in [
        format!("/api/v1/repos/other/theirs/commits/{theirs}/summary"),
        format!("/api/v1/repos/other/nothing/commits/{theirs}/summary"),
        path_of(&nowhere),
    ] {
        let (status, answer) = program.ask("POST", &path, None).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        world.settle().await;
        let failed = program.get(&path).await;
        assert_eq!(
            (&failed["state"], &failed["summary"]),
            (&json!("FAILED"), &Value::Null),
            "{failed}"
        );
        reasons.push(failed["reason"].as_str().expect("a reason").to_owned());
    }
    assert_eq!(
        reasons[0].replace("theirs", "nothing"),
        reasons[1],
        "a foreign repository looks absent"
    );
    assert!(reasons[2].contains(&nowhere), "{reasons:?}");
    let whole = Balance {
        available: credits("1000"),
        ..Balance::default()
    };
    assert_eq!(world.balance(&program.account).await, whole);
    world.assert_ledger_agrees().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn without_credits_nothing_is_queued_and_an_unknown_model_fails_closed() {
    let poor = program("credits", &[]).await;
    let path = pushed(&poor.world);
    let (status, answer) = poor.ask("POST", &path, None).await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::PAYMENT_REQUIRED, &json!("insufficient_credits")),
        "{answer}"
    );
    assert_eq!(poor.ask("GET", &path, None).await.0, StatusCode::NOT_FOUND);
    poor.world.done().await;

    let strange = program("credits", &[("MODEL_NAME", "nobody-knows-1")]).await;
    strange
        .world
        .adjusts(&strange.account, "1000", "a gift")
        .await;
    let path = pushed(&strange.world);
    strange.ask("POST", &path, None).await;
    strange.world.settle().await;
    let failed = strange.get(&path).await;
    assert!(
        failed["reason"]
            .as_str()
            .is_some_and(|why| why.contains("no price for the model")),
        "{failed}"
    );
    assert_eq!(strange.world.vendors.model.calls().len(), 0);
    assert_eq!(
        strange.world.kinds(&strange.account).await,
        ["adjustment", "hold", "release"]
    );
    strange.world.done().await;
}

/// The usage reported to Stripe.
fn reported(world: &World) -> Vec<(String, i64)> {
    world
        .vendors
        .stripe
        .meter_events()
        .into_iter()
        .map(|event| (event.event_name, event.value))
        .collect()
}

/// If the plan bills tokens by a meter, they are reported to Stripe, once; no credits move.
#[tokio::test(start_paused = true)]
async fn a_metered_summary_is_reported_to_stripe_once() {
    let program = program("hybrid", &[]).await;
    let (world, path) = (&program.world, pushed(&program.world));
    program.ask("POST", &path, None).await;
    world.settle().await;
    let done = program.get(&path).await;
    assert_eq!(
        (&done["state"], &done["paid_by"], &done["price"]),
        (&json!("DONE"), &json!("meters"), &Value::Null)
    );
    let tokens =
        done["tokens_in"].as_i64().expect("tokens") + done["tokens_out"].as_i64().expect("tokens");
    assert!(tokens > 0);
    assert_eq!(reported(world), [("tokens".to_owned(), tokens)]);
    assert!(world.kinds(&program.account).await.is_empty());
    // A summary that cannot be answered is not reported.
    program.ask("POST", &path_of(&"0".repeat(40)), None).await;
    world.settle().await;
    assert_eq!(reported(world), [("tokens".to_owned(), tokens)]);
    program.world.done().await;
}

/// A plan without a token price has a daily allowance, renewed the next day; two concurrent
/// requests do not both get the last one.
#[tokio::test(start_paused = true)]
async fn unpaid_summaries_are_limited_by_the_day() {
    let program = program("payg", &[]).await;
    let world = &program.world;
    let day = world.stack.outside.now().day();
    let used = FREE_A_DAY_MAX - 1;
    let meter = Meter::free_assists();
    world
        .stack
        .store
        .quota_use(&program.account, (&meter, &day), used, Limit::Unlimited)
        .await
        .expect("counted");
    let paths = [
        pushed(world),
        path_of(&"1".repeat(40)),
        path_of(&"2".repeat(40)),
    ];
    let answers = together(paths.iter().map(|path| program.ask("POST", path, None))).await;
    let (queued, refused): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|(status, _)| *status == StatusCode::ACCEPTED);
    assert_eq!((queued.len(), refused.len()), (1, 2), "{answers:?}");
    assert_eq!(queued[0].1["paid_by"], "nothing");
    for (status, answer) in refused {
        assert_eq!(*status, StatusCode::TOO_MANY_REQUESTS, "{answer}");
        assert!(
            answer["detail"]
                .as_str()
                .is_some_and(|why| why.contains("T00:00:00")),
            "{answer}"
        );
    }
    world.settle().await;
    world.elapse(Duration::from_secs(24 * 3_600)).await;
    let (status, answer) = program.ask("POST", &path_of(&"3".repeat(40)), None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    world.settle().await;
    program.world.done().await;
}

/// A model without a usable answer is asked twice; then the hold is released and the reader sees
/// why. A new request starts over. A repaired answer costs the same as a first one.
#[tokio::test(start_paused = true)]
async fn a_model_that_fails_for_good_costs_nothing() {
    // Without faults, because with them the model is asked once more if the end could not be
    // written.
    let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
    let program = Program {
        key: world.key_of(&account, "the first").await,
        world,
        account,
    };
    program
        .world
        .adjusts(&program.account, "1000", "a gift")
        .await;
    let (world, path) = (&program.world, pushed(&program.world));
    let useless = ["I would rather not.", "{\"summary\": \"  \"}"];
    world
        .vendors
        .model
        .script("generate_summary", useless.map(str::to_owned).into());
    let (_, queued) = program.ask("POST", &path, None).await;
    world.settle().await;
    let failed = program.get(&path).await;
    assert_eq!(
        (&failed["state"], &failed["price"]),
        (&json!("FAILED"), &Value::Null),
        "{failed}"
    );
    assert!(
        failed["reason"].as_str().is_some_and(|why| !why.is_empty()),
        "{failed}"
    );
    assert_eq!(world.asked("generate_summary"), 2);
    assert_eq!(
        world.kinds(&program.account).await,
        ["adjustment", "hold", "release"]
    );
    let whole = Balance {
        available: credits("1000"),
        ..Balance::default()
    };
    assert_eq!(world.balance(&program.account).await, whole);

    world.elapse(Duration::from_secs(1)).await;
    world
        .vendors
        .model
        .script("generate_summary", vec!["not yet".to_owned()]);
    let (status, again) = program.ask("POST", &path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{again}");
    assert_ne!(again["id"], queued["id"]);
    world.settle().await;
    assert_eq!(program.get(&path).await["state"], "DONE");
    assert_eq!(world.asked("generate_summary"), 4);
    assert_eq!(
        world.kinds(&program.account).await,
        ["adjustment", "hold", "release", "hold", "capture"]
    );
    world.assert_ledger_agrees().await;
    program.world.done().await;
}

/// A summary has failed, and several programs ask for it again at once: there is one new summary and
/// one hold.
#[tokio::test(start_paused = true)]
async fn of_those_who_ask_again_at_once_one_pays() {
    let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
    let program = Program {
        key: world.key_of(&account, "the first").await,
        world,
        account,
    };
    let (world, path) = (&program.world, pushed(&program.world));
    world.adjusts(&program.account, "1000", "a gift").await;
    let useless = vec!["I would rather not.".to_owned(); 2];
    world.vendors.model.script("generate_summary", useless);
    program.ask("POST", &path, None).await;
    world.settle().await;
    assert_eq!(program.get(&path).await["state"], "FAILED");
    world.elapse(Duration::from_secs(1)).await;
    let answers = together((0..4).map(|_| program.ask("POST", &path, None))).await;
    let ids: std::collections::BTreeSet<_> = answers
        .iter()
        .map(|(_, answer)| answer["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
    world.settle().await;
    assert_eq!(program.get(&path).await["state"], "DONE");
    assert_eq!(
        world.kinds(&program.account).await,
        ["adjustment", "hold", "release", "hold", "capture"]
    );
    world.assert_ledger_agrees().await;
    program.world.done().await;
}

/// While its account is paused, an assist waits without using an attempt, and a new one is refused.
#[tokio::test(start_paused = true)]
async fn a_paused_account_s_assists_wait() {
    let program = with_credits().await;
    let (world, path) = (&program.world, pushed(&program.world));
    program.ask("POST", &path, None).await;
    world.pause(&program.account, true).await;
    world.drain(Queue::Assists).await;
    assert_eq!(world.asked("generate_summary"), 0);
    let (status, answer) = program.ask("POST", &path_of(&"1".repeat(40)), None).await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::CONFLICT, &json!("account_paused")),
        "{answer}"
    );
    world.pause(&program.account, false).await;
    world.settle().await;
    assert_eq!(program.get(&path).await["state"], "DONE");
    program.world.done().await;
}

/// A prepaid summary with a death at one call: one capture, one answer. Returns its calls.
async fn dies_at(call: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
    let key = world.key_of(&account, "the first").await;
    world.adjusts(&account, "1000", "a gift").await;
    let path = pushed(&world);
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = call {
        world.stack.faults.crash_at(before + call, moment);
    }
    let _ = world.customer_once(&key, "POST", &path, "once", None).await;
    world.settle().await;
    let calls = world.stack.faults.since(before);
    // A client without an answer retries with the same key.
    let (status, answer) = world.customer(&key, "POST", &path, "once", None).await;
    assert!(status.is_success(), "{call:?}: {status} {answer}");
    world.settle().await;
    let (_, done) = world.customer(&key, "GET", &path, "", None).await;
    assert_eq!(done["state"], "DONE", "{call:?}: {done}");
    assert_eq!(
        world.kinds(&account).await,
        ["adjustment", "hold", "capture"],
        "{call:?}"
    );
    world.assert_ledger_agrees().await;
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_summary() {
    let calls = dies_at(None).await;
    assert!(calls.len() >= 10, "{calls:?}");
    for death in deaths(&calls) {
        dies_at(Some(death)).await;
    }
}
