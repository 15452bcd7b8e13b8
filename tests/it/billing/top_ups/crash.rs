//! A top-up with a death at its calls: each crossing is charged once and granted once.

use super::{ASKS, DECLINED, VISA, topped_up};
use crate::world::FaultPlan;
use crate::world::program::Program;
use ::queues::Queue;
use local_stack::world::CUSTOMER;
use stand_in_shared::faults::{Called, Moment, deaths};
use stand_in_stripe::Authentication;
use std::time::Duration;

struct Story {
    card: &'static str,
    /// What happens at Stripe after the first run.
    then: fn(&Program),
}

const STORIES: [Story; 3] = [
    Story {
        card: VISA,
        then: |_| {},
    },
    Story {
        card: ASKS,
        then: |program| {
            let world = &program.world;
            let stripe = &world.vendors.stripe;
            stripe
                .authenticate_payment(&world.payment(), Authentication::Confirmed)
                .expect("it waits for that");
        },
    },
    Story {
        card: DECLINED,
        then: |program| {
            let world = &program.world;
            let stripe = &world.vendors.stripe;
            stripe.add_card(CUSTOMER, VISA).expect("a customer");
            world.skip(Duration::from_secs(3_601));
        },
    },
];

/// The runs of a story that may die: the first charge, and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    First,
    Second,
}

/// Plays a story with a death at this call of a run. Returns the calls of each run.
async fn play(story: &Story, death: Option<(Run, u64, Moment)>) -> [(Run, Vec<Called>); 2] {
    let program = topped_up(story.card, 5_000, FaultPlan::None).await;
    program.spends(200).await;
    let first = program.runs(Run::First, death).await;
    (story.then)(&program);
    let second = program.runs(Run::Second, death).await;
    let world = &program.world;
    let what = format!("{} after {death:?}", story.card);
    assert_eq!(world.top_ups(), ["succeeded"], "{what}");
    let charges = world.vendors.stripe.charges();
    let paid = charges.iter().filter(|charge| charge["paid"] == true);
    assert_eq!(paid.count(), 1, "{what}");
    assert_eq!(world.purse(&program.account).await, (10_400, 0), "{what}");
    assert_eq!(world.grants(&program.account).await, 1, "{what}");
    let shown = program.get(super::TOP_UP).await;
    assert_eq!(shown["state"], "idle", "{what}");
    assert_eq!(shown["spent_minor"], 1_000, "{what}");
    program.world.done().await;
    [(Run::First, first), (Run::Second, second)]
}

impl Program {
    /// Has what is due and what Stripe has sent handled, with a death in it if it is for this run.
    /// Returns its calls.
    async fn runs(&self, run: Run, death: Option<(Run, u64, Moment)>) -> Vec<Called> {
        let world = &self.world;
        world.stripe_hands_over().await;
        world.sweep().await;
        let before = world.stack.faults.calls();
        if let Some((_, call, moment)) = death.filter(|(of, ..)| *of == run) {
            world.stack.faults.crash_at(before + call, moment);
        }
        world.turn(Queue::StripeEvents).await;
        world.settle().await;
        world.stack.faults.since(before)
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_top_up() {
    for story in &STORIES {
        let runs = play(story, None).await;
        let calls: usize = runs.iter().map(|(_, calls)| calls.len()).sum();
        assert!(calls >= 40, "{}: {runs:?}", story.card);
        for (run, calls) in runs {
            for (call, moment) in deaths(&calls) {
                play(story, Some((run, call, moment))).await;
            }
        }
    }
}
