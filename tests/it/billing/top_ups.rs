//! Automatic top-up: one charge for each time the balance falls below the threshold, whatever
//! happens on the way.

mod crash;
mod disputes;
mod sequences;

use crate::world::program::{Program, program};
use crate::world::verbs::together;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use stand_in_stripe::Authentication;
use std::time::Duration;

const TOP_UP: &str = "/api/v1/billing/auto-top-up";
const DEBIT: &str = "/api/v1/credits/debit";
const VISA: &str = "pm_card_visa";
const DECLINED: &str = "pm_card_chargeCustomerFail";
const ASKS: &str = "pm_card_authenticationRequired";
const HOUR: Duration = Duration::from_secs(3_600);

/// A program that has 600 credits, this card, and a top-up of 10,000 credits for 10.00 below 500.
async fn topped_up(card: &str, cap_minor: i64, fault_plan: FaultPlan) -> Program {
    let (world, account) = World::on_plan(fault_plan, "credits", &[]).await;
    let key = world.key_of(&account, "the first").await;
    let program = Program {
        world,
        account,
        key,
    };
    let world = &program.world;
    world.reachable(&program.account).await;
    world.adjusts(&program.account, "600", "first").await;
    let stripe = &world.vendors.stripe;
    stripe.add_card(CUSTOMER, card).expect("a customer");
    world.settle().await;
    let (status, shown) = program.sets(&wanted(cap_minor)).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    program
}

fn wanted(cap_minor: i64) -> Value {
    json!({ "enabled": true, "threshold": "500", "pack": "10k", "monthly_cap_minor": cap_minor })
}

impl Program {
    async fn sets(&self, wanted: &Value) -> (StatusCode, Value) {
        loop {
            let answer = self.ask("PUT", TOP_UP, Some(wanted)).await;
            if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
        }
    }

