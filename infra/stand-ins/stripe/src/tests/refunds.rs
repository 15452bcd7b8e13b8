//! Refunds.

use super::checkout::{session, shop};
use super::*;

/// Makes a payment of 38.00 and returns its intent.
pub(super) async fn paid() -> (Scene, String) {
    let (scene, price) = shop().await;
    let open = session(&scene, &price, "&customer=cus_1").await;
    let paid = scene
        .stripe
        .pay_session(id(&open))
        .expect("an open session");
    scene.told();
    let intent = paid["payment_intent"]
        .as_str()
        .expect("an intent")
        .to_owned();
    (scene, intent)
}

#[tokio::test]
async fn refunds_add_up_on_the_charge() {
    let (scene, intent) = paid().await;
    let form = format!(
        "payment_intent={intent}&amount=1000&reason=requested_by_customer&metadata[why]=typo"
    );
    let first = scene.make("/v1/refunds", &form).await;
    assert_eq!(
        (
            &first["amount"],
            &first["status"],
            &first["metadata"]["why"]
        ),
        (&json!(1000), &json!("succeeded"), &json!("typo"))
    );
    scene
        .stripe
        .refund(&intent, Some(800))
        .expect("enough is left");
    let events = scene.stripe.outbox_take();
    let told: Vec<&str> = events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    let each = ["refund.created", "charge.refunded", "refund.updated"];
    assert_eq!(told, [each, each].concat());
    let sums = |at: usize| {
        (
            &events[at]["data"]["object"]["amount_refunded"],
            &events[at]["data"]["previous_attributes"]["amount_refunded"],
        )
    };
    assert_eq!(
        (sums(1), sums(4)),
        ((&json!(1000), &json!(0)), (&json!(1800), &json!(1000)))
    );

    let too_much = scene
        .post(
            "/v1/refunds",
            "",
            &format!("payment_intent={intent}&amount=2001"),
        )
        .await;
    too_much.refuse(
        400,
        "message",
        "Refund amount ($20.01) is greater than unrefunded amount on charge ($20.00)",
    );
    let charge = first["charge"].as_str().expect("a charge");
    let rest = scene.make("/v1/refunds", &format!("charge={charge}")).await;
    assert_eq!(rest["amount"], 2000);
    let all = scene
        .get(&format!("/v1/charges/{charge}?expand[]=refunds"))
        .await
        .expect(200);
    assert_eq!(
        (&all["refunded"], &all["amount_refunded"]),
        (&json!(true), &json!(3800))
    );
    assert_eq!(all["refunds"]["data"].as_array().map(Vec::len), Some(3));
    scene
        .post("/v1/refunds", "", &format!("charge={charge}"))
        .await
        .refuse(400, "code", "charge_already_refunded");
    let listed = scene
        .get(&format!("/v1/refunds?payment_intent={intent}"))
        .await
        .expect(200);
    assert_eq!(listed["data"][2]["id"], first["id"]);
}

#[tokio::test]
async fn a_refund_that_fails_lowers_the_sum_again() {
    let (scene, intent) = paid().await;
    let refund = scene.stripe.refund(&intent, None).expect("all is left");
    scene.told();
    let failed = scene
        .stripe
        .fail_refund(id(&refund))
        .expect("it had not failed");
    assert_eq!(
        (&failed["status"], scene.told()),
        (
            &json!("failed"),
            vec!["refund.failed".to_owned(), "refund.updated".to_owned()]
        )
    );
    let charge = &scene.stripe.charges()[0];
    assert_eq!(
        (&charge["amount_refunded"], &charge["refunded"]),
        (&json!(0), &json!(false))
    );
    scene
        .stripe
        .fail_refund(id(&refund))
        .expect_err("once is enough");
    assert_eq!(
        scene
            .stripe
            .refund(&intent, None)
            .expect("all is left again")["amount"],
        3800
    );
}

#[tokio::test]
async fn a_refund_that_makes_no_sense_is_refused() {
    let (scene, intent) = paid().await;
    for (form, field, value) in [
        ("amount=1", "type", "invalid_request_error"),
        ("payment_intent=pi_none", "code", "resource_missing"),
        ("charge=ch_none", "message", "No such charge: 'ch_none'"),
        (
            &format!("payment_intent={intent}&amount=0"),
            "param",
            "amount",
        ),
        (
            &format!("payment_intent={intent}&reason=mood"),
            "param",
            "reason",
        ),
    ] {
        scene
            .post("/v1/refunds", "", form)
            .await
            .refuse(400, field, value);
    }
    scene
        .get("/v1/refunds/re_none")
        .await
        .refuse(404, "code", "resource_missing");
    let key = scene
        .post(
            "/v1/refunds",
            "k",
            &format!("payment_intent={intent}&amount=100"),
        )
        .await
        .expect(200);
    let again = scene
        .post(
            "/v1/refunds",
            "k",
            &format!("payment_intent={intent}&amount=100"),
        )
        .await;
    assert!(again.is_replay());
    assert_eq!((again.expect(200), scene.stripe.refunds().len()), (key, 1));
}
