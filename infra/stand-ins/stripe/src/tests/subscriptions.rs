//! Subscriptions: how they start, change and end.

use super::*;

pub(super) const DAY: i64 = 86_400;

/// A shop with three prices: 20.00 and 50.00 a month, and usage tiers of the meter `jobs`.
pub(super) struct Shop {
    pub scene: Scene,
    pub small: String,
    pub large: String,
    pub metered: String,
}

pub(super) async fn shop() -> Shop {
    let scene = scene();
    scene.make("/v1/products", "id=plan&name=Plan").await;
    let monthly = "currency=usd&product=plan&recurring[interval]=month";
    let small = scene
        .make("/v1/prices", &format!("{monthly}&unit_amount=2000"))
        .await;
    let large = scene
        .make("/v1/prices", &format!("{monthly}&unit_amount=5000"))
        .await;
    let tiers = format!(
        "{monthly}&billing_scheme=tiered&tiers_mode=graduated&recurring[usage_type]=metered&recurring[meter]={}\
         &tiers[0][up_to]=3&tiers[0][unit_amount]=0&tiers[1][up_to]=inf&tiers[1][unit_amount]=150",
        scene.stripe.add_meter("jobs")
    );
    let metered = scene.make("/v1/prices", &tiers).await;
    let [small, large, metered] = [small, large, metered].map(|price| id(&price).to_owned());
    scene.told();
    Shop {
        scene,
        small,
        large,
        metered,
    }
}

impl Shop {
    pub async fn subscribe(&self, price: &str, more: &str) -> Value {
        self.scene
            .make(
                "/v1/subscriptions",
                &format!("customer=cus_1&items[0][price]={price}{more}"),
            )
            .await
    }

    pub fn card(&self) {
        self.scene
            .stripe
            .add_card("cus_1", "pm_card_visa")
            .expect("a card");
        self.scene.told();
    }

    pub fn latest(&self, subscription: &Value) -> Value {
        let subscription = self
            .scene
            .stripe
            .subscription(id(subscription))
            .expect("a subscription");
        self.scene
            .stripe
            .invoice(subscription["latest_invoice"].as_str().expect("an invoice"))
            .expect("it")
    }
}

pub(super) const PAID: [&str; 7] = [
    "invoice.finalized",
    "payment_intent.created",
    "charge.succeeded",
    "payment_intent.succeeded",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice_payment.paid",
];

#[tokio::test]
async fn it_starts_and_is_paid() {
    let shop = shop().await;
    shop.card();
    let subscription = shop.subscribe(&shop.small, "&metadata[account]=7").await;
    let told = [
        &["customer.subscription.created", "invoice.created"],
        &PAID[..],
        &["customer.subscription.updated"],
    ];
    assert_eq!(shop.scene.told(), told.concat());
    let item = &subscription["items"]["data"][0];
    assert_eq!(
        (&subscription["status"], &item["current_period_start"]),
        (&json!("active"), &json!(NOW))
    );
    assert_eq!(item["current_period_end"], NOW + 30 * DAY);
    assert_eq!(subscription.get("current_period_end"), None);

    let invoice = shop.latest(&subscription);
    assert_eq!(
        (
            &invoice["status"],
            &invoice["total"],
            &invoice["amount_paid"]
        ),
        (&json!("paid"), &json!(2000), &json!(2000))
    );
    let parent = &invoice["parent"]["subscription_details"];
    assert_eq!(
        (&parent["subscription"], &parent["metadata"]["account"]),
        (&subscription["id"], &json!("7"))
    );
    assert_eq!(
        (
            invoice.get("charge"),
            invoice.get("payment_intent"),
            invoice.get("payments")
        ),
        (None, None, None)
    );
    let payments = scene_get(
        &shop,
        &format!("/v1/invoice_payments?invoice={}", id(&invoice)),
    )
    .await;
    let intent = payments["data"][0]["payment"]["payment_intent"]
        .as_str()
        .expect("an intent");
    assert_eq!(
        shop.scene.stripe.payment_intent(intent).expect("it")["status"],
        "succeeded"
    );
    let expanded = scene_get(
        &shop,
        &format!("/v1/invoices/{}?expand[]=payments", id(&invoice)),
    )
    .await;
    assert_eq!(expanded["payments"]["data"], payments["data"]);
    let found = scene_get(&shop, "/v1/subscriptions?customer=cus_1&status=active").await;
    assert_eq!(found["data"], json!([subscription]));
}

async fn scene_get(shop: &Shop, path: &str) -> Value {
    shop.scene.get(path).await.expect(200)
}

