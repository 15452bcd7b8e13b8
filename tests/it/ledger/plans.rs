//! Entitlements through the life of a subscription: paid, unpaid, settled, changed, ended.

use crate::world::World;
use crate::world::program::program;
use domain::ids::AccountId;
use http::StatusCode;
use local_stack::world::{CUSTOMER, OWNER, REPOSITORY};
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

async fn shown(world: &World, account: &AccountId) -> Value {
    world
        .operator("GET", &format!("/api/v1/admin/accounts/{account}"), None)
        .await
        .1
}

/// The customer subscribes to a plan at this price and pays for it. Returns the subscription.
async fn subscribes(world: &World, plan: &str, minor: i64) -> String {
    let price = world
        .priced(&format!("tallyhook_plan_{plan}"), minor, Some("month"))
        .await;
    let price = price["id"].as_str().expect("an id");
    let made = world
        .stripe_makes(
            "subscriptions",
            &[("customer", CUSTOMER), ("items[0][price]", price)],
        )
        .await;
    world.settle().await;
    made["id"].as_str().expect("an id").to_owned()
}

/// Changes the subscription to another plan.
async fn changes(world: &World, subscription: &str, plan: &str, minor: i64) {
    let price = world
        .priced(&format!("tallyhook_plan_{plan}"), minor, Some("month"))
        .await;
    let known = world
        .vendors
        .stripe
        .subscription(subscription)
        .expect("it is there");
    let item = known["items"]["data"][0]["id"]
        .as_str()
        .expect("an item")
        .to_owned();
    let form = [
        ("items[0][id]", item.as_str()),
        ("items[0][price]", price["id"].as_str().expect("an id")),
    ];
    world
        .stripe_makes(&format!("subscriptions/{subscription}"), &form)
        .await;
    world.settle().await;
}

/// Requests a job for an issue with this number. Returns whether it got a pull request.
async fn works(world: &World, number: u64) -> bool {
    let before = world.vendors.github.pulls(OWNER, REPOSITORY).len();
    world.issue_opens(number).await;
    world.settle().await;
    world.vendors.github.pulls(OWNER, REPOSITORY).len() > before
}

#[tokio::test(start_paused = true)]
async fn a_failed_payment_is_notified_tolerated_and_settled() {
    // The subscribed plan bills its jobs by meter until it lapses; the remaining plan requires
    // credits.
    let program = program("free", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world
        .vendors
        .stripe
        .add_card(CUSTOMER, "pm_card_visa")
        .expect("a card");
    let subscription = subscribes(world, "teams", 48_000).await;
    let seen = shown(world, account).await;
    assert_eq!(
        (&seen["effective_plan"], &seen["service"]["state"]),
        (&json!("teams"), &json!("full")),
        "{seen}"
    );
    assert!(works(world, 30).await);

    world.skip(31 * DAY);
    world
        .vendors
        .stripe
        .fail_next_payment(CUSTOMER)
        .expect("a customer");
    world
        .vendors
        .stripe
        .roll_period(&subscription)
        .expect("the next period");
    world.settle().await;
    let seen = shown(world, account).await;
    assert_eq!(
        (&seen["effective_plan"], &seen["service"]["state"]),
        (&json!("teams"), &json!("grace")),
        "{seen}"
    );
    let notices = world.notices(account).await;
    assert_eq!(
        notices
            .iter()
            .filter(|fact| fact.starts_with("payment_failed#in_"))
            .count(),
        1,
        "{notices:?}"
    );
    assert!(
        works(world, 31).await,
        "it continues during the grace period"
    );
    let own = program.get("/api/v1/account").await;
    assert_eq!(
        (&own["subscription_status"], &own["can_use_service"]),
        (&json!("past_due"), &json!(true)),
        "{own}"
    );

    world.skip(8 * DAY);
    let seen = shown(world, account).await;
    assert_eq!(
        (&seen["effective_plan"], &seen["service"]["state"]),
        (&json!("free"), &json!("lapsed")),
        "{seen}"
    );
    assert!(
        !works(world, 32).await,
        "the rest needs credits, and the account has none"
    );

    let invoices = world.vendors.stripe.invoices();
    let open = invoices
        .iter()
        .find(|invoice| invoice["status"] == "open")
        .expect("an unpaid invoice");
    world
        .vendors
        .stripe
        .pay_invoice(open["id"].as_str().expect("an id"))
        .expect("a card that works");
    world.settle().await;
    let seen = shown(world, account).await;
    assert_eq!(
        (&seen["effective_plan"], &seen["service"]["state"]),
        (&json!("teams"), &json!("full")),
        "{seen}"
    );
    assert!(works(world, 33).await);
    world.assert_ledger_agrees().await;
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_in_the_middle_of_a_month_keeps_what_was_counted() {
    let program = program("free", &[]).await;
    let world = &program.world;
    world
        .vendors
        .stripe
        .add_card(CUSTOMER, "pm_card_visa")
        .expect("a card");
    let subscription = subscribes(world, "basic", 1_900).await;
    let uses = async |amount: u64| {
        let used = json!({ "meter": "tokens", "amount": amount });
        program
            .ask("POST", "/api/v1/usage/check", Some(&used))
            .await
    };
    assert_eq!(uses(90_000).await.0, StatusCode::CREATED);
    assert_eq!(
        uses(50_000).await.0,
        StatusCode::FORBIDDEN,
        "100,000 is all there is"
    );
    changes(world, &subscription, "pro", 4_900).await;
    let (status, counted) = uses(50_000).await;
    assert_eq!(
        (status, &counted["used"], &counted["limit"]),
        (StatusCode::CREATED, &json!(140_000), &json!(1_000_000))
    );
    changes(world, &subscription, "basic", 1_900).await;
    let (status, refused) = uses(1).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::FORBIDDEN, &json!("quota_used")),
        "what was used stays used"
    );
    let quota = program.get("/api/v1/billing/quota").await;
    let tokens = quota["quotas"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["meter"] == "tokens")
        .expect("it");
    assert_eq!(
        (&tokens["used"], &tokens["left"]),
        (&json!(140_000), &json!(0)),
        "{quota}"
    );
    program.world.done().await;
}

/// If there are two subscriptions, one counts, so no account has two quotas. When it ends, the
/// other one counts.
#[tokio::test(start_paused = true)]
async fn of_two_subscriptions_one_counts() {
    let program = program("free", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world
        .vendors
        .stripe
        .add_card(CUSTOMER, "pm_card_visa")
        .expect("a card");
    subscribes(world, "basic", 1_900).await;
    world.skip(DAY);
    let newer = subscribes(world, "pro", 4_900).await;
    assert_eq!(shown(world, account).await["effective_plan"], "pro");
    world
        .vendors
        .stripe
        .cancel_subscription(&newer)
        .expect("it is there");
    world.settle().await;
    assert_eq!(
        shown(world, account).await["effective_plan"],
        "free",
        "the older one was cancelled when the newer one came"
    );
    program.world.done().await;
}