    async fn spends(&self, credits: u64) {
        let wanted = json!({ "credits": credits.to_string() });
        let (status, answer) = self.ask("POST", DEBIT, Some(&wanted)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }

    /// Lets hours pass, and what is due then happen.
    async fn waits(&self, hours: u32) {
        self.world.skip(HOUR * hours + Duration::from_secs(1));
        self.world.settle().await;
    }

    async fn top_up_state(&self) -> (Value, Value, Value) {
        let shown = self.get(TOP_UP).await;
        (
            shown["enabled"].clone(),
            shown["state"].clone(),
            shown["off_because"].clone(),
        )
    }
}

impl World {
    /// The statuses of all payments for top-ups, oldest first.
    fn top_ups(&self) -> Vec<String> {
        let intents = self.vendors.stripe.payment_intents();
        let ours = intents.into_iter().filter(|intent| {
            let what = intent["metadata"]["tallyhook_what"].as_str();
            what.is_some_and(|what| what.starts_with("top-up "))
        });
        ours.map(|intent| intent["status"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The id of the latest payment.
    fn payment(&self) -> String {
        let intents = self.vendors.stripe.payment_intents();
        let last = intents.last().expect("a payment");
        last["id"].as_str().expect("an id").to_owned()
    }

    fn mails(&self, subject: &str) -> usize {
        let subjects = self.subjects();
        subjects.iter().filter(|one| *one == subject).count()
    }

    async fn grants(&self, account: &AccountId) -> usize {
        let kinds = self.entries(account).await;
        kinds.iter().filter(|kind| **kind == "grant").count()
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_movements_at_once_one_tops_up() {
    for seed in 301..304 {
        let program = topped_up(VISA, 5_000, FaultPlan::Seeded(seed)).await;
        let world = &program.world;
        program.spends(100).await;
        world.settle().await;
        assert_eq!(world.top_ups(), Vec::<String>::new(), "500 are not below");
        together((0..5).map(|_| program.spends(20))).await;
        world.settle().await;
        assert_eq!(world.top_ups(), ["succeeded"]);
        assert_eq!(world.purse(&program.account).await, (10_400, 0));
        assert_eq!(world.mails("Your balance was topped up"), 1);
        let shown = program.get(TOP_UP).await;
        assert_eq!(
            (&shown["state"], &shown["spent_minor"]),
            (&json!("idle"), &json!(1_000))
        );
        program.spends(10_000).await;
        world.settle().await;
        assert_eq!(world.top_ups(), ["succeeded"; 2], "the next crossing");
        assert_eq!(world.grants(&program.account).await, 2);
        world.assert_ledger_agrees().await;
        program.world.done().await;
    }
}

/// A refund of a top-up takes its credits back, and does not lead to another charge.
#[tokio::test(start_paused = true)]
async fn a_top_up_is_refunded_like_a_pack() {
    let program = topped_up(VISA, 5_000, FaultPlan::Seeded(311)).await;
    let world = &program.world;
    program.spends(200).await;
    world.settle().await;
    let stripe = &world.vendors.stripe;
    stripe
        .refund(&world.payment(), Some(250))
        .expect("it is paid");
    world.settle().await;
    assert_eq!(world.purse(&program.account).await, (7_900, 0));
    stripe.refund(&world.payment(), None).expect("some is left");
    world.settle().await;
    assert_eq!(world.purse(&program.account).await, (400, 0));
    assert_eq!(world.top_ups(), ["succeeded"]);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn declines_wait_longer_and_then_switch_it_off() {
    let program = topped_up(DECLINED, 5_000, FaultPlan::Seeded(321)).await;
    let world = &program.world;
    program.spends(200).await;
    world.settle().await;
    for (declines, hours) in [(1, 1), (2, 6), (3, 24)] {
        let shown = program.get(TOP_UP).await;
        assert_eq!(
            (&shown["state"], &shown["declines"]),
            (&json!("charging"), &json!(declines))
        );
        program.spends(1).await;
        assert_eq!(world.vendors.stripe.charges().len(), declines);
        program.waits(hours).await;
    }
    assert_eq!(
        program.top_up_state().await,
        (json!(false), json!("idle"), json!("declined"))
    );
    assert_eq!(world.vendors.stripe.charges().len(), 4);
    assert_eq!(world.top_ups(), ["canceled"]);
    assert_eq!(world.mails("Automatic top-up is off"), 1);
    assert_eq!(world.purse(&program.account).await, (397, 0));
    program.spends(1).await;
    program.waits(48).await;
    assert_eq!(world.top_ups(), ["canceled"], "it stays off");
    let stripe = &world.vendors.stripe;
    stripe.add_card(CUSTOMER, VISA).expect("a customer");
    let (status, _) = program.sets(&wanted(5_000)).await;
    assert_eq!(status, StatusCode::OK);
    world.settle().await;
    assert_eq!(world.top_ups(), ["canceled", "succeeded"]);
    assert_eq!(world.purse(&program.account).await, (10_396, 0));
    program.world.done().await;
}

/// The next attempt charges what is the default card by then, on the same payment.
#[tokio::test(start_paused = true)]
async fn a_better_card_pays_for_the_same_crossing() {
    let program = topped_up(DECLINED, 5_000, FaultPlan::Seeded(331)).await;
    let world = &program.world;
    program.spends(200).await;
    world.settle().await;
    let stripe = &world.vendors.stripe;
    stripe.add_card(CUSTOMER, VISA).expect("a customer");
    program.waits(1).await;
    assert_eq!(world.top_ups(), ["succeeded"]);
    assert_eq!(stripe.charges().len(), 2);
    assert_eq!(world.purse(&program.account).await, (10_400, 0));
    program.world.done().await;
}

/// Somebody who bought a pack by hand in the meantime is not charged.
#[tokio::test(start_paused = true)]
async fn a_balance_that_recovered_is_not_charged() {
    let program = topped_up(DECLINED, 5_000, FaultPlan::Seeded(332)).await;
    let world = &program.world;
    program.spends(200).await;
    world.settle().await;
    world.adjusts(&program.account, "1000", "a gift").await;
    let stripe = &world.vendors.stripe;
    stripe.add_card(CUSTOMER, VISA).expect("a customer");
    program.waits(1).await;
    assert_eq!(world.top_ups(), ["canceled"]);
    let shown = program.get(TOP_UP).await;
    assert_eq!(
        (&shown["enabled"], &shown["spent_minor"]),
        (&json!(true), &json!(0))
    );
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_bank_that_asks_is_answered_through_the_mail() {
    for authentication in [Authentication::Confirmed, Authentication::Failed] {
        let program = topped_up(ASKS, 5_000, FaultPlan::Seeded(341)).await;
        let world = &program.world;
        program.spends(200).await;
        world.settle().await;
        assert_eq!(world.top_ups(), ["requires_action"]);
        assert_eq!(
            program.top_up_state().await,
            (json!(true), json!("confirming"), Value::Null)
        );
        let payment = world.payment();
        let letters = world.vendors.mail.letters();
        let asked: Vec<_> = letters
            .iter()
            .filter(|letter| letter.subject == "A top-up needs your confirmation")
            .collect();
        assert_eq!(asked.len(), 1);
        let page = format!("/authenticate/{payment}");
        assert!(asked[0].text.contains(&page), "{}", asked[0].text);
        program.spends(1).await;
        let stripe = &world.vendors.stripe;
        stripe
            .authenticate_payment(&payment, authentication)
            .expect("it waits for that");
        world.settle().await;
        if authentication == Authentication::Confirmed {
            assert_eq!(world.purse(&program.account).await, (10_399, 0));
            program.waits(48).await;
            assert_eq!(world.top_ups(), ["succeeded"]);
            assert_eq!(program.top_up_state().await.0, json!(true));
        } else {
            program.waits(25).await;
            assert_eq!(world.top_ups(), ["canceled"]);
            assert_eq!(
                program.top_up_state().await,
                (json!(false), json!("idle"), json!("not_confirmed"))
            );
            assert_eq!(world.mails("Automatic top-up is off"), 1);
            assert_eq!(world.purse(&program.account).await, (399, 0));
        }
        program.world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_cap_ends_it_for_the_month() {
    let program = topped_up(VISA, 1_999, FaultPlan::Seeded(351)).await;
    let world = &program.world;
    program.spends(200).await;
    world.settle().await;
    program.spends(10_000).await;
    world.settle().await;
    assert_eq!(world.top_ups(), ["succeeded"]);
    program.waits(24 * 32).await;
    program.spends(1).await;
    world.settle().await;
    assert_eq!(world.top_ups(), ["succeeded"; 2]);
    assert_eq!(program.get(TOP_UP).await["spent_minor"], json!(1_000));
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn switching_it_off_cancels_what_is_not_paid() {
    let program = topped_up(DECLINED, 5_000, FaultPlan::Seeded(361)).await;
    let world = &program.world;
    program.spends(200).await;
    world.settle().await;
    let (status, refused) = program.sets(&wanted(9_000)).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::CONFLICT, &json!("top_up_in_progress"))
    );
    let (status, shown) = program.sets(&json!({ "enabled": false })).await;
    assert_eq!((status, &shown["enabled"]), (StatusCode::OK, &json!(false)));
    world.settle().await;
    assert_eq!(world.top_ups(), ["canceled"]);
    assert_eq!(
        program.top_up_state().await,
        (json!(false), json!("idle"), Value::Null)
    );
    assert_eq!(world.mails("Automatic top-up is off"), 0, "they know");
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn settings_are_checked() {
    let program = program("credits", &[]).await;
    let shown = program.get(TOP_UP).await;
    assert_eq!(
        (&shown["enabled"], &shown["threshold"]),
        (&json!(false), &Value::Null)
    );
    let (status, refused) = program.sets(&wanted(5_000)).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::CONFLICT, &json!("no_default_payment_method"))
    );
    for (field, value, status, code) in [
        ("threshold", json!("0"), 400, "bad_amount"),
        ("threshold", json!("10001"), 400, "bad_amount"),
        ("threshold", json!("x"), 400, "bad_amount"),
        ("threshold", Value::Null, 400, "bad_body"),
        ("pack", json!("7k"), 422, "unknown_pack"),
        ("monthly_cap_minor", json!(999), 400, "bad_amount"),
        ("monthly_cap_minor", Value::Null, 400, "bad_body"),
    ] {
        let mut wanted = wanted(5_000);
        wanted[field] = value;
        let (was, refused) = program.sets(&wanted).await;
        assert_eq!(
            (was.as_u16(), &refused["code"]),
            (status, &json!(code)),
            "{wanted}: {refused}"
        );
    }
    for (field, value) in [("threshold", json!("")), ("monthly_cap_minor", json!(0))] {
        let mut wanted = json!({ "enabled": false });
        wanted[field] = value;
        let (status, refused) = program.sets(&wanted).await;
        assert_eq!(
            (status.as_u16(), &refused["code"]),
            (400, &json!("bad_amount")),
            "a body that switches it off is checked, too"
        );
    }
    program.world.settle().await;
    program.world.done().await;
}
