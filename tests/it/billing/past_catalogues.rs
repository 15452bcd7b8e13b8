//! A pack is bought on the catalogue of its day. The money may arrive when the catalogue has
//! changed: what was sold is granted, and what nobody can price waits for an operator.

use crate::world::money::{Sold, built_in};
use crate::world::program::{Program, another, program, request};
use crate::world::shop::{PRICE, whole};
use domain::inbox::EventState;
use domain::ledger::Cause;
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use stand_in_stripe::Settlement;

const COMPLETED: &str = "checkout.session.completed";
const SUCCEEDED: &str = "payment_intent.succeeded";
const KEY: (&str, &str) = ("STRIPE_SECRET_KEY", "sk_test_local");

/// A world whose catalogue no longer has what Stripe still sells.
async fn moved_on(name: &str, changes: &[(&str, &str)]) -> (Program, Sold) {
    let sold = Sold::with(name, changes);
    let program = program("credits", &[("CATALOGUE", sold.path()), KEY]).await;
    program.world.pushes_the_catalogue().await;
    program.world.vendors.stripe.outbox_take();
    (program, sold)
}

/// Starts a checkout in a process of the API that still has the built-in catalogue. Returns the
/// session.
async fn checks_out(program: &Program, body: &Value) -> String {
    let headers: [(&str, &[u8]); 2] = [
        ("idempotency-key", b"one pack"),
        ("content-type", b"application/json"),
    ];
    let path = "/api/v1/billing/checkout";
    let body = serde_json::to_vec(body).expect("JSON");
    let before = another(&program.world, &[KEY]);
    loop {
        let asks = request("POST", path, &program.key, &headers, body.clone());
        let response = api::respond(before.clone(), asks).await;
        let answer: Value = serde_json::from_slice(response.body()).expect("JSON");
        if response.status() != StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(response.status(), StatusCode::CREATED, "{answer}");
            return answer["id"].as_str().expect("an id").to_owned();
        }
    }
}

/// The bank needs days; meanwhile the pack leaves the catalogue, or gives less.
#[tokio::test(start_paused = true)]
async fn what_was_sold_is_granted_when_the_money_arrives() {
    let left = ("id = \"10k\"", "id = \"ten\"");
    let less = ("credits = 10_000", "credits = 8_000");
    for (name, change) in [("left", left), ("less", less)] {
        let (program, sold) = moved_on(name, &[change]).await;
        let (world, account) = (&program.world, &program.account);
        let wanted = json!({ "pack": "10k", "quantity": 2 });
        let session = checks_out(&program, &wanted).await;
        let stripe = &world.vendors.stripe;
        stripe.pay_session_later(&session).expect("an open session");
        world.settle().await;
        assert_eq!(world.purse(account).await, (0, 0), "{name}");
        stripe
            .settle_session(&session, Settlement::Paid)
            .expect("a session that waits");
        world.settle().await;
        assert_eq!(world.purse(account).await, (20_000, 0), "{name}");
        let entries = world.stack.store.entry_all(account).await;
        let entries = entries.expect("the store answers");
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert!(
            Cause::granted_for(&entries[0].cause).is_some(),
            "{entries:?}"
        );
        assert_eq!(
            (entries[0].amount, entries[0].note.as_str()),
            (whole(20_000), "2 × 10,000 credits")
        );
        assert_eq!(
            entries[0].priced_by,
            built_in().version,
            "the catalogue that sold it"
        );
        world.assert_ledger_agrees().await;
        program.world.done().await;
        drop(sold);
    }
}

/// A pack of ours that was sold by hand, without terms, and is in no catalogue any more.
#[tokio::test(start_paused = true)]
async fn what_nobody_can_price_waits_for_an_operator() {
    let left = ("id = \"10k\"", "id = \"ten\"");
    let (program, sold) = moved_on("unknown", &[left]).await;
    let (world, account) = (&program.world, &program.account);
    let price = world.price("tallyhook_pack_10k", PRICE).await;
    let ours = [("metadata[tallyhook_what]", "pack 10k 1 false")];
    let mug = world.price("prod_mugs", PRICE).await;
    for (price, more) in [(&price, &[][..]), (&mug, &ours)] {
        world.pays(&world.cart(CUSTOMER, price, 1, more).await);
        for event in world.stripe_sent(&[COMPLETED, SUCCEEDED]) {
            let (state, says) = world.acts_on(&event).await;
            assert!(
                state == EventState::Unattributed && says.contains("not in the catalogue"),
                "{state:?}: {says}"
            );
        }
    }
    assert_eq!(world.entries(account).await, Vec::<&str>::new());
    let path = "/api/v1/admin/events?source=stripe&status=unattributed";
    let (status, listed) = world.operator("GET", path, None).await;
    assert_eq!(status, StatusCode::OK, "{listed}");
    assert_eq!(listed["events"].as_array().map(Vec::len), Some(4));
    // Replaying it before the catalogue knows the pack changes nothing.
    let id = listed["events"][0]["id"].as_str().expect("an id");
    let replay = format!("/api/v1/admin/events/stripe/{id}/replay");
    world.insist("POST", &replay, &Value::Null).await;
    world.settle().await;
    assert_eq!(
        world
            .outcome(domain::inbox::EventSource::Stripe, id)
            .await
            .0,
        EventState::Unattributed
    );
    world.assert_ledger_agrees().await;
    program.world.done().await;
    drop(sold);
}

/// Terms that cannot be read are no terms: the catalogue decides, as for any other session.
#[tokio::test(start_paused = true)]
async fn damaged_terms_leave_it_to_the_catalogue() {
    let program = program("credits", &[KEY]).await;
    let (world, account) = (&program.world, &program.account);
    let price = world.price(crate::world::shop::PACK, PRICE).await;
    let damaged = [("metadata[tallyhook_pack_credits]", "1000000")];
    let session = world.cart(CUSTOMER, &price, 1, &damaged).await;
    let payment = world.pays(&session);
    world.settle().await;
    assert_eq!(world.purse(account).await, (10_000, 0));
    let payment = domain::ids::PaymentId::parse(&payment).expect("an id");
    let cause = Cause::Payment(payment).to_string();
    let entries = world.stack.store.entry_all(account).await;
    assert_eq!(entries.expect("the store answers")[0].cause, cause);
    program.world.done().await;
}
