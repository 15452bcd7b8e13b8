//! Names, addresses and mail addresses reach Stripe: those that customers change
//! (`PATCH /api/v1/billing/customer`), and the mail address that an operator changes.

use crate::world::program::program;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Moment, deaths};
use stand_in_stripe::Fault;
use std::time::Duration;

const PATH: &str = "/api/v1/billing/customer";
const MAIL: &str = "billing@acme.example";
/// An address that the stand-in does not have at first.
const RECEIPTS: &str = "receipts@acme.example";

#[tokio::test(start_paused = true)]
async fn what_a_customer_changes_reaches_stripe() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let stored = || world.vendors.stripe.customer(CUSTOMER).expect("a customer");
    let before = stored();
    let address = json!({ "line1": "1 Main Street", "city": "Springfield", "country": "US" });
    let wanted = json!({ "name": " Acme Inc. ", "address": address });
    let (status, changed) = program.ask("PATCH", PATH, Some(&wanted)).await;
    assert_eq!(
        (status, changed),
        (
            StatusCode::OK,
            json!({ "name": true, "email": false, "address": true })
        )
    );
    let after = stored();
    assert_eq!(after["name"], "Acme Inc.");
    assert_eq!(
        after["address"],
        json!({ "line1": "1 Main Street", "line2": null, "city": "Springfield", "state": null,
            "postal_code": null, "country": "US" })
    );
    assert_eq!(after["email"], before["email"]);
    assert_eq!(
        after["invoice_settings"], before["invoice_settings"],
        "nothing else changes"
    );
    for (wanted, status, code) in [
        (json!({}), 400, "bad_body"),
        (json!({ "name": " " }), 400, "bad_text"),
        (json!({ "name": "x".repeat(201) }), 400, "bad_text"),
        (
            json!({ "address": { "line1": "1", "country": "usa" } }),
            400,
            "bad_country",
        ),
        (
            json!({ "address": { "line1": "", "country": "US" } }),
            400,
            "bad_text",
        ),
        (json!({ "email": MAIL }), 403, "session_required"),
    ] {
        let (was, refused) = program.ask("PATCH", PATH, Some(&wanted)).await;
        assert_eq!(
            (was.as_u16(), &refused["code"]),
            (status, &json!(code)),
            "{wanted}: {refused}"
        );
    }
    assert_eq!(stored(), after);
    world.settle().await;
    program.world.done().await;
}

/// A person changes where receipts and notices go, at once and for both.
#[tokio::test(start_paused = true)]
async fn a_person_changes_the_mail_address() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let owner = world.signed_in("acme-owner").await;
    let notices = program.get("/api/v1/notices").await;
    assert_eq!(notices["has_address"], json!(false), "{notices}");
    let (status, refused) = owner
        .acts("PATCH", PATH, Some(&json!({ "email": "nobody" })))
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::BAD_REQUEST, &json!("bad_address"))
    );
    let (status, changed) = owner
        .acts("PATCH", PATH, Some(&json!({ "email": MAIL })))
        .await;
    assert_eq!((status, &changed["email"]), (StatusCode::OK, &json!(true)));
    let stored = world.vendors.stripe.customer(CUSTOMER).expect("a customer");
    assert_eq!(stored["email"], json!(MAIL));
    let notices: Value = program.get("/api/v1/notices").await;
    assert_eq!(notices["has_address"], json!(true), "{notices}");
    world.settle().await;
    program.world.done().await;
}

/// The mail address that Stripe has.
fn at_stripe(world: &World) -> Value {
    let customer = world.vendors.stripe.customer(CUSTOMER).expect("a customer");
    customer["email"].clone()
}

/// How often Stripe's customer was changed.
fn changes_at_stripe(world: &World) -> usize {
    let events = world.vendors.stripe.events();
    let changes = events
        .iter()
        .filter(|event| event["type"] == "customer.updated");
    changes.count()
}

/// Has an operator change the address.
async fn operator_sets(world: &World, account: &AccountId, address: &str) {
    let path = format!("/api/v1/admin/accounts/{account}/mail");
    world
        .insist("PUT", &path, &json!({ "address": address }))
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_changes_reaches_stripe_once() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    operator_sets(world, account, RECEIPTS).await;
    world.settle().await;
    assert_eq!(
        (at_stripe(world), changes_at_stripe(world)),
        (json!(RECEIPTS), 1)
    );
    // Other settings of the account's mail are not Stripe's.
    let path = format!("/api/v1/admin/accounts/{account}/mail");
    let kinds = json!({ "kinds": { "job_finished": true } });
    world.insist("PUT", &path, &kinds).await;
    world.settle().await;
    assert_eq!(changes_at_stripe(world), 1);
    // Of several changes the last one counts.
    for address in [
        "first@acme.example",
        "second@acme.example",
        RECEIPTS,
        "last@acme.example",
    ] {
        operator_sets(world, account, address).await;
    }
    world.settle().await;
    assert_eq!(at_stripe(world), json!("last@acme.example"));
    operator_sets(world, account, "").await;
    world.settle().await;
    assert_eq!(at_stripe(world), json!("last@acme.example"));
    let notices = program.get("/api/v1/notices").await;
    assert_eq!(notices["has_address"], json!(false), "{notices}");
    program.world.done().await;
}

/// Stripe is down when an operator changes the address, and the customer changes it again before
/// Stripe is back: Stripe gets the customer's.
#[tokio::test(start_paused = true)]
async fn an_address_waits_for_stripe_and_a_later_one_wins() {
    for customer_changes in [false, true] {
        let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
        let stripe = &world.vendors.stripe;
        stripe.fail_next_at("POST /v1/customers/", Fault::Status(503));
        operator_sets(&world, &account, RECEIPTS).await;
        world.turn(::queues::Queue::StripeEvents).await;
        assert_ne!(at_stripe(&world), json!(RECEIPTS), "Stripe is down");
        let mut expected = json!(RECEIPTS);
        if customer_changes {
            let owner = world.signed_in("acme-owner").await;
            expected = json!("theirs@acme.example");
            let wanted = json!({ "email": expected });
            while owner.acts("PATCH", PATH, Some(&wanted)).await.0 != StatusCode::OK {}
        }
        for _ in 0..2 {
            stripe.fail_next_at("POST /v1/customers/", Fault::StoredFailure);
        }
        world.outage(Duration::from_secs(3 * 3_600)).await;
        world.settle().await;
        assert_eq!(at_stripe(&world), expected);
        world.done().await;
    }
}

async fn dies_at(death: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) = World::on_plan(FaultPlan::None, "credits", &[]).await;
    operator_sets(&world, &account, RECEIPTS).await;
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = death {
        world.stack.faults.crash_at(before + call, moment);
    }
    world.settle().await;
    let calls = world.stack.faults.since(before);
    assert_eq!(
        (at_stripe(&world), changes_at_stripe(&world)),
        (json!(RECEIPTS), 1),
        "{death:?}"
    );
    world.done().await;
    calls
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_an_operator_s_change() {
    let calls = dies_at(None).await;
    assert!(calls.len() >= 3, "{calls:?}");
    for death in deaths(&calls) {
        dies_at(Some(death)).await;
    }
}
