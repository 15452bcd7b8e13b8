//! `POST /api/v1/admin/payments/{id}/refund`: an operator refunds a payment, and its credits are
//! taken back when Stripe reports that.

use crate::world::shop::PRICE;
use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::ids::AccountId;
use http::StatusCode;
use serde_json::{Value, json};
use stand_in_shared::faults::{Called, Effect, Fault, Moment, deaths};
use stand_in_stripe::DisputeStatus::NeedsResponse;
use stand_in_stripe::Fault as StripeFault;
use std::time::Duration;

const REFUNDS: &str = "POST stripe.wire/v1/refunds";

/// An account that has bought a pack of 10,000 credits, and the payment.
async fn bought(fault_plan: FaultPlan) -> (World, AccountId, String) {
    let world = World::with(fault_plan, &WIRED).await;
    let account = world.account().await;
    let payment = world.buys_a_pack().await;
    world.settle().await;
    assert_eq!(world.purse(&account).await, (10_000, 0));
    (world, account, payment)
}

fn part(minor: i64) -> Value {
    json!({ "amount_minor": minor, "reason": "paid twice" })
}

fn rest() -> Value {
    json!({ "reason": "paid twice" })
}

impl World {
    async fn refunds(&self, payment: &str, key: &str, wanted: &Value) -> (StatusCode, Value) {
        let path = format!("/api/v1/admin/payments/{payment}/refund");
        loop {
            let answer = self.keyed("POST", &path, key, wanted).await;
            if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
        }
    }

    async fn payment_shown(&self, payment: &str) -> Value {
        let path = format!("/api/v1/admin/payments/{payment}");
        let (status, shown) = self.operator("GET", &path, None).await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        shown
    }

