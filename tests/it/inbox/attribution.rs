//! Whose an event is: the customer's account, or what an operator says; never what somebody has written on it.

use crate::world::shop::{PACK, PRICE};
use crate::world::{FaultPlan, World};
use domain::inbox::{EventSource, EventState};
use http::StatusCode;
use serde_json::{Value, json};

const STRANGER: &str = "cus_Stranger1";
const PURCHASE: [&str; 2] = ["checkout.session.completed", "payment_intent.succeeded"];
const UNKNOWN: &str = "no account has this customer";

/// F-B14, F-I4: a stranger's purchase is kept and named; it is nobody's, whatever is written on it, until an operator says
/// whose it is.
#[tokio::test(start_paused = true)]
async fn a_strangers_purchase_waits_until_somebody_says_whose_it_is() {
    let world = World::with(FaultPlan::Seeded(151), &[]).await;
    let account = world.account().await;
    world
        .vendors
        .stripe
        .add_customer(STRANGER, "stranger@acme.example");
    let price = world.price(PACK, PRICE).await;
    let spoof = [
        ("metadata[account]", account.as_str()),
        ("metadata[customer]", local_stack::world::CUSTOMER),
        ("client_reference_id", account.as_str()),
    ];
    let session = world.cart(STRANGER, &price, 1, &spoof).await;
    world.pays(&session);
    let told = world.told(&PURCHASE);
    for event in &told {
        let (state, says) = world.hears(event).await;
        assert_eq!((state, says.as_str()), (EventState::Unattributed, UNKNOWN));
    }
    world.settle().await;
    assert_eq!(world.entries(&account).await, Vec::<&str>::new());
    // Both of its events are said to be the account's; the purchase is one.
    for event in &told {
        assert_eq!(
            attribute(&world, event, account.as_str()).await,
            StatusCode::ACCEPTED
        );
        world.settle().await;
        let id = event["id"].as_str().expect("an id");
        assert_eq!(
            world.outcome(EventSource::Stripe, id).await.0,
            EventState::Processed
        );
        assert_eq!(world.purse(&account).await, (10_000, 0));
    }
    world.done().await;
}

async fn attribute(world: &World, event: &Value, account: &str) -> StatusCode {
    let path = format!(
        "/api/v1/admin/events/stripe/{}/attribute",
        event["id"].as_str().expect("an id")
    );
    let body = json!({ "account": account });
    loop {
        match world.operator("POST", &path, Some(&body)).await {
            (StatusCode::SERVICE_UNAVAILABLE, _) => {}
            (status, _) => return status,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_becomes_attributable_by_provisioning_its_customer_too() {
    let world = World::bare(FaultPlan::None, &[]).await;
    for sample in ["invoice.paid", "customer.subscription.created"] {
        let (state, says) = world.hears(&crate::world::fixture("stripe", sample)).await;
        assert_eq!((state, says.as_str()), (EventState::Unattributed, UNKNOWN));
    }
    let account = world.provision().await;
    let (status, _) = world
        .operator(
            "POST",
            "/api/v1/admin/events/stripe/evt_TallyhookDemo2/replay",
            None,
        )
        .await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.settle().await;
    assert_eq!(
        world
            .outcome(EventSource::Stripe, "evt_TallyhookDemo2")
            .await
            .0,
        EventState::Processed
    );
    assert_eq!(
        world
            .stack
            .store
            .invoice_list(&account)
            .await
            .expect("the store answers")
            .len(),
        1
    );
    world.done().await;
}

/// What has gone back of a stranger's payment is kept with the payment, so it is known whenever somebody says whose it is.
#[tokio::test(start_paused = true)]
async fn a_strangers_refund_is_not_forgotten() {
    let world = World::with(FaultPlan::Seeded(152), &[]).await;
    let account = world.account().await;
    world
        .vendors
        .stripe
        .add_customer(STRANGER, "stranger@acme.example");
    let price = world.price(PACK, PRICE).await;
    let payment = world.pays(&world.cart(STRANGER, &price, 1, &[]).await);
    world
        .vendors
        .stripe
        .refund(&payment, Some(400))
        .expect("so much is left");
    let bought = world
        .vendors
        .stripe
        .events()
        .into_iter()
        .find(|event| event["type"] == PURCHASE[0]);
    world.settle().await;
    assert_eq!(
        attribute(&world, &bought.expect("it was told"), account.as_str()).await,
        StatusCode::ACCEPTED
    );
    world.settle().await;
    assert_eq!(world.purse(&account).await, (6_000, 0));
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_customer_may_be_expanded_and_must_be_one() {
    let world = World::with(FaultPlan::None, &[]).await;
    let hear = async |id: &str, customer: Value| {
        let mut event = crate::world::fixture("stripe", "invoice.paid");
        event["id"] = id.into();
        event["data"]["object"]["id"] = format!("in_{id}").into();
        event["data"]["object"]["customer"] = customer;
        world.hears(&event).await.0
    };
    let expanded =
        json!({ "id": "cus_TallyhookDemo1", "object": "customer", "email": "x@example.com" });
    assert_eq!(hear("evt_expanded", expanded).await, EventState::Processed);
    let deleted = json!({ "id": "cus_TallyhookDemo1", "object": "customer", "deleted": true });
    assert_eq!(hear("evt_deleted", deleted).await, EventState::Processed);
    let mut deep = json!("cus_TallyhookDemo1");
    for _ in 0..100 {
        deep = json!({ "x": deep });
    }
    for (n, customer) in [
        json!(17),
        json!({}),
        json!({ "id": null }),
        json!([]),
        json!("acct_1"),
        json!("cus_a#b"),
        deep,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            hear(&format!("evt_bad{n}"), customer).await,
            EventState::Failed,
            "{n}"
        );
    }
    assert_eq!(world.dead_letters().await, 0);
    world.abandoned();
}

/// A customer who is gone at Stripe leaves his account as it is.
#[tokio::test(start_paused = true)]
async fn a_deleted_customers_account_stays() {
    let world = World::with(FaultPlan::Seeded(153), &[]).await;
    let account = world.account().await;
    world.buys_a_pack().await;
    world.settle().await;
    let (state, says) = world
        .hears(&crate::world::fixture("stripe", "customer.deleted"))
        .await;
    assert!(
        state == EventState::Processed && says.contains("stays"),
        "{says}"
    );
    assert_eq!(world.purse(&account).await, (10_000, 0));
    world.settle().await;
    world.done().await;
}
