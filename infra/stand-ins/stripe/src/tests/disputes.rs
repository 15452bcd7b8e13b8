//! Disputes: money that a bank takes back.

use super::refunds::paid;
use super::*;
use crate::DisputeStatus::{self, *};

fn net(dispute: &Value) -> i64 {
    dispute["balance_transactions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|movement| movement["net"].as_i64())
        .sum()
}

#[tokio::test]
async fn a_dispute_goes_its_way() {
    const OPENED: [&str; 2] = ["created", "funds_withdrawn"];
    let ways: [(DisputeStatus, &[DisputeStatus], &[&str], i64); 5] = [
        (
            NeedsResponse,
            &[UnderReview, Won],
            &[
                "created",
                "funds_withdrawn",
                "updated",
                "closed",
                "funds_reinstated",
            ],
            0,
        ),
        (
            NeedsResponse,
            &[UnderReview, Lost],
            &["created", "funds_withdrawn", "updated", "closed"],
            -5300,
        ),
        (NeedsResponse, &[], &OPENED, -5300),
        (
            WarningNeedsResponse,
            &[WarningUnderReview, WarningClosed],
            &["created", "updated", "closed"],
            0,
        ),
        (
            WarningNeedsResponse,
            &[NeedsResponse, Lost],
            &["created", "updated", "funds_withdrawn", "closed"],
            -5300,
        ),
    ];
    for (first, moves, told, left) in ways {
        let (scene, intent) = paid().await;
        let mut dispute = scene
            .stripe
            .open_dispute(&intent, None, first)
            .expect("a payment");
        for status in moves {
            dispute = scene
                .stripe
                .move_dispute(id(&dispute), *status)
                .expect("a way on");
        }
        let told: Vec<String> = told
            .iter()
            .map(|event| format!("charge.dispute.{event}"))
            .collect();
        assert_eq!(
            (scene.told(), net(&dispute)),
            (told, left),
            "{first:?} {moves:?}"
        );
        assert_eq!(scene.stripe.charges()[0]["disputed"], true);
    }
}

#[tokio::test]
async fn a_chargeback_cannot_be_refunded_and_an_inquiry_can() {
    let (scene, intent) = paid().await;
    let inquiry = scene
        .stripe
        .open_dispute(&intent, Some(1000), WarningNeedsResponse)
        .expect("a payment");
    scene
        .stripe
        .refund(&intent, Some(1000))
        .expect("an inquiry leaves the money");
    scene
        .stripe
        .move_dispute(id(&inquiry), NeedsResponse)
        .expect("it escalates");
    let refused = scene
        .post("/v1/refunds", "", &format!("payment_intent={intent}"))
        .await;
    refused.refuse(400, "code", "charge_disputed");
    let path = format!("/v1/disputes/{}", id(&inquiry));
    let dispute = scene.get(&path).await.expect(200);
    assert_eq!(
        (&dispute["amount"], &dispute["status"], net(&dispute)),
        (&json!(1000), &json!("needs_response"), -2500)
    );
    let listed = scene
        .get(&format!("/v1/disputes?payment_intent={intent}"))
        .await
        .expect(200);
    assert_eq!(listed["data"], json!([dispute]));
}

#[tokio::test]
async fn a_dispute_does_not_go_back_or_begin_in_the_middle() {
    let (scene, intent) = paid().await;
    scene
        .stripe
        .open_dispute(&intent, None, Won)
        .expect_err("it begins at the beginning");
    scene
        .stripe
        .open_dispute(&intent, Some(3801), NeedsResponse)
        .expect_err("more than was paid");
    let dispute = scene
        .stripe
        .open_dispute(&intent, None, NeedsResponse)
        .expect("a payment");
    scene
        .stripe
        .move_dispute(id(&dispute), Lost)
        .expect("a way on");
    for status in [WarningNeedsResponse, NeedsResponse, UnderReview, Won, Lost] {
        scene
            .stripe
            .move_dispute(id(&dispute), status)
            .expect_err("it is over");
    }
    assert_eq!(scene.stripe.disputes().len(), 1);
}
