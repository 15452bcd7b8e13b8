//! A purchase and its reversals, with a death at every call: credits are granted once, taken back
//! once and returned once.

use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use stand_in_shared::faults::{Called, Moment, deaths, scramble};
use stand_in_stripe::DisputeStatus;

/// A story: what happens at Stripe, how many of ten thousand credits remain, and the kinds of
/// ledger entries it creates.
struct Story {
    name: &'static str,
    happens: fn(&World, &str),
    left: u64,
    kinds: &'static [&'static str],
}

const STORIES: [Story; 3] = [
    Story {
        name: "bought",
        happens: |_, _| {},
        left: 10_000,
        kinds: &["grant"],
    },
    Story {
        name: "refunded by parts, one of which fails",
        happens: |world, payment| {
            let stripe = &world.vendors.stripe;
            stripe.refund(payment, Some(250)).expect("so much is left");
            let failed = stripe.refund(payment, Some(300)).expect("so much is left");
            stripe
                .fail_refund(failed["id"].as_str().expect("an id"))
                .expect("a refund");
        },
        left: 7_500,
        kinds: &["grant", "take_back"],
    },
    Story {
        name: "disputed and lost",
        happens: |world, payment| {
            let stripe = &world.vendors.stripe;
            let dispute = stripe
                .open_dispute(payment, None, DisputeStatus::NeedsResponse)
                .expect("a payment");
            stripe
                .move_dispute(dispute["id"].as_str().expect("an id"), DisputeStatus::Lost)
                .expect("a way on");
        },
        left: 0,
        kinds: &["grant", "take_back"],
    },
];

/// Plays a story with deaths at these calls, counted from its beginning. Returns its calls.
async fn play(fault_plan: FaultPlan, story: &Story, deaths: &[(u64, Moment)]) -> Vec<Called> {
    let (world, account) = World::on_plan(fault_plan, "credits", &[]).await;
    let payment = world.buys_a_pack().await;
    (story.happens)(&world, &payment);
    let before = world.stack.faults.calls();
    for (call, moment) in deaths {
        world.stack.faults.crash_at(before + call, *moment);
    }
    world.settle().await;
    ended(&world, &account, story, deaths).await;
    let calls = world.stack.faults.since(before);
    world.done().await;
    calls
}

async fn ended(world: &World, account: &AccountId, story: &Story, deaths: &[(u64, Moment)]) {
    let what = format!("{} after {deaths:?}", story.name);
    assert_eq!(world.purse(account).await, (story.left, 0), "{what}");
    let mut kinds = world.kinds(account).await;
    // The credits for a failed refund may have been taken and returned, or the refund may have gone
    // unnoticed.
    kinds.retain(|kind| story.kinds.contains(kind));
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, story.kinds, "{what}");
    world.assert_ledger_agrees().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_purchase() {
    for story in &STORIES {
        let calls = play(FaultPlan::None, story, &[]).await;
        assert!(calls.len() >= 10, "{}: {calls:?}", story.name);
        for death in deaths(&calls) {
            play(FaultPlan::None, story, &[death]).await;
        }
    }
}

/// Two deaths anywhere, with faults, drawn from seeds.
#[tokio::test(start_paused = true)]
async fn two_processes_may_die_over_a_purchase_with_faults() {
    for seed in 1..=30_u64 {
        for story in &STORIES {
            let side = |draw: u64| {
                if draw.is_multiple_of(2) {
                    Moment::Before
                } else {
                    Moment::After
                }
            };
            let (first, second) = (scramble(seed), scramble(seed + 1_000));
            let deaths = [
                (1 + first % 60, side(first >> 8)),
                (1 + second % 120, side(second >> 8)),
            ];
            play(FaultPlan::Seeded(seed), story, &deaths).await;
        }
    }
}