#[tokio::test]
async fn without_money_it_is_incomplete_or_refused() {
    let shop = shop().await;
    let form = format!("customer=cus_1&items[0][price]={}", shop.small);
    shop.scene
        .post("/v1/subscriptions", "", &form)
        .await
        .refuse(400, "code", "resource_missing");
    let waiting = shop
        .subscribe(&shop.small, "&payment_behavior=default_incomplete")
        .await;
    assert_eq!(waiting["status"], "incomplete");
    shop.scene.told();
    let expired = shop
        .scene
        .stripe
        .expire_subscription(id(&waiting))
        .expect("it is incomplete");
    assert_eq!(expired["status"], "incomplete_expired");
    assert_eq!(
        shop.scene.told(),
        [
            "invoice.voided",
            "payment_intent.canceled",
            "customer.subscription.updated"
        ]
    );

    shop.scene
        .stripe
        .add_card("cus_1", "pm_card_chargeCustomerFail")
        .expect("it attaches");
    let strict = format!("{form}&payment_behavior=error_if_incomplete");
    shop.scene
        .post("/v1/subscriptions", "", &strict)
        .await
        .refuse(402, "code", "card_declined");
    let declined = shop.subscribe(&shop.small, "").await;
    assert_eq!(
        (&declined["status"], shop.scene.stripe.subscriptions().len()),
        (&json!("incomplete"), 2)
    );
    assert_eq!(
        shop.scene.told().last().map(String::as_str),
        Some("invoice.payment_failed")
    );

    shop.card();
    shop.scene
        .stripe
        .pay_invoice(id(&shop.latest(&declined)))
        .expect("a good card");
    assert_eq!(
        shop.scene.stripe.subscription(id(&declined)).expect("it")["status"],
        "active"
    );
    shop.scene
        .stripe
        .pay_invoice(id(&shop.latest(&declined)))
        .expect_err("it is paid");
}

#[tokio::test]
async fn a_change_is_prorated_as_its_preview_said() {
    let shop = shop().await;
    shop.card();
    let subscription = shop.subscribe(&shop.small, "").await;
    let path = format!("/v1/subscriptions/{}", id(&subscription));
    shop.scene.pass_seconds(15 * DAY);
    shop.scene.told();
    let item = subscription["items"]["data"][0]["id"]
        .as_str()
        .expect("an item");
    let rows = |outer: &str| match outer {
        "" => format!(
            "items[0][id]={item}&items[0][price]={}&proration_behavior=always_invoice",
            shop.large
        ),
        outer => format!(
            "{outer}[items][0][id]={item}&{outer}[items][0][price]={}&{outer}[proration_behavior]=always_invoice",
            shop.large
        ),
    };
    let form = format!(
        "subscription={}&{}",
        id(&subscription),
        rows("subscription_details")
    );
    let preview = shop.scene.make("/v1/invoices/create_preview", &form).await;
    let amounts = |invoice: &Value| {
        let lines = invoice["lines"]["data"].as_array().into_iter().flatten();
        lines
            .filter_map(|line| line["amount"].as_i64())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (amounts(&preview), &preview["total"]),
        (vec![-1000, 2500], &json!(1500))
    );
    assert_eq!(
        (shop.scene.told(), shop.scene.stripe.invoices().len()),
        (vec![], 1)
    );

    shop.scene.make(&path, &rows("")).await;
    assert_eq!(amounts(&shop.latest(&subscription)), [-1000, 2500]);
    assert_eq!(
        shop.scene.told(),
        [
            &["customer.subscription.updated", "invoice.created"],
            &PAID[..]
        ]
        .concat()
    );
    // Downgrades, with the credit left for the next invoice.
    let down = rows("")
        .replace(&shop.large, &shop.small)
        .replace("always_invoice", "create_prorations");
    shop.scene.make(&path, &down).await;
    assert_eq!(shop.scene.told(), ["customer.subscription.updated"]);
    shop.scene
        .stripe
        .roll_period(id(&subscription))
        .expect("an active subscription");
    assert_eq!(amounts(&shop.latest(&subscription)), [-2500, 1000, 2000]);
}

#[tokio::test]
async fn it_ends_at_once_or_with_its_period() {
    let shop = shop().await;
    shop.card();
    let first = shop.subscribe(&shop.small, "").await;
    let path = format!("/v1/subscriptions/{}", id(&first));
    shop.scene.told();
    let wished = shop
        .scene
        .make(
            &path,
            "cancel_at_period_end=true&cancellation_details[comment]=dear",
        )
        .await;
    assert_eq!(
        (&wished["status"], &wished["cancel_at"]),
        (&json!("active"), &json!(NOW + 30 * DAY))
    );
    let event = shop.scene.stripe.outbox_take().pop().expect("an event");
    assert_eq!(
        event["data"]["previous_attributes"]["cancel_at_period_end"],
        false
    );
    let kept = shop.scene.make(&path, "cancel_at_period_end=false").await;
    assert_eq!(
        (&kept["cancel_at"], &kept["canceled_at"]),
        (&Value::Null, &Value::Null)
    );
    shop.scene.make(&path, "cancel_at_period_end=true").await;
    shop.scene.told();
    let ended = shop.scene.stripe.roll_period(id(&first)).expect("its last");
    assert_eq!(
        (&ended["status"], shop.scene.told()),
        (
            &json!("canceled"),
            vec!["customer.subscription.deleted".to_owned()]
        )
    );
    shop.scene
        .post(&path, "", "metadata[a]=b")
        .await
        .refuse(404, "code", "resource_missing");

    let second = shop.subscribe(&shop.small, "").await;
    let path = format!("/v1/subscriptions/{}", id(&second));
    let request = Request::delete(&path).header("authorization", "Bearer sk_test_x");
    let ended = shop
        .scene
        .send(request.body(Body::empty()).expect("a request"))
        .await
        .expect(200);
    assert_eq!(
        (&ended["status"], &ended["ended_at"]),
        (&json!("canceled"), &json!(NOW))
    );
    assert_eq!(
        scene_get(&shop, "/v1/subscriptions?customer=cus_1").await["data"],
        json!([])
    );
}

