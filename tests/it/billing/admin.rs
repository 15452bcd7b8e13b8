//! `/api/v1/admin/accounts/{id}/invoices` and `…/quotas`.

use crate::world::{FaultPlan, World};
use ::queues::Queue;
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn invoices_are_listed_with_where_they_can_be_paid() {
    let world = World::with(FaultPlan::None, &[]).await;
    let account = world.account().await;
    let path = format!("/api/v1/admin/accounts/{account}/invoices");
    assert_eq!(
        world.operator("GET", &path, None).await,
        (StatusCode::OK, json!({ "invoices": [] }))
    );
    let said = world
        .stripe_sends_changed("invoice.paid", |event| {
            event["data"]["object"]["customer"] = CUSTOMER.into()
        })
        .await;
    assert!(said.is_success(), "{said}");
    world.drain(Queue::StripeEvents).await;
    let (_, page) = world.operator("GET", &path, None).await;
    let [invoice] = page["invoices"].as_array().expect("a list").as_slice() else {
        panic!("one: {page}")
    };
    assert_eq!(
        (&invoice["status"], &invoice["currency"]),
        (&json!("paid"), &json!("usd")),
        "{invoice}"
    );
    assert!(
        invoice["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("in_")),
        "{invoice}"
    );
    assert!(
        invoice["amount_due_minor"].is_i64() && invoice["amount_paid_minor"].is_i64(),
        "{invoice}"
    );
    world.settle().await;
    world.done().await;
}

/// Jobs and their tokens are counted once, however they are paid for. Only delivered jobs count.
#[tokio::test(start_paused = true)]
async fn quotas_say_what_was_used_of_each_meter() {
    for plan in ["payg", "hybrid", "credits", "basic"] {
        let (world, account) = World::on_plan(FaultPlan::Seeded(29), plan, &[]).await;
        world.adjusts(&account, "100000", "enough").await;
        let delivery = world.github_sends("issues.opened").await;
        world.settle().await;
        let job = world.job_of(&delivery).await;
        let path = format!("/api/v1/admin/accounts/{account}/quotas");
        let (status, shown) = world.operator("GET", &path, None).await;
        assert_eq!((status, &shown["plan"]), (StatusCode::OK, &json!(plan)));
        let of = |meter: &str| -> Value {
            let all = shown["quotas"].as_array().expect("a list");
            all.iter()
                .find(|quota| quota["meter"] == meter)
                .cloned()
                .unwrap_or_default()
        };
        assert_eq!(of("pull_requests")["used"], 1, "{plan}: {shown}");
        let tokens = job.tokens.input + job.tokens.output;
        assert!(tokens > 0);
        assert_eq!(of("tokens")["used"], tokens, "{plan}: {shown}");
        assert_eq!(
            of("tokens")["limit"],
            if plan == "basic" { 100_000 } else { 0 }
        );
        assert_eq!(
            (&of("tokens")["period"], &of("tokens")["renews_at"]),
            (&json!("2026-11"), &json!("2026-12-01T00:00:00.000Z"))
        );
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_of_what_was_not_delivered_are_not_counted() {
    let (world, account) = World::on_plan(FaultPlan::Seeded(31), "payg", &[]).await;
    world.vendors.model.script(
        "review",
        vec![r#"{"verdict":"reject","notes":"no"}"#.to_owned()],
    );
    world.github_sends("issues.opened").await;
    world.settle().await;
    let (_, shown) = world
        .operator(
            "GET",
            &format!("/api/v1/admin/accounts/{account}/quotas"),
            None,
        )
        .await;
    let used: Vec<_> = shown["quotas"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|quota| &quota["used"])
        .collect();
    assert_eq!(used, [&json!(0), &json!(0)], "{shown}");
    world.done().await;
}
