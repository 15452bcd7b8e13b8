//! Checkout sessions and their outcomes.

use super::*;
use crate::Settlement;

const URLS: &str = "success_url=https://x.example/ok&cancel_url=https://x.example/no";

/// A shop with a credit pack for 19.00.
pub(super) async fn shop() -> (Scene, String) {
    let scene = scene();
    scene.make("/v1/products", "id=pack&name=Credits").await;
    let price = scene
        .make("/v1/prices", "currency=usd&product=pack&unit_amount=1900")
        .await;
    scene.told();
    (scene, id(&price).to_owned())
}

pub(super) async fn session(scene: &Scene, price: &str, more: &str) -> Value {
    let form =
        format!("mode=payment&line_items[0][price]={price}&line_items[0][quantity]=2&{URLS}{more}");
    scene.make("/v1/checkout/sessions", &form).await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story or table of cases")]
async fn a_pack_is_paid_and_every_listener_hears() {
    let (scene, price) = shop().await;
    let more = "&customer=cus_1&client_reference_id=acc_7&metadata[order]=o1&payment_intent_data[metadata][order]=o1";
    let open = session(&scene, &price, more).await;
    assert_eq!(
        (
            &open["amount_total"],
            &open["status"],
            &open["payment_status"]
        ),
        (&json!(3800), &json!("open"), &json!("unpaid"))
    );
    assert_eq!(
        (&open["payment_intent"], open.get("line_items")),
        (&Value::Null, None)
    );
    assert!(
        open["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("https://stripe.stand-in/pay/cs_test_"))
    );
    assert_eq!(scene.told(), [""; 0]);

    let paid = scene
        .stripe
        .pay_session(id(&open))
        .expect("an open session");
    let events = scene.stripe.outbox_take();
    let told: Vec<&str> = events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(
        told,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed"
        ]
    );
    assert_eq!(events[3]["data"]["object"], paid);
    assert_eq!(
        (&events[3]["pending_webhooks"], &events[3]["livemode"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(
        (&paid["status"], &paid["payment_status"], &paid["url"]),
        (&json!("complete"), &json!("paid"), &Value::Null)
    );
    assert_eq!(
        (&paid["client_reference_id"], &paid["metadata"]["order"]),
        (&json!("acc_7"), &json!("o1"))
    );

    let intent = scene
        .stripe
        .payment_intent(paid["payment_intent"].as_str().expect("an intent"))
        .expect("it");
    assert_eq!(
        (
            &intent["status"],
            &intent["amount_received"],
            &intent["metadata"]["order"]
        ),
        (&json!("succeeded"), &json!(3800), &json!("o1"))
    );
    let charges = scene
        .get(&format!("/v1/charges?payment_intent={}", id(&intent)))
        .await
        .expect(200);
    let charge = &charges["data"][0];
    assert_eq!(
        (
            &charge["id"],
            &charge["customer"],
            &charge["metadata"]["order"]
        ),
        (&intent["latest_charge"], &json!("cus_1"), &json!("o1"))
    );
    assert_eq!(charge.get("invoice"), None);
    let found = scene
        .get(&format!(
            "/v1/checkout/sessions?payment_intent={}",
            id(&intent)
        ))
        .await
        .expect(200);
    assert_eq!(found["data"][0]["id"], open["id"]);
    scene.stripe.pay_session(id(&open)).expect_err("it is paid");
}

#[tokio::test]
async fn its_lines_are_listed_and_expanded() {
    let (scene, price) = shop().await;
    let open = session(&scene, &price, "&expand[]=line_items").await;
    let lines = scene
        .get(&format!("/v1/checkout/sessions/{}/line_items", id(&open)))
        .await
        .expect(200);
    assert_eq!(lines["data"], open["line_items"]["data"]);
    let line = &lines["data"][0];
    assert_eq!(
        (
            &line["quantity"],
            &line["amount_total"],
            &line["price"]["id"]
        ),
        (&json!(2), &json!(3800), &json!(price))
    );
}

#[tokio::test]
async fn a_slow_method_completes_first_and_pays_or_fails_later() {
    for (settlement, last, status) in [
        (
            Settlement::Paid,
            [
                "charge.succeeded",
                "payment_intent.succeeded",
                "checkout.session.async_payment_succeeded",
            ],
            "paid",
        ),
        (
            Settlement::Failed,
            [
                "charge.failed",
                "payment_intent.payment_failed",
                "checkout.session.async_payment_failed",
            ],
            "unpaid",
        ),
    ] {
        let (scene, price) = shop().await;
        let open = session(&scene, &price, "&customer=cus_1").await;
        let waiting = scene
            .stripe
            .pay_session_later(id(&open))
            .expect("an open session");
        assert_eq!(
            (&waiting["status"], &waiting["payment_status"]),
            (&json!("complete"), &json!("unpaid"))
        );
        assert_eq!(
            scene.told(),
            [
                "payment_intent.created",
                "charge.pending",
                "payment_intent.processing",
                "checkout.session.completed"
            ]
        );
        let settled = scene
            .stripe
            .settle_session(id(&open), settlement)
            .expect("in processing");
        assert_eq!(
            (&settled["payment_status"], scene.told()),
            (&json!(status), last.map(str::to_owned).to_vec())
        );
        scene
            .stripe
            .settle_session(id(&open), settlement)
            .expect_err("it is settled");
    }
}

#[tokio::test]
async fn sessions_expire_by_hand_and_by_the_clock() {
    let (scene, price) = shop().await;
    let by_hand = session(&scene, &price, "").await;
    let by_clock = session(&scene, &price, &format!("&expires_at={}", NOW + 1800)).await;
    let path = format!("/v1/checkout/sessions/{}/expire", id(&by_hand));
    assert_eq!(scene.make(&path, "").await["status"], "expired");
    scene.post(&path, "", "").await.expect(400);
    scene.pass_seconds(1800);
    assert_eq!(
        scene.stripe.session(id(&by_clock)).expect("it")["status"],
        "expired"
    );
    assert_eq!(
        scene.told(),
        ["checkout.session.expired", "checkout.session.expired"]
    );
    scene
        .stripe
        .pay_session(id(&by_clock))
        .expect_err("too late");
}

#[tokio::test]
async fn a_declined_card_leaves_the_session_open() {
    let (scene, price) = shop().await;
    let open = session(&scene, &price, "&customer=cus_1").await;
    scene.stripe.fail_next_payment("cus_1").expect("a customer");
    scene.stripe.pay_session(id(&open)).expect_err("declined");
    assert_eq!(
        scene.told(),
        [
            "payment_intent.created",
            "charge.failed",
            "payment_intent.payment_failed"
        ]
    );
    let paid = scene.stripe.pay_session(id(&open)).expect("the second try");
    assert_eq!(
        scene.told(),
        [
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed"
        ]
    );
    assert_eq!(scene.stripe.charges().len(), 2);
    assert_eq!(paid["payment_status"], "paid");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story or table of cases")]
async fn a_session_that_makes_no_sense_is_refused() {
    let (scene, price) = shop().await;
    let monthly = scene
        .make(
            "/v1/prices",
            "currency=usd&product=pack&unit_amount=1&recurring[interval]=month",
        )
        .await;
    let line = format!("line_items[0][price]={price}&line_items[0][quantity]=1");
    for (form, field, value) in [
        (format!("{line}&{URLS}"), "param", "mode"),
        (format!("mode=payment&{line}"), "param", "success_url"),
        (format!("mode=payment&{URLS}"), "param", "line_items"),
        (
            format!("mode=payment&line_items[0][price]=p&{URLS}"),
            "param",
            "line_items[0][price]",
        ),
        (
            format!("mode=payment&line_items[0][price]={price}&{URLS}"),
            "param",
            "line_items[0][quantity]",
        ),
        (
            format!(
                "mode=payment&line_items[0][price]={}&line_items[0][quantity]=1&{URLS}",
                id(&monthly)
            ),
            "param",
            "mode",
        ),
        (
            format!("mode=subscription&{line}&{URLS}"),
            "param",
            "line_items",
        ),
        (
            format!("mode=payment&{line}&{URLS}&customer=cus_none"),
            "code",
            "resource_missing",
        ),
        (
            format!("mode=payment&{line}&{URLS}&subscription_data[metadata][a]=b"),
            "param",
            "subscription_data",
        ),
        (
            format!("mode=payment&{line}&{URLS}&expires_at={}", NOW + 60),
            "param",
            "expires_at",
        ),
        (
            format!("mode=payment&{line}&{URLS}&expires_at={}", NOW + 90_000),
            "param",
            "expires_at",
        ),
        (
            format!("mode=payment&{line}&{URLS}&ui_mode=embedded_page"),
            "param",
            "success_url",
        ),
        (
            format!("mode=payment&{line}&ui_mode=embedded"),
            "param",
            "ui_mode",
        ),
        (
            format!("mode=payment&{line}&success_url=ok"),
            "code",
            "url_invalid",
        ),
    ] {
        scene
            .post("/v1/checkout/sessions", "", &form)
            .await
            .refuse(400, field, value);
    }
    let embedded =
        format!("mode=payment&{line}&ui_mode=embedded_page&return_url=https://x.example/back");
    let embedded = scene.make("/v1/checkout/sessions", &embedded).await;
    assert!(embedded["client_secret"].is_string() && embedded["url"].is_null());
    assert_eq!(scene.stripe.sessions().len(), 1);
}

#[tokio::test]
async fn a_session_may_set_up_a_card_for_a_new_customer() {
    let (scene, price) = shop().await;
    let form =
        format!("mode=setup&currency=usd&customer=cus_1&{URLS}&setup_intent_data[metadata][a]=b");
    let open = scene.make("/v1/checkout/sessions", &form).await;
    let done = scene
        .stripe
        .pay_session(id(&open))
        .expect("an open session");
    assert!(done["setup_intent"].is_string());
    assert_eq!(
        scene.told(),
        [
            "setup_intent.created",
            "payment_method.attached",
            "setup_intent.succeeded",
            "checkout.session.completed"
        ]
    );
    let open = session(
        &scene,
        &price,
        "&customer_creation=always&customer_email=new@example.com",
    )
    .await;
    let done = scene
        .stripe
        .pay_session(id(&open))
        .expect("an open session");
    let customer = scene
        .get(&format!(
            "/v1/customers/{}",
            done["customer"].as_str().expect("one")
        ))
        .await
        .expect(200);
    assert_eq!(customer["email"], "new@example.com");
    assert_eq!(
        scene.told().first().map(String::as_str),
        Some("customer.created")
    );
}

#[tokio::test]
async fn the_outbox_hands_each_event_over_once_and_survives_a_restart() {
    let (scene, price) = shop().await;
    let open = session(&scene, &price, "").await;
    scene
        .stripe
        .pay_session(id(&open))
        .expect("an open session");
    let undelivered = scene
        .get("/v1/events?delivery_success=false")
        .await
        .expect(200);
    assert_eq!(undelivered["data"].as_array().map(Vec::len), Some(4));
    let copy = self::scene();
    copy.stripe
        .import(scene.stripe.export())
        .expect("our own export");
    let events = copy.stripe.outbox_take();
    assert_eq!((events.len(), copy.stripe.outbox_take().len()), (4, 0));
    copy.stripe.lose_event(id(&events[1])).expect("an event");
    let lost = copy
        .get("/v1/events?delivery_success=false")
        .await
        .expect(200);
    assert_eq!(
        (
            lost["data"].as_array().map(Vec::len),
            &lost["data"][0]["id"]
        ),
        (Some(1), &events[1]["id"])
    );
    copy.stripe.deliver_event(id(&events[1])).expect("an event");
    assert_eq!(
        copy.get("/v1/events?delivery_success=false")
            .await
            .expect(200)["data"],
        json!([])
    );
}

#[tokio::test]
async fn a_session_has_the_options_that_its_mode_allows() {
    let (scene, price) = shop().await;
    let all = "&customer=cus_1&automatic_tax[enabled]=true&tax_id_collection[enabled]=true&allow_promotion_codes=true\
        &invoice_creation[enabled]=true&customer_update[name]=auto&customer_update[address]=auto";
    let open = session(&scene, &price, all).await;
    for name in ["automatic_tax", "tax_id_collection", "invoice_creation"] {
        assert_eq!(open[name]["enabled"], true, "{name}");
    }
    assert_eq!(open["allow_promotion_codes"], true);
    let line =
        format!("mode=payment&line_items[0][price]={price}&line_items[0][quantity]=1&{URLS}");
    for (form, message) in [
        (
            format!("{line}&customer=cus_1&tax_id_collection[enabled]=true"),
            "Tax ID collection requires updating business name",
        ),
        (
            format!("{line}&customer_update[name]=auto"),
            "`customer_update` can only be used with `customer`",
        ),
        (
            format!("mode=setup&currency=usd&{URLS}&automatic_tax[enabled]=true"),
            "`automatic_tax` cannot be used in `setup` mode",
        ),
        (
            format!("mode=setup&currency=usd&{URLS}&invoice_creation[enabled]=true"),
            "when `mode` is set to `payment`",
        ),
    ] {
        let refused = scene.post("/v1/checkout/sessions", "", &form).await;
        let refused = refused.expect(400);
        let text = refused["error"]["message"].as_str().expect("a text");
        assert!(text.contains(message), "{form}: {text}");
    }
}

#[tokio::test]
async fn a_customers_address_is_changed_field_by_field() {
    let scene = scene();
    let path = "/v1/customers/cus_1";
    scene
        .make(path, "address[line1]=1 Main Street&address[country]=US")
        .await;
    let after = scene
        .make(path, "address[city]=Springfield&address[line1]=")
        .await;
    let address = json!({"city": "Springfield", "country": "US", "line1": null, "line2": null, "postal_code": null,
        "state": null});
    assert_eq!(after["address"], address);
}