#[tokio::test]
async fn a_session_starts_one_for_a_new_customer() {
    let shop = shop().await;
    let form = format!(
        "mode=subscription&line_items[0][price]={}&line_items[0][quantity]=1&line_items[1][price]={}\
         &customer_email=new@example.com&subscription_data[metadata][account]=7&success_url=https://x.example/ok",
        shop.small, shop.metered
    );
    let open = shop.scene.make("/v1/checkout/sessions", &form).await;
    assert_eq!(
        (&open["amount_total"], &open["customer"]),
        (&json!(2000), &Value::Null)
    );
    let done = shop
        .scene
        .stripe
        .pay_session(id(&open))
        .expect("an open session");
    let first = [
        "customer.created",
        "payment_method.attached",
        "customer.subscription.created",
        "invoice.created",
    ];
    let last = [
        "customer.subscription.updated",
        "checkout.session.completed",
    ];
    assert_eq!(shop.scene.told(), [&first[..], &PAID, &last].concat());
    let subscription = shop
        .scene
        .stripe
        .subscription(done["subscription"].as_str().expect("one"))
        .expect("it");
    assert_eq!(
        (
            &subscription["status"],
            &subscription["metadata"]["account"]
        ),
        (&json!("active"), &json!("7"))
    );
    assert_eq!(
        (&subscription["customer"], &subscription["latest_invoice"]),
        (&done["customer"], &done["invoice"])
    );
    assert_eq!(done["payment_status"], "paid");
    assert!(subscription["default_payment_method"].is_string());
    let found = scene_get(
        &shop,
        &format!("/v1/checkout/sessions?subscription={}", id(&subscription)),
    )
    .await;
    assert_eq!(found["data"][0]["id"], open["id"]);
}

#[tokio::test]
async fn cards_come_and_go() {
    let shop = shop().await;
    let api = &shop.scene;
    let card = api
        .stripe
        .add_card("cus_1", "pm_card_visa")
        .expect("a card");
    assert_eq!(api.told(), ["payment_method.attached", "customer.updated"]);
    let customer = api.stripe.customer("cus_1").expect("it");
    assert_eq!(
        customer["invoice_settings"]["default_payment_method"],
        card.as_str()
    );
    let other = api
        .make(
            "/v1/payment_methods/pm_card_mastercard/attach",
            "customer=cus_1",
        )
        .await;
    let listed = api
        .get("/v1/payment_methods?customer=cus_1&type=card")
        .await
        .expect(200);
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2));
    api.make(
        "/v1/customers/cus_1",
        &format!("invoice_settings[default_payment_method]={}", id(&other)),
    )
    .await;
    api.told();
    api.stripe.remove_card(id(&other)).expect("it is attached");
    assert_eq!(api.told(), ["payment_method.detached", "customer.updated"]);
    let again = api
        .post(
            &format!("/v1/payment_methods/{}/attach", id(&other)),
            "",
            "customer=cus_1",
        )
        .await;
    again.refuse(400, "type", "invalid_request_error");
    let declined = api
        .post(
            "/v1/payment_methods/pm_card_chargeDeclined/attach",
            "",
            "customer=cus_1",
        )
        .await;
    declined.refuse(402, "decline_code", "generic_decline");
    let strange = format!(
        "customer=cus_1&items[0][price]={}&default_payment_method=pm_x",
        shop.small
    );
    api.post("/v1/subscriptions", "", &strange).await.refuse(
        400,
        "param",
        "default_payment_method",
    );
}

#[tokio::test]
async fn a_customer_who_goes_takes_everything_along() {
    let shop = shop().await;
    shop.card();
    shop.subscribe(&shop.small, "").await;
    shop.scene.told();
    let gone = shop
        .scene
        .stripe
        .delete_customer("cus_1")
        .expect("a customer");
    assert_eq!(
        (&gone["deleted"], shop.scene.told()),
        (
            &json!(true),
            vec![
                "customer.subscription.deleted".to_owned(),
                "customer.deleted".to_owned()
            ]
        )
    );
    assert_eq!(scene_get(&shop, "/v1/customers/cus_1").await, gone);
    assert_eq!(
        scene_get(&shop, "/v1/customers?email=one@example.com").await["data"],
        json!([])
    );
    shop.scene
        .post("/v1/customers/cus_1", "", "name=x")
        .await
        .refuse(404, "code", "resource_missing");
}
