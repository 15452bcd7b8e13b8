//! What operators see of all accounts: lists, search, queues and metrics. The figures equal a
//! recount of the rows.

use crate::ledger::jobs::prepaid;
use crate::world::operator::assert_problem;
use crate::world::{FaultPlan, World};
use ::queues::{Message, Queue};
use domain::ids::JobId;
use domain::jobs::cost_to_customer;
use domain::time::Timestamp;
use domain::units::{Credits, decimal};
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::Slice;

const ACCOUNTS: &str = "/api/v1/admin/accounts";

async fn seen(world: &World, path: &str) -> Value {
    let (status, shown) = world.operator("GET", path, None).await;
    assert_eq!(status, StatusCode::OK, "{path}: {shown}");
    shown
}

fn ids<'a>(page: &'a Value, list: &str) -> Vec<&'a str> {
    let rows = page[list].as_array().expect("a list").iter();
    rows.map(|row| row["id"].as_str().expect("an id")).collect()
}

#[tokio::test(start_paused = true)]
async fn every_account_is_listed_once_newest_first() {
    let world = World::bare(FaultPlan::None, &[]).await.alone();
    let mut made = Vec::new();
    for n in 1..=60_u64 {
        let body = json!({ "stripe_customer_id": format!("cus_{n}"), "installation_id": n });
        let (status, account) = world.operator("POST", ACCOUNTS, Some(&body)).await;
        assert_eq!(status, StatusCode::CREATED, "{account}");
        made.push(account["id"].as_str().expect("an id").to_owned());
        // Pairs of accounts share a moment.
        if n.is_multiple_of(2) {
            world.elapse(std::time::Duration::from_millis(1)).await;
        }
    }
    let (mut listed, mut path) = (Vec::new(), ACCOUNTS.to_owned());
    loop {
        let page = seen(&world, &path).await;
        listed.extend(ids(&page, "accounts").into_iter().map(str::to_owned));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        assert_eq!(listed.len() % 25, 0, "only the last page may be short");
        path = format!("{ACCOUNTS}?cursor={next}");
    }
    assert_eq!(listed.len(), made.len());
    let all: BTreeSet<_> = listed.iter().collect();
    assert_eq!(all, made.iter().collect(), "each of them once");
    assert!(made[58..].contains(&listed[0]), "the newest first");
    for bad in ["?cursor=x", "?search=%00%00&limit=1", "?state=1"] {
        let path = format!("{ACCOUNTS}{bad}");
        let response = world
            .admin_request("GET", &path, Some("local-token"), None)
            .await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_account_is_found_by_what_people_know_of_it() {
    let world = World::with(FaultPlan::None, &[]).await.alone();
    // The first event about an issue links the owner to the account of the installation.
    world.github_sends("issues.labeled").await;
    world.settle().await;
    world.github_sends("installation.created").await;
    world.settle().await;
    let account = world.account().await;
    let customer = local_stack::world::CUSTOMER;
    for search in [account.as_str(), customer, "acme", "ACME", "%20acme%20"] {
        let page = seen(&world, &format!("{ACCOUNTS}?search={search}")).await;
        assert_eq!(ids(&page, "accounts"), [account.as_str()], "{search}");
    }
    for search in [
        "acm",
        "cus_",
        "cus_nobody",
        "9",
        "nobody@example.com",
        "'%3B",
    ] {
        let page = seen(&world, &format!("{ACCOUNTS}?search={search}")).await;
        assert!(ids(&page, "accounts").is_empty(), "{search}: {page}");
    }
    let long = "x".repeat(321);
    let path = format!("{ACCOUNTS}?search={long}");
    let response = world
        .admin_request("GET", &path, Some("local-token"), None)
        .await;
    assert_problem("a long search", &response, 400, "bad_search");
    world.abandoned();
}

/// A job that paid, one that failed, and their figures on a later day.
#[tokio::test(start_paused = true)]
async fn metrics_equal_a_recount_of_the_jobs() {
    let (world, account) = prepaid(FaultPlan::None, "5000", &[]).await;
    let world = world.alone();
    let day = world.stack.outside.now().day();
    let paid = world.github_sends("issues.opened").await;
    world.settle().await;
    let paid = world.job_of(&paid).await;
    let review = json!({ "verdict": "reject", "notes": "no" }).to_string();
    world.vendors.model.script("review", vec![review]);
    world
        .vendors
        .github
        .add_issue("acme", "greeter", 9, "another", "text");
    let second = |event: &mut Value| {
        event["issue"]["number"] = 9.into();
        event["issue"]["id"] = 90_009.into();
    };
    let rejected = world.github_sends_changed("issues.opened", second).await;
    world.settle().await;
    let rejected = world.job_of(&rejected).await;
    assert_eq!(rejected.state.as_str(), "REJECTED");

    let jobs = seen(&world, "/api/v1/admin/jobs").await;
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(2));
    let failed = seen(&world, "/api/v1/admin/jobs?state=FAILED,REJECTED").await;
    assert_eq!(ids(&failed, "jobs"), [rejected.facts.id.as_str()]);
    assert_eq!(failed["jobs"][0]["revenue"], "0");
    assert_eq!(failed["next_cursor"], Value::Null);

    let metrics = seen(&world, "/api/v1/admin/metrics").await;
    let price = cost_to_customer(&paid);
    let cost = paid.cost.micros() + rejected.cost.micros();
    let signed = |micros: u64| i64::try_from(micros).expect("small");
    let total = json!({
        "jobs": 2,
        "billed": 1,
        "revenue": price.to_string(),
        "cost": decimal(signed(cost)),
        "margin": decimal(signed(price.micros()) - signed(cost)),
    });
    assert_eq!(metrics["total"], total, "{metrics:#}");
    assert_eq!(metrics["complete"], true);
    assert_eq!(metrics["by_day"][&day], total);
    assert_eq!(metrics["by_plan"]["credits"], total);
    assert_eq!(metrics["by_repository"]["acme/greeter"], total);
    assert_eq!(metrics["states"], json!({ "PR_OPENED": 1, "REJECTED": 1 }));
    let models = metrics["by_model"].as_object().expect("models");
    assert_eq!(models["stand-in-1"]["cost"], decimal(signed(cost)));
    let balance = world.balance(&account).await;
    let remaining = &metrics["credits_remaining"];
    assert_eq!(remaining["state"], "known");
    assert_eq!(remaining["credits"], balance.available.to_string());
    assert_eq!(metrics["dead_letters"], 0);

    // The ledger says the same.
    let spent = Credits::whole(5_000)
        .expect("credits")
        .less(balance.available);
    assert_eq!(spent, price);

    // Another day has none of them, and a range with that day has both.
    world.elapse(std::time::Duration::from_secs(86_400)).await;
    let today = seen(&world, "/api/v1/admin/metrics").await;
    assert_eq!(today["total"]["jobs"], 0);
    let both = seen(&world, &format!("/api/v1/admin/metrics?from={day}")).await;
    assert_eq!(both["total"]["jobs"], 2, "through today");
    world.abandoned();
}

#[tokio::test(start_paused = true)]
async fn a_filtered_page_of_jobs_is_full() {
    let world = World::with(FaultPlan::None, &[]).await.alone();
    let delivery = world.github_sends("issues.labeled").await;
    world.settle().await;
    let job = world.job_of(&delivery).await;
    let slice = Slice {
        since: Some(job.facts.created_at),
        before: Some(Timestamp::from_millis(job.facts.created_at.millis() + 1)),
        from: None,
        limit: 1,
    };
    let store = &world.stack.store;
    let listed = |slice| async move {
        let page = store.job_ids(slice).await.expect("the store answers");
        (page.rows, page.next)
    };
    let only: Vec<JobId> = vec![job.facts.id.clone()];
    assert_eq!(listed(slice).await, (only, None), "its own moment");
    let earlier = Slice {
        before: Some(job.facts.created_at),
        since: None,
        ..slice
    };
    assert_eq!(listed(earlier).await, (vec![], None), "the end is excluded");
    for (query, count) in [
        ("", 1),
        ("?state=PR_OPENED", 1),
        ("?state=MERGED", 0),
        ("?to=2020-01-01", 0),
    ] {
        let page = seen(&world, &format!("/api/v1/admin/jobs{query}")).await;
        assert_eq!(ids(&page, "jobs").len(), count, "{query}");
    }
    for (query, code) in [
        ("?state=DONE", "bad_state"),
        ("?from=today", "bad_day"),
        ("?from=2026-11-21&to=2026-11-20", "bad_days"),
        ("?cursor=%2B", "bad_cursor"),
    ] {
        let path = format!("/api/v1/admin/jobs{query}");
        let response = world
            .admin_request("GET", &path, Some("local-token"), None)
            .await;
        assert_problem(query, &response, 400, code);
    }
    world.abandoned();
}

#[tokio::test(start_paused = true)]
async fn queues_show_what_waits_in_them() {
    let world = World::bare(FaultPlan::None, &[]).await.alone();
    let message = Message::Event(
        domain::inbox::EventKey::parse(domain::inbox::EventSource::Github, "none").expect("an id"),
    );
    let url = world.mapping(Queue::GithubEvents).queue_url.clone();
    let aws = boot::Aws::new(boot::AwsSettings::embedded(), &world.stack.outside);
    let queues = ::queues::Queues::new(&aws.sdk, None, [(Queue::GithubEvents, url)]);
    queues.send(&message, None).await.expect("SQS takes it");
    let shown = seen(&world, "/api/v1/admin/queues").await;
    let rows = shown["queues"].as_array().expect("queues");
    assert_eq!(rows.len(), Queue::ALL.len());
    let expected = json!({
        "queue": "github-events", "ready": 1, "in_flight": 0, "delayed": 0, "dead_letters": 0,
    });
    assert_eq!(rows[0], expected);
    world.abandoned();
}