    /// The amounts that Stripe refunded.
    fn refunded(&self) -> Vec<i64> {
        let refunds = self.vendors.stripe.refunds();
        let amounts = refunds.iter().map(|refund| refund["amount"].as_i64());
        amounts.map(Option::unwrap_or_default).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_refunded_in_part_and_then_whole() {
    for seed in 541..544 {
        let (world, account, payment) = bought(FaultPlan::Seeded(seed)).await;
        let (status, asked) = world.refunds(&payment, "first", &part(250)).await;
        assert_eq!(
            (
                status,
                &asked["state"],
                &asked["by"],
                &asked["amount_minor"]
            ),
            (
                StatusCode::ACCEPTED,
                &json!("requested"),
                &json!("local"),
                &json!(250)
            )
        );
        let (status, again) = world.refunds(&payment, "first", &part(250)).await;
        assert_eq!((status, &again["id"]), (StatusCode::OK, &asked["id"]));
        let (status, other) = world.refunds(&payment, "first", &part(251)).await;
        assert_eq!(
            (status, &other["code"]),
            (StatusCode::CONFLICT, &json!("idempotency_key_reused"))
        );
        world.settle().await;
        assert_eq!(world.refunded(), [250]);
        assert_eq!(world.purse(&account).await, (7_500, 0));
        let (status, whole) = world.refunds(&payment, "second", &rest()).await;
        assert_eq!(
            (status, &whole["amount_minor"]),
            (StatusCode::ACCEPTED, &json!(PRICE - 250))
        );
        world.settle().await;
        let (status, made) = world.refunds(&payment, "second", &rest()).await;
        assert_eq!(
            (status, &made["state"]),
            (StatusCode::OK, &json!("created"))
        );
        world.settle().await;
        assert_eq!(world.refunded(), [250, PRICE - 250]);
        assert_eq!(world.purse(&account).await, (0, 0));
        let shown = world.payment_shown(&payment).await;
        assert_eq!(
            (&shown["refunded_minor"], &shown["credits_taken_back"]),
            (&json!(PRICE), &json!("10000"))
        );
        assert_eq!(shown["refunds"].as_array().map(Vec::len), Some(2));
        let (status, refused) = world.refunds(&payment, "third", &rest()).await;
        assert_eq!(
            (status, &refused["code"]),
            (StatusCode::CONFLICT, &json!("nothing_left"))
        );
        world.assert_ledger_agrees().await;
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_request_is_explained() {
    let (world, _, payment) = bought(FaultPlan::None).await;
    for (wanted, status, code) in [
        (part(0), 400, "bad_amount"),
        (part(-1), 400, "bad_amount"),
        (part(PRICE + 1), 422, "too_much"),
        (json!({ "reason": " " }), 400, "bad_reason"),
        (json!({ "amount_minor": 1 }), 400, "bad_body"),
    ] {
        let (was, refused) = world.refunds(&payment, "key", &wanted).await;
        assert_eq!(
            (was.as_u16(), &refused["code"]),
            (status, &json!(code)),
            "{wanted}: {refused}"
        );
    }
    for unknown in ["pi_unknown", "ch_1"] {
        let (status, _) = world.refunds(unknown, "key", &rest()).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    assert_eq!(world.refunded(), Vec::<i64>::new());
    world.done().await;
}

/// Two operators refund the same payment at once. Stripe refuses what is too much, and that is
/// shown.
#[tokio::test(start_paused = true)]
async fn what_stripe_refuses_is_shown() {
    let (world, account, payment) = bought(FaultPlan::Seeded(545)).await;
    for key in ["one", "two"] {
        let (status, _) = world.refunds(&payment, key, &part(600)).await;
        assert_eq!(status, StatusCode::ACCEPTED);
    }
    world.settle().await;
    assert_eq!(world.refunded(), [600]);
    assert_eq!(world.purse(&account).await, (4_000, 0));
    let shown = world.payment_shown(&payment).await;
    let refunds = shown["refunds"].as_array().expect("a list");
    let refused: Vec<_> = refunds
        .iter()
        .filter(|refund| refund["state"] == "refused")
        .collect();
    assert_eq!(refused.len(), 1, "{shown}");
    let why = refused[0]["refused"].as_str().expect("a sentence");
    assert!(why.contains("greater than unrefunded amount"), "{why}");

    let stripe = &world.vendors.stripe;
    stripe
        .open_dispute(&payment, Some(400), NeedsResponse)
        .expect("a payment");
    world.settle().await;
    let (status, refused) = world.refunds(&payment, "three", &rest()).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::CONFLICT, &json!("nothing_left"))
    );
    world.settle().await;
    world.done().await;
}

/// Stripe fails and keeps its failure, its answer is lost for longer than it keeps a key, and it is
/// down.
#[tokio::test(start_paused = true)]
async fn a_refund_survives_stripes_failures() {
    let faults: [fn(&World); 3] = [
        |world| world.vendors.stripe.fail_next(StripeFault::StoredFailure),
        |world| {
            world.stack.faults.inject(Fault {
                on: REFUNDS.to_owned(),
                times: 3,
                effect: Effect::AnswerLost,
            });
        },
        |world| world.wire.cut("stripe.wire", ALWAYS),
    ];
    for fault in faults {
        let (world, account, payment) = bought(FaultPlan::None).await;
        let (status, _) = world.refunds(&payment, "first", &part(250)).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        fault(&world);
        world.turn(Queue::StripeEvents).await;
        world.skip(Duration::from_secs(25 * 3_600));
        world.wire.clear();
        world.settle().await;
        world.skip(Duration::from_secs(3_601));
        world.settle().await;
        assert_eq!(world.refunded(), [250]);
        assert_eq!(world.purse(&account).await, (7_500, 0));
        let shown = world.payment_shown(&payment).await;
        assert_eq!(shown["refunds"][0]["state"], "created", "{shown}");
        world.done().await;
    }
    let (world, account, payment) = bought(FaultPlan::None).await;
    let no = json!({ "error": { "type": "invalid_request_error", "message": "Not this one." } });
    world.wire.answer(REFUNDS, ALWAYS, Reply::json(400, no));
    let (status, _) = world.refunds(&payment, "first", &part(250)).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.settle().await;
    world.wire.clear();
    let shown = world.payment_shown(&payment).await;
    assert_eq!(shown["refunds"][0]["refused"], "Not this one.");
    assert_eq!(world.purse(&account).await, (10_000, 0));
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_refund() {
    let play = async |death: Option<(u64, Moment)>| -> Vec<Called> {
        let (world, account, payment) = bought(FaultPlan::None).await;
        let (status, _) = world.refunds(&payment, "first", &part(250)).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        let before = world.stack.faults.calls();
        if let Some((call, moment)) = death {
            world.stack.faults.crash_at(before + call, moment);
        }
        world.turn(Queue::StripeEvents).await;
        let calls = world.stack.faults.since(before);
        // Stripe forgets the key in the meantime.
        world.skip(Duration::from_secs(25 * 3_600));
        world.settle().await;
        assert_eq!(world.refunded(), [250], "{death:?}");
        assert_eq!(world.purse(&account).await, (7_500, 0), "{death:?}");
        let shown = world.payment_shown(&payment).await;
        assert_eq!(shown["refunds"][0]["state"], "created", "{death:?}");
        world.done().await;
        calls
    };
    let calls = play(None).await;
    assert!(calls.len() >= 4, "{calls:?}");
    for (call, moment) in deaths(&calls) {
        play(Some((call, moment))).await;
    }
}

/// The request itself dies at a call, and is sent again.
#[tokio::test(start_paused = true)]
async fn a_request_that_died_is_repeated_without_another_refund() {
    let play = async |death: Option<(u64, Moment)>| -> Vec<Called> {
        let (world, account, payment) = bought(FaultPlan::None).await;
        let before = world.stack.faults.calls();
        if let Some((call, moment)) = death {
            world.stack.faults.crash_at(before + call, moment);
        }
        // Sent again until it is answered.
        world.refunds(&payment, "first", &rest()).await;
        let calls = world.stack.faults.since(before);
        world.settle().await;
        let (status, shown) = world.refunds(&payment, "first", &rest()).await;
        assert!(status.is_success(), "{death:?}: {shown}");
        world.settle().await;
        assert_eq!(world.refunded(), [PRICE], "{death:?}");
        assert_eq!(world.purse(&account).await, (0, 0), "{death:?}");
        world.done().await;
        calls
    };
    for (call, moment) in deaths(&play(None).await) {
        play(Some((call, moment))).await;
    }
}
