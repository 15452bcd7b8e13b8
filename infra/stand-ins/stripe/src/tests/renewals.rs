//! Subscriptions over time: renewals, usage, trials, missed payments, pauses.

use super::subscriptions::{DAY, PAID, shop};
use super::*;

#[tokio::test]
async fn a_period_rolls_and_is_paid() {
    let shop = shop().await;
    shop.card();
    let subscription = shop.subscribe(&shop.small, "").await;
    shop.scene.told();
    let rolled = shop
        .scene
        .stripe
        .roll_period(id(&subscription))
        .expect("an active subscription");
    let item = &rolled["items"]["data"][0];
    assert_eq!(
        (&item["current_period_start"], &item["current_period_end"]),
        (&json!(NOW + 30 * DAY), &json!(NOW + 61 * DAY))
    );
    assert_eq!(
        shop.scene.told(),
        [
            &["customer.subscription.updated", "invoice.created"],
            &PAID[..]
        ]
        .concat()
    );
    assert_eq!(
        shop.latest(&subscription)["billing_reason"],
        "subscription_cycle"
    );
    let listed = shop
        .scene
        .get(&format!(
            "/v1/invoices?subscription={}&status=paid",
            id(&subscription)
        ))
        .await
        .expect(200);
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_draft_takes_late_usage_until_it_is_final() {
    let shop = shop().await;
    shop.card();
    let both = format!("&items[1][price]={}", shop.metered);
    let subscription = shop.subscribe(&shop.small, &both).await;
    let (stripe, end) = (&shop.scene.stripe, NOW + 30 * DAY);
    shop.scene.pass_seconds(30 * DAY);
    stripe
        .begin_next_period(id(&subscription))
        .expect("an active subscription");
    assert_eq!(shop.latest(&subscription)["status"], "draft");
    let late = format!("{USAGE}&timestamp={}", end - 60);
    shop.scene.make(EVENTS, &late).await;
    shop.scene.pass_seconds(3_600);
    let invoice = stripe.finalize_period(id(&subscription)).expect("a draft");
    assert_eq!(
        (&invoice["status"], &invoice["total"]),
        (&json!("paid"), &json!(2000 + 2 * 150))
    );
    // Later, Stripe accepts usage of the old period and never bills it.
    shop.scene.make(EVENTS, &late).await;
    shop.scene.pass_seconds(31 * DAY);
    stripe
        .begin_next_period(id(&subscription))
        .expect("an active subscription");
    let invoice = stripe.finalize_period(id(&subscription)).expect("a draft");
    assert_eq!(invoice["total"], 2000);
}

#[tokio::test]
async fn usage_is_billed_in_tiers_when_its_period_is_over() {
    let shop = shop().await;
    shop.card();
    let both = format!("&items[1][price]={}", shop.metered);
    let subscription = shop.subscribe(&shop.small, &both).await;
    let total = |shop: &super::subscriptions::Shop| shop.latest(&subscription)["total"].clone();
    assert_eq!(total(&shop), 2000);
    shop.scene.make(EVENTS, USAGE).await;
    // The period ends early, so all usage reported so far counts, once.
    shop.scene
        .stripe
        .roll_period(id(&subscription))
        .expect("an active subscription");
    assert_eq!(total(&shop), 2000 + 2 * 150);
    let usage = &shop.latest(&subscription)["lines"]["data"][0];
    assert_eq!(
        (&usage["quantity"], &usage["amount"]),
        (&json!(5), &json!(300))
    );
    shop.scene.make(EVENTS, USAGE).await;
    shop.scene
        .stripe
        .roll_period(id(&subscription))
        .expect("an active subscription");
    assert_eq!(total(&shop), 2000 + 2 * 150);
    shop.scene
        .stripe
        .roll_period(id(&subscription))
        .expect("an active subscription");
    assert_eq!(total(&shop), 2000);
    // The period ends on time, so usage before its end counts; the rest belongs to the next period.
    let end = shop
        .scene
        .stripe
        .subscription(id(&subscription))
        .expect("it")["items"]["data"][0]["current_period_end"]
        .as_i64()
        .expect("a moment");
    shop.scene.pass_seconds(end + 60 - NOW);
    let before = format!("{USAGE}&timestamp={}", end - 1);
    shop.scene.make(EVENTS, &before).await;
    shop.scene.make(EVENTS, &USAGE.replace("=5", "=4")).await;
    shop.scene
        .stripe
        .roll_period(id(&subscription))
        .expect("an active subscription");
    assert_eq!(total(&shop), 2000 + 2 * 150);
    shop.scene
        .stripe
        .roll_period(id(&subscription))
        .expect("an active subscription");
    assert_eq!(total(&shop), 2000 + 150);
}

#[tokio::test]
async fn a_missed_payment_is_past_due_until_it_is_made_up() {
    let shop = shop().await;
    shop.card();
    let subscription = shop.subscribe(&shop.small, "").await;
    shop.scene.told();
    shop.scene
        .stripe
        .fail_next_payment("cus_1")
        .expect("a customer");
    let rolled = shop
        .scene
        .stripe
        .roll_period(id(&subscription))
        .expect("an active subscription");
    assert_eq!(rolled["status"], "past_due");
    let first = [
        "customer.subscription.updated",
        "invoice.created",
        "invoice.finalized",
        "payment_intent.created",
    ];
    let last = [
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.payment_failed",
        "customer.subscription.updated",
    ];
    assert_eq!(shop.scene.told(), [first, last].concat());
    let invoice = shop.latest(&subscription);
    assert_eq!(
        (&invoice["status"], &invoice["attempt_count"]),
        (&json!("open"), &json!(1))
    );
    let paid = shop
        .scene
        .make(&format!("/v1/invoices/{}/pay", id(&invoice)), "")
        .await;
    assert_eq!(
        (&paid["status"], &paid["attempt_count"]),
        (&json!("paid"), &json!(2))
    );
    assert_eq!(
        shop.scene
            .stripe
            .subscription(id(&subscription))
            .expect("it")["status"],
        "active"
    );
    assert_eq!(
        shop.scene.told().last().map(String::as_str),
        Some("customer.subscription.updated")
    );
}

#[tokio::test]
async fn a_trial_costs_nothing_and_then_what_it_should() {
    let shop = shop().await;
    shop.card();
    let subscription = shop.subscribe(&shop.small, "&trial_period_days=14").await;
    assert_eq!(
        (&subscription["status"], &subscription["trial_end"]),
        (&json!("trialing"), &json!(NOW + 14 * DAY))
    );
    let free = [
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
    ];
    assert_eq!(
        shop.scene.told(),
        [&["customer.subscription.created"], &free[..]].concat()
    );
    shop.scene
        .stripe
        .emit_trial_will_end(id(&subscription))
        .expect("it");
    assert_eq!(shop.scene.told(), ["customer.subscription.trial_will_end"]);
    let active = shop
        .scene
        .stripe
        .end_trial(id(&subscription))
        .expect("a trial");
    assert_eq!(
        (
            &active["status"],
            &shop.latest(&subscription)["amount_paid"]
        ),
        (&json!("active"), &json!(2000))
    );
    shop.scene
        .stripe
        .end_trial(id(&subscription))
        .expect_err("it is over");
}

#[tokio::test]
async fn what_is_used_in_a_trial_is_free() {
    let shop = shop().await;
    shop.card();
    let subscription = shop.subscribe(&shop.metered, "&trial_period_days=14").await;
    let total = |shop: &super::subscriptions::Shop| shop.latest(&subscription)["total"].clone();
    shop.scene.make(EVENTS, USAGE).await;
    shop.scene.pass_seconds(15 * DAY);
    shop.scene.make(EVENTS, USAGE).await;
    let active = shop
        .scene
        .stripe
        .roll_period(id(&subscription))
        .expect("a trial");
    assert_eq!(
        (&active["billing_cycle_anchor"], total(&shop)),
        (&json!(NOW + 14 * DAY), json!(0))
    );
    shop.scene
        .stripe
        .roll_period(id(&subscription))
        .expect("an active subscription");
    assert_eq!(total(&shop), 2 * 150);
}

#[tokio::test]
async fn a_trial_without_a_card_ends_as_its_settings_say() {
    for (missing, status, last) in [
        (
            "create_invoice",
            "past_due",
            "customer.subscription.updated",
        ),
        ("cancel", "canceled", "customer.subscription.deleted"),
        ("pause", "paused", "customer.subscription.paused"),
    ] {
        let shop = shop().await;
        let setting = format!(
            "&trial_period_days=7&trial_settings[end_behavior][missing_payment_method]={missing}"
        );
        let subscription = shop.subscribe(&shop.small, &setting).await;
        let ended = shop
            .scene
            .stripe
            .end_trial(id(&subscription))
            .expect("a trial");
        assert_eq!(
            (
                &ended["status"],
                shop.scene.told().last().map(String::as_str)
            ),
            (&json!(status), Some(last))
        );
        let resume = format!("/v1/subscriptions/{}/resume", id(&subscription));
        if missing != "pause" {
            shop.scene.post(&resume, "", "").await.expect(400);
            continue;
        }
        shop.card();
        assert_eq!(shop.scene.make(&resume, "").await["status"], "active");
        assert_eq!(
            shop.scene.told().last().map(String::as_str),
            Some("customer.subscription.resumed")
        );
    }
}

#[tokio::test]
async fn a_pause_in_collection_leaves_the_money() {
    for (behavior, status, last) in [
        ("void", "void", "payment_intent.canceled"),
        (
            "mark_uncollectible",
            "uncollectible",
            "invoice.marked_uncollectible",
        ),
        ("keep_as_draft", "draft", "invoice.created"),
    ] {
        let shop = shop().await;
        shop.card();
        let subscription = shop.subscribe(&shop.small, "").await;
        let path = format!("/v1/subscriptions/{}", id(&subscription));
        let paused = shop
            .scene
            .make(&path, &format!("pause_collection[behavior]={behavior}"))
            .await;
        assert_eq!(paused["pause_collection"]["behavior"], behavior);
        let rolled = shop
            .scene
            .stripe
            .roll_period(id(&subscription))
            .expect("an active subscription");
        assert_eq!(
            (&rolled["status"], &shop.latest(&subscription)["status"]),
            (&json!("active"), &json!(status))
        );
        assert_eq!(shop.scene.told().last().map(String::as_str), Some(last));
        assert_eq!(
            shop.scene.make(&path, "pause_collection=").await["pause_collection"],
            Value::Null
        );
        if behavior == "keep_as_draft" {
            let invoice = shop.latest(&subscription);
            shop.scene
                .make(&format!("/v1/invoices/{}/finalize", id(&invoice)), "")
                .await;
            let pay = format!("/v1/invoices/{}/pay", id(&invoice));
            assert_eq!(shop.scene.make(&pay, "").await["status"], "paid");
            shop.scene
                .post(&pay, "", "")
                .await
                .refuse(400, "code", "invoice_already_paid");
        }
    }
}

#[tokio::test]
async fn what_a_credit_leaves_over_pays_the_next_invoice() {
    let shop = shop().await;
    shop.card();
    let subscription = shop.subscribe(&shop.large, "").await;
    let item = subscription["items"]["data"][0]["id"]
        .as_str()
        .expect("an item");
    let down = format!(
        "items[0][id]={item}&items[0][price]={}&proration_behavior=always_invoice",
        shop.small
    );
    shop.scene
        .make(&format!("/v1/subscriptions/{}", id(&subscription)), &down)
        .await;
    let credit = shop.latest(&subscription);
    assert_eq!(
        (&credit["total"], &credit["amount_due"], &credit["status"]),
        (&json!(-3000), &json!(0), &json!("paid"))
    );
    assert_eq!(
        shop.scene.stripe.customer("cus_1").expect("it")["balance"],
        -3000
    );
    for (due, balance) in [(0, -1000), (1000, 0)] {
        shop.scene
            .stripe
            .roll_period(id(&subscription))
            .expect("an active subscription");
        let invoice = shop.latest(&subscription);
        assert_eq!(
            (&invoice["total"], &invoice["amount_due"]),
            (&json!(2000), &json!(due))
        );
        assert_eq!(
            shop.scene.stripe.customer("cus_1").expect("it")["balance"],
            balance
        );
    }
}
