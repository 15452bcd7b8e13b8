//! The pages on which people do by hand what tests do with method calls.

use super::refunds::paid;
use super::subscriptions::shop;
use super::*;

impl Scene {
    /// Loads a page.
    async fn look(&self, path: &str) -> String {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = self
            .stripe
            .pages()
            .oneshot(request)
            .await
            .expect("infallible");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let bytes = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("in memory");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Presses a button. Returns the URL to which it redirects.
    async fn press(&self, path: &str) -> String {
        let request = Request::post(path).body(Body::empty()).expect("a request");
        let response = self
            .stripe
            .pages()
            .oneshot(request)
            .await
            .expect("infallible");
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{path}");
        response.headers()["location"]
            .to_str()
            .expect("text")
            .to_owned()
    }
}

#[tokio::test]
async fn a_person_pays_a_session() {
    let (scene, price) = super::checkout::shop().await;
    scene.stripe.set_site("http://127.0.0.1:1/stripe/");
    let form = format!(
        "mode=payment&line_items[0][price]={price}&line_items[0][quantity]=1\
         &success_url=https://x.example/ok?id={{CHECKOUT_SESSION_ID}}&cancel_url=https://x.example/no"
    );
    let session = scene.make("/v1/checkout/sessions", &form).await;
    let id = id(&session);
    assert_eq!(
        session["url"],
        format!("http://127.0.0.1:1/stripe/pay/{id}")
    );
    let shown = scene.look(&format!("/pay/{id}")).await;
    for piece in [
        "Credits",
        "19.00 USD",
        &format!("action=\"http://127.0.0.1:1/stripe/pay/{id}/now\""),
        "x.example/no",
    ] {
        assert!(shown.contains(piece), "{piece}");
    }
    assert_eq!(
        scene.press(&format!("/pay/{id}/later")).await,
        format!("https://x.example/ok?id={id}")
    );
    assert_eq!(
        scene.press(&format!("/pay/{id}/arrive")).await,
        format!("http://127.0.0.1:1/stripe/pay/{id}")
    );
    assert_eq!(
        scene.stripe.session(id).expect("it")["payment_status"],
        "paid"
    );
    assert!(!scene.look(&format!("/pay/{id}")).await.contains("<button>"));
}

#[tokio::test]
async fn the_dashboard_shows_and_does_everything() {
    let (scene, intent) = paid().await;
    scene.press(&format!("/do/inquire/{intent}")).await;
    let dispute = scene.stripe.disputes().remove(0);
    scene.press(&format!("/do/refund/{intent}")).await;
    scene
        .press(&format!(
            "/do/fail_refund/{}",
            id(&scene.stripe.refunds()[0])
        ))
        .await;
    scene.press(&format!("/do/escalate/{}", id(&dispute))).await;
    scene.press(&format!("/do/lose/{}", id(&dispute))).await;
    assert_eq!(scene.stripe.disputes()[0]["status"], "lost");
    let shown = scene.look("/").await;
    for piece in [
        intent.as_str(),
        id(&dispute),
        "38.00 USD",
        "charge.dispute.closed",
        "not delivered",
    ] {
        assert!(shown.contains(piece), "{piece}");
    }
}

#[tokio::test]
async fn a_customer_helps_themselves() {
    let shop = shop().await;
    let scene = &shop.scene;
    scene
        .stripe
        .add_card("cus_1", "pm_card_visa")
        .expect("a card");
    let subscription = shop.subscribe(&shop.small, "").await;
    let subscription = id(&subscription);
    let configuration = scene
        .make(
            "/v1/billing_portal/configurations",
            "features[invoice_history][enabled]=true",
        )
        .await;
    let form = format!(
        "customer=cus_1&configuration={}&return_url=https://x.example/back",
        id(&configuration)
    );
    let session = scene.make("/v1/billing_portal/sessions", &form).await;
    let path = format!("/portal/{}", id(&session));
    assert!(scene.look(&path).await.contains("x.example/back"));
    scene.press(&format!("{path}/cancel/{subscription}")).await;
    assert_eq!(
        scene.stripe.subscription(subscription).expect("it")["cancel_at_period_end"],
        false,
        "flexible billing names the moment instead"
    );
    assert!(scene.stripe.subscription(subscription).expect("it")["cancel_at"].is_i64());
    scene.press(&format!("{path}/keep/{subscription}")).await;
    assert_eq!(
        scene.stripe.subscription(subscription).expect("it")["cancel_at"],
        Value::Null
    );
    scene
        .press(&format!("{path}/add/pm_card_chargeCustomerFail"))
        .await;
    let bad =
        scene.stripe.customer("cus_1").expect("it")["invoice_settings"]["default_payment_method"]
            .clone();
    scene.press(&format!("/do/roll/{subscription}")).await;
    let invoice = scene.stripe.invoices().pop().expect("an invoice");
    assert!(
        scene
            .look(&format!("/invoices/{}", id(&invoice)))
            .await
            .contains("20.00 USD")
    );
    assert_eq!(
        scene.stripe.subscription(subscription).expect("it")["status"],
        "past_due"
    );
    scene
        .press(&format!("{path}/remove/{}", bad.as_str().expect("a card")))
        .await;
    scene.press(&format!("{path}/add/pm_card_visa")).await;
    scene
        .press(&format!("/invoices/{}/pay", id(&invoice)))
        .await;
    assert_eq!(
        scene.stripe.subscription(subscription).expect("it")["status"],
        "active"
    );
}
