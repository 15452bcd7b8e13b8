//! `PATCH /api/v1/billing/customer`: names, addresses and mail addresses reach Stripe.

use crate::world::program::program;
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/billing/customer";
const MAIL: &str = "billing@acme.example";

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
