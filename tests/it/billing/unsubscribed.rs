//! Work that a plan meters needs somebody who is billed for it: a live subscription, or an
//! operator's word that the account is free.

use crate::billing::checkouts::shop;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use http::StatusCode;
use local_stack::world::{CUSTOMER, INSTALLATION_ID, OWNER, REPOSITORY};
use serde_json::{Value, json};

const ACCOUNT: &str = "/api/v1/account";
const PHASES: &str = "/api/v1/phase-data";

/// A world with a metered account that has no subscription, and a key of it.
async fn unsubscribed(billing: Option<&str>) -> (World, AccountId, String) {
    let world = World::bare(FaultPlan::Seeded(431), &[]).await;
    world.pushes_the_catalogue().await;
    let mut wanted = json!({ "stripe_customer_id": CUSTOMER, "installation_id": INSTALLATION_ID, "plan": "payg" });
    if let Some(billing) = billing {
        wanted["billing"] = json!(billing);
    }
    let made = world
        .insist("POST", "/api/v1/admin/accounts", &wanted)
        .await;
    let account = AccountId::parse(made["id"].as_str().expect("an id")).expect("an id");
    let key = world.key_of(&account, "the first").await;
    (world, account, key)
}

fn pulls(world: &World) -> usize {
    world.vendors.github.pulls(OWNER, REPOSITORY).len()
}

async fn get(world: &World, key: &str, path: &str) -> Value {
    let (status, answer) = world.customer(key, "GET", path, "", None).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

async fn reports(world: &World, key: &str, once: &str) -> (StatusCode, Value) {
    let report = json!({ "phase": "mitigate", "status": "success", "repository": "acme/greeter", "fix": once });
    world
        .customer(key, "POST", PHASES, once, Some(&report))
        .await
}

/// The refusal has a link. Who leaves a payment method there gets the subscription, and the next
/// job is done and billed.
#[tokio::test(start_paused = true)]
async fn metered_work_without_a_subscription_is_refused_with_a_link() {
    let (world, _, key) = unsubscribed(None).await;
    let seen = get(&world, &key, ACCOUNT).await;
    assert_eq!(
        (&seen["can_use_service"], &seen["reason"], &seen["billing"]),
        (&json!(false), &json!("no_subscription"), &json!("stripe")),
        "{seen}"
    );
    world.github_sends("issues.labeled").await;
    world.settle().await;
    assert_eq!(pulls(&world), 0);
    let comment = world.comment();
    assert!(
        comment.contains("cannot start a job") && !comment.contains("subscription"),
        "{comment}"
    );
    let reason = world.commented_job().await.reason.unwrap_or_default();
    assert!(
        reason.contains("billed through a subscription") && reason.contains("/billing"),
        "{reason}"
    );
    let (status, answer) = reports(&world, &key, "one").await;
    assert_eq!(
        (status, &answer["code"]),
        (StatusCode::PAYMENT_REQUIRED, &json!("no_subscription"))
    );
    assert_eq!(world.vendors.stripe.meter_events().len(), 0);

    let stripe = &world.vendors.stripe;
    stripe.leave_card(CUSTOMER, "pm_card_visa").expect("a card");
    world.settle().await;
    let seen = get(&world, &key, ACCOUNT).await;
    assert_eq!(
        (
            &seen["can_use_service"],
            &seen["reason"],
            &seen["subscription_status"]
        ),
        (&json!(true), &Value::Null, &json!("active")),
        "{seen}"
    );
    world.issue_opens(50).await;
    let (status, answer) = reports(&world, &key, "one").await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    world.settle().await;
    assert_eq!(pulls(&world), 1);
    assert_eq!(stripe.meter_events().len(), 2);
    world.done().await;
}

/// An operator says that an account is free. It is shown as such everywhere, nothing is reported
/// to Stripe, and the operator can take it back.
#[tokio::test(start_paused = true)]
async fn an_operator_makes_an_account_free() {
    let (world, account, key) = unsubscribed(Some("none")).await;
    let seen = get(&world, &key, ACCOUNT).await;
    assert_eq!(
        (&seen["can_use_service"], &seen["reason"], &seen["billing"]),
        (&json!(true), &Value::Null, &json!("none")),
        "{seen}"
    );
    let path = format!("/api/v1/admin/accounts/{account}");
    let (_, shown) = world.operator("GET", &path, None).await;
    assert_eq!(
        (&shown["billing"], &shown["metered_to"]),
        (&json!("none"), &json!("free")),
        "{shown}"
    );
    world.issue_opens(50).await;
    let (status, answer) = reports(&world, &key, "one").await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    world.settle().await;
    assert_eq!(pulls(&world), 1);
    assert_eq!(world.vendors.stripe.meter_events().len(), 0);

    let change = json!({ "billing": "stripe", "reason": "the test is over" });
    let billing = format!("{path}/billing");
    let answer = world.insist("PUT", &billing, &change).await;
    assert_eq!(answer["billing"], "stripe", "{answer}");
    let seen = get(&world, &key, ACCOUNT).await;
    assert_eq!(
        (&seen["can_use_service"], &seen["reason"]),
        (&json!(false), &json!("no_subscription"))
    );
    // What was reported before is answered as it was. A new fix is refused.
    let (again, _) = reports(&world, &key, "one").await;
    let (new, _) = reports(&world, &key, "two").await;
    assert_eq!((again, new), (StatusCode::OK, StatusCode::PAYMENT_REQUIRED));
    for (bad, code) in [
        (json!({ "billing": "free", "reason": "x" }), "bad_billing"),
        (json!({ "billing": "none", "reason": " " }), "bad_reason"),
        (json!({ "billing": "none" }), "bad_body"),
    ] {
        let (status, answer) = world.operator("PUT", &billing, Some(&bad)).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{bad}"
        );
    }
    world.done().await;
}

/// The customer subscribed before the account was provisioned: Stripe is asked, and the account
/// works at once.
#[tokio::test(start_paused = true)]
async fn provisioning_knows_the_subscription_that_stripe_has() {
    let program = shop("credits").await;
    let world = &program.world;
    let stripe = &world.vendors.stripe;
    stripe.add_customer("cus_TallyhookOther1", "other@acme.example");
    stripe
        .add_card("cus_TallyhookOther1", "pm_card_visa")
        .expect("a card");
    let price = world
        .priced("tallyhook_plan_starter", 2_900, Some("month"))
        .await;
    let form = [
        ("customer", "cus_TallyhookOther1"),
        ("items[0][price]", price["id"].as_str().expect("an id")),
    ];
    let made = world.stripe_makes("subscriptions", &form).await;
    stripe.outbox_take();
    let wanted = json!({ "stripe_customer_id": "cus_TallyhookOther1", "installation_id": 7_100, "plan": "payg" });
    let answer = world
        .insist("POST", "/api/v1/admin/accounts", &wanted)
        .await;
    let path = format!(
        "/api/v1/admin/accounts/{}",
        answer["id"].as_str().expect("an id")
    );
    let (_, shown) = world.operator("GET", &path, None).await;
    assert_eq!(
        (&shown["effective_plan"], &shown["subscriptions"][0]["id"]),
        (&json!("starter"), &made["id"]),
        "{shown}"
    );
    world.settle().await;
    program.world.done().await;
}
