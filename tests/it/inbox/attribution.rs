//! Attribution of events: to the customer's account, or to the account that an operator names;
//! never by metadata.

use crate::world::shop::{PACK, PRICE};
use crate::world::{FaultPlan, World};
use domain::inbox::{EventSource, EventState};
use http::StatusCode;
use serde_json::{Value, json};

const CUSTOMER_UNKNOWN: &str = "cus_Unknown1";
const PURCHASE: [&str; 2] = ["checkout.session.completed", "payment_intent.succeeded"];
const UNKNOWN: &str = "no account has this customer";

/// F-B14, F-I4: a purchase of an unknown customer is kept and listed. It belongs to no account,
/// whatever its metadata says, until an operator attributes it.
#[tokio::test(start_paused = true)]
async fn an_unattributed_purchase_waits_for_an_operator() {
    let world = World::with(FaultPlan::Seeded(151), &[]).await;
    let account = world.account().await;
    world
        .vendors
        .stripe
        .add_customer(CUSTOMER_UNKNOWN, "unknown@acme.example");
    let price = world.price(PACK, PRICE).await;
    let spoof = [
        ("metadata[account]", account.as_str()),
        ("metadata[customer]", local_stack::world::CUSTOMER),
        ("client_reference_id", account.as_str()),
    ];
    let session = world.cart(CUSTOMER_UNKNOWN, &price, 1, &spoof).await;
    world.pays(&session);
    let sent = world.stripe_sent(&PURCHASE);
    for event in &sent {
        let (state, says) = world.acts_on(event).await;
        assert_eq!((state, says.as_str()), (EventState::Unattributed, UNKNOWN));
    }
    world.settle().await;
    assert_eq!(world.entries(&account).await, Vec::<&str>::new());
    // Both of its events are attributed to the account; there is one purchase.
    for event in &sent {
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
        let (state, says) = world
            .acts_on(&crate::world::fixture("stripe", sample))
            .await;
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

/// A refund of an unknown customer's payment is kept with the payment, so it counts once the
/// payment is attributed.
#[tokio::test(start_paused = true)]
async fn an_unattributed_refund_is_kept() {
    let world = World::with(FaultPlan::Seeded(152), &[]).await;
    let account = world.account().await;
    world
        .vendors
        .stripe
        .add_customer(CUSTOMER_UNKNOWN, "unknown@acme.example");
    let price = world.price(PACK, PRICE).await;
    let payment = world.pays(&world.cart(CUSTOMER_UNKNOWN, &price, 1, &[]).await);
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
        attribute(&world, &bought.expect("it was sent"), account.as_str()).await,
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
        world.acts_on(&event).await.0
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

/// A customer deleted at Stripe leaves the account unchanged.
#[tokio::test(start_paused = true)]
async fn a_deleted_customers_account_stays() {
    let world = World::with(FaultPlan::Seeded(153), &[]).await;
    let account = world.account().await;
    world.buys_a_pack().await;
    world.settle().await;
    let (state, says) = world
        .acts_on(&crate::world::fixture("stripe", "customer.deleted"))
        .await;
    assert!(
        state == EventState::Processed && says.contains("stays"),
        "{says}"
    );
    assert_eq!(world.purse(&account).await, (10_000, 0));
    world.settle().await;
    world.done().await;
}
