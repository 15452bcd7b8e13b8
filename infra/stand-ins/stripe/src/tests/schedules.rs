//! Subscription schedules: one for each subscription, its phases, and what they forbid.

use super::subscriptions::{DAY, shop};
use super::*;

const URL: &str = "/v1/subscription_schedules";

#[tokio::test]
async fn a_schedule_changes_the_items_when_the_period_ends() {
    let shop = shop().await;
    shop.card();
    let subscription = shop.subscribe(&shop.large, "").await;
    let from = format!("from_subscription={}", id(&subscription));
    let alone = format!("{from}&end_behavior=release");
    let answer = shop.scene.post(URL, "", &alone).await;
    answer.refuse(400, "code", "parameter_unknown");
    let schedule = shop.scene.make(URL, &from).await;
    let path = format!("{URL}/{}", id(&schedule));
    let present = &schedule["phases"][0];
    assert_eq!(
        (&present["items"][0]["price"], &schedule["billing_mode"]),
        (&json!(shop.large), &subscription["billing_mode"])
    );
    let second = shop.scene.post(URL, "", &from).await;
    second.refuse(400, "param", "from_subscription");
    let (start, end) = (&present["start_date"], &present["end_date"]);
    let phases = |start: &Value, large: &str, small: &str| {
        format!(
            "phases[0][start_date]={start}&phases[0][end_date]={end}&phases[0][items][0][price]={large}\
             &phases[1][items][0][price]={small}&phases[1][duration][interval]=month&phases[1][proration_behavior]=none"
        )
    };
    let early = phases(&json!(NOW - DAY), &shop.large, &shop.small);
    let answer = shop.scene.post(&path, "", &early).await;
    answer.refuse(400, "param", "phases[0][start_date]");
    let planned = shop
        .scene
        .make(&path, &phases(start, &shop.large, &shop.small))
        .await;
    assert_eq!(planned["phases"].as_array().map(Vec::len), Some(2));
    let managed = format!("/v1/subscriptions/{}", id(&subscription));
    for ends in ["cancel_at_period_end=true", "cancel_at="] {
        let answer = shop.scene.post(&managed, "", ends).await;
        answer.refuse(400, "type", "invalid_request_error");
    }
    let stripe = &shop.scene.stripe;
    shop.scene.told();
    let rolled = stripe.roll_period(id(&subscription)).expect("active");
    assert_eq!(rolled["items"]["data"][0]["price"]["id"], json!(shop.small));
    assert_eq!(shop.latest(&subscription)["total"], 2000);
    let told = shop.scene.told();
    assert_eq!(told[0], "subscription_schedule.updated", "{told:?}");
    // The end of the last phase releases the subscription, which continues.
    let rolled = stripe.roll_period(id(&subscription)).expect("active");
    assert_eq!(rolled["schedule"], Value::Null);
    let over = shop.scene.get(&path).await.expect(200);
    assert_eq!(
        (&over["status"], &over["released_subscription"]),
        (&json!("released"), &subscription["id"])
    );
    let answer = shop.scene.post(&format!("{path}/release"), "", "").await;
    answer.refuse(400, "type", "invalid_request_error");
}
