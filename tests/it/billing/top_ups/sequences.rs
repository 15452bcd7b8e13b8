//! Drawn sequences of spending, gifts, cards, settings, banks and time: no crossing is charged
//! twice, what is charged is granted once, and the cap holds.

use super::{ASKS, DECLINED, HOUR, VISA, topped_up, wanted};
use crate::world::FaultPlan;
use crate::world::program::Program;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use stand_in_shared::faults::scramble;
use stand_in_stripe::Authentication;
use std::collections::BTreeSet;

const CAP: i64 = 3_500;
const STEPS: u64 = 14;

#[tokio::test(start_paused = true)]
async fn sequences_of_top_ups_charge_each_crossing_once() {
    for seed in 1..=16_u64 {
        let program = topped_up(VISA, CAP, FaultPlan::Seeded(seed)).await;
        for step in 0..STEPS {
            happens(&program, scramble(seed * 1_000 + step)).await;
            // Every second step meets the one before it halfway.
            if step % 2 == 1 {
                program.world.settle().await;
            } else {
                program.world.turn_all().await;
            }
            holds(&program, seed, step).await;
        }
        program.sets(&json!({ "enabled": false })).await;
        program.world.settle().await;
        holds(&program, seed, STEPS).await;
        let open = ["succeeded", "canceled"];
        let ended = |status: &String| open.contains(&status.as_str());
        assert!(program.world.top_ups().iter().all(ended), "seed {seed}");
        program.world.assert_ledger_agrees().await;
        program.world.done().await;
    }
}

async fn happens(program: &Program, draw: u64) {
    let world = &program.world;
    let stripe = &world.vendors.stripe;
    match draw % 8 {
        0..=2 => {
            // Refused if so much is not there, which is as well.
            let amount = [90, 700, 9_900][usize::try_from(draw >> 8).expect("64 bits") % 3];
            let wanted = json!({ "credits": amount.to_string() });
            program.ask("POST", super::DEBIT, Some(&wanted)).await;
        }
        3 => {
            let card = [VISA, DECLINED, ASKS][usize::try_from(draw >> 8).expect("64 bits") % 3];
            stripe.add_card(CUSTOMER, card).expect("a customer");
        }
        4 => world.skip(HOUR * 25),
        5 => {
            for intent in stripe.payment_intents() {
                if intent["status"] == "requires_action" {
                    let outcome = if draw & 256 == 0 {
                        Authentication::Confirmed
                    } else {
                        Authentication::Failed
                    };
                    let id = intent["id"].as_str().expect("an id");
                    stripe
                        .authenticate_payment(id, outcome)
                        .expect("it waits for that");
                }
            }
        }
        6 => {
            program.sets(&json!({ "enabled": false })).await;
        }
        _ => {
            program.sets(&wanted(CAP)).await;
        }
    }
}

async fn holds(program: &Program, seed: u64, step: u64) {
    let world = &program.world;
    let intents = world.vendors.stripe.payment_intents();
    let paid: Vec<&Value> = intents
        .iter()
        .filter(|intent| intent["status"] == "succeeded")
        .collect();
    let crossings: BTreeSet<_> = paid
        .iter()
        .map(|intent| intent["metadata"]["tallyhook_what"].as_str())
        .collect();
    let what = format!("seed {seed}, step {step}");
    assert_eq!(crossings.len(), paid.len(), "one charge a crossing: {what}");
    let open = intents
        .iter()
        .filter(|intent| intent["status"] == "requires_action" || intent["status"] == "processing");
    assert!(open.count() <= 1, "one at a time: {what}");
    // The steps take at most two weeks, so they touch two months.
    let spent: i64 = paid.iter().filter_map(|one| one["amount"].as_i64()).sum();
    assert!(spent <= 2 * CAP, "{what}: {spent}");
    assert!(world.grants(&program.account).await <= paid.len(), "{what}");
    if step == STEPS {
        assert_eq!(world.grants(&program.account).await, paid.len(), "{what}");
    }
}
