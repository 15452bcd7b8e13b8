//! Flexible billing, the default since 2025-09-30.clover, beside the classic mode
//! (docs.stripe.com/billing/subscriptions/billing-mode/compare).

use super::subscriptions::{DAY, shop};
use super::*;

#[tokio::test]
async fn the_portal_ends_a_subscription_by_its_moment() {
    let shop = shop().await;
    shop.card();
    for (mode, flag) in [("", false), ("&billing_mode[type]=classic", true)] {
        let made = shop.subscribe(&shop.small, mode).await;
        let expected = if flag { "classic" } else { "flexible" };
        assert_eq!(made["billing_mode"]["type"], expected);
        let stripe = &shop.scene.stripe;
        let ends = stripe.cancel_in_portal(id(&made)).expect("an active one");
        assert_eq!(
            (&ends["cancel_at"], &ends["cancel_at_period_end"]),
            (&json!(NOW + 30 * DAY), &json!(flag))
        );
        let path = format!("/v1/subscriptions/{}", id(&made));
        let kept = shop.scene.make(&path, "cancel_at_period_end=false").await;
        assert_eq!(kept["cancel_at"].is_null(), flag, "{mode}");
        let kept = shop.scene.make(&path, "cancel_at=").await;
        assert_eq!(
            (&kept["cancel_at"], &kept["canceled_at"]),
            (&Value::Null, &Value::Null)
        );
        shop.scene
            .post(&path, "", "cancel_at=&cancel_at_period_end=false")
            .await
            .refuse(400, "param", "cancel_at");
        stripe.cancel_in_portal(id(&made)).expect("an active one");
        let ended = stripe.roll_period(id(&made)).expect("its last");
        assert_eq!(ended["status"], "canceled", "{mode}");
    }
}

/// A new subscription to metered prices alone has no invoice.
#[tokio::test]
async fn an_empty_first_invoice_is_not_made() {
    let shop = shop().await;
    for (mode, count) in [("", 0), ("&billing_mode[type]=classic", 1)] {
        let before = shop.scene.stripe.invoices().len();
        let made = shop.subscribe(&shop.metered, mode).await;
        assert_eq!(made["status"], "active", "{mode}");
        assert_eq!(shop.scene.stripe.invoices().len() - before, count, "{mode}");
        assert_eq!(made["latest_invoice"].is_null(), count == 0, "{mode}");
    }
}

/// The usage of a metered item is billed when the item is removed, and shown in the preview.
#[tokio::test]
async fn usage_is_billed_when_its_item_is_removed() {
    for (mode, usage) in [("", 300), ("&billing_mode[type]=classic", 0)] {
        let shop = shop().await;
        shop.card();
        let made = shop.subscribe(&shop.metered, mode).await;
        shop.scene.make(EVENTS, USAGE).await;
        let item = made["items"]["data"][0]["id"].as_str().expect("an item");
        let change = format!(
            "proration_behavior=always_invoice&items[0][id]={item}&items[0][deleted]=true&items[1][price]={}",
            shop.small
        );
        let path = format!("/v1/subscriptions/{}", id(&made));
        shop.scene.make(&path, &change).await;
        assert_eq!(shop.latest(&made)["total"], 2000 + usage, "{mode}");
        let rolled = shop.scene.stripe.roll_period(id(&made)).expect("the next");
        assert_eq!(shop.latest(&rolled)["total"], 2000, "counted once");
    }
}

/// Cancelled at once with a last invoice: usage is billed and unused time credited.
#[tokio::test]
async fn a_prorated_cancellation_credits_what_is_unused() {
    let shop = shop().await;
    shop.card();
    let made = shop.subscribe(&shop.small, "").await;
    let path = format!(
        "/v1/subscriptions/{}?invoice_now=true&prorate=true",
        id(&made)
    );
    let request = Request::delete(&path).header("authorization", "Bearer sk_test_x");
    let ended = shop
        .scene
        .send(request.body(Body::empty()).expect("a request"))
        .await
        .expect(200);
    assert_eq!(ended["status"], "canceled");
    let customer = shop.scene.stripe.customer("cus_1").expect("a customer");
    assert_eq!(customer["balance"], -2000);
}
