//! `can_use_service` is true exactly when the next job would be accepted, and `reason` says why not.

use crate::world::money::Sold;
use crate::world::program::{Program, program};
use http::StatusCode;
use local_stack::world::{CUSTOMER, OWNER, REPOSITORY};
use serde_json::{Value, json};

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
