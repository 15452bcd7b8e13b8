//! Wherever a process dies, a job produces one branch, one commit, one pull request, one comment
//! and one charge, whether Stripe bills it or credits pay for it.
//!
//! Every outside call of the main journey has a number. The journey runs once for each number and
//! for each side of the call: the calling process dies there, and redelivery and the sweeper finish
//! its work.

use super::calls;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use domain::jobs::{JobState, cost_to_customer};
use domain::ledger::Balance;
use domain::units::Credits;
use http::StatusCode;
use serde_json::json;
use stand_in_shared::faults::{Called, Moment, deaths, scramble};

/// Sends the event as GitHub would, and redelivers it by hand if the receiver died.
async fn deliver(world: &World) -> String {
    let body =
        serde_json::to_vec(&crate::world::fixture("github", "issues.labeled")).expect("JSON");
    let delivery = world.fresh_delivery();
    for _ in 0..5 {
        if world
            .github_delivers("issues", &delivery, &body)
            .await
            .status()
            == StatusCode::ACCEPTED
        {
            return delivery;
        }
    }
    panic!("the receiver never accepts it");
}

/// How the account of a journey pays.
#[derive(Clone, Copy)]
enum Pays {
    ByMeter,
    FromCredits,
}

const GIVEN: &str = "1000";

async fn world(fault_plan: FaultPlan, pays: Pays) -> (World, AccountId) {
    match pays {
        Pays::ByMeter => World::on_plan(fault_plan, "payg", &[]).await,
        Pays::FromCredits => {
            let (world, account) = World::on_plan(fault_plan, "credits", &[]).await;
            world.adjusts(&account, GIVEN, "a gift").await;
            (world, account)
        }
    }
}

/// The journey with deaths at these calls, counted from its beginning. Returns its calls.
async fn journey(fault_plan: FaultPlan, pays: Pays, deaths: &[(u64, Moment)]) -> Vec<Called> {
    let (world, account) = world(fault_plan, pays).await;
    let before = world.stack.faults.calls();
    for (call, moment) in deaths {
        world.stack.faults.crash_at(before + call, *moment);
    }
    let delivery = deliver(&world).await;
    world.settle().await;
    let open = world.vendors.github.pulls("acme", "greeter").remove(0);
    let job = world.job_of_branch(&open.head).await;
    assert_eq!(
        job.state,
        JobState::PrOpened,
        "after {deaths:?} of {delivery}"
    );
    assert_eq!(job.pull.as_ref().map(|pull| pull.number), Some(open.number));
    match pays {
        Pays::ByMeter => world.assert_delivered_once(),
        Pays::FromCredits => {
            world.assert_pulled_once();
            let left = Credits::parse(GIVEN)
                .expect("an amount")
                .less(cost_to_customer(&job));
            let expected = Balance {
                available: left,
                ..Balance::default()
            };
            assert_eq!(world.balance(&account).await, expected, "after {deaths:?}");
            assert_eq!(
                world.kinds(&account).await,
                ["adjustment", "hold", "capture"],
                "after {deaths:?}"
            );
            assert_eq!(world.vendors.stripe.meter_events().len(), 0);
        }
    }
    world.assert_ledger_agrees().await;
    let calls = world.stack.faults.since(before);
    world.done().await;
    calls
}

/// A model that searches, reads, makes a mistake, corrects it and submits: five turns.
fn five_turns(world: &World) {
    let (path, text) = ("src/lib.py", "def mean(prices):\n    return sum(prices)\n");
    world
        .vendors
        .github
        .push_file("acme", "greeter", "main", path, text);
    let edit = |old: &str| {
        let new = "    return sum(prices) / len(prices)";
        ("edit", json!({ "path": path, "old": old, "new": new }))
    };
    let submit = (
        "submit",
        json!({ "title": "Divide", "body": "A mean divides." }),
    );
    let turns = [
        vec![("search", json!({ "text": "def mean" }))],
        vec![("read", json!({ "path": path }))],
        vec![edit("    return prices"), submit.clone()],
        vec![edit("    return sum(prices)")],
        vec![submit],
    ];
    let answers = turns.iter().map(|turn| calls(turn)).collect();
    world.vendors.model.script_turns("code", answers);
}

/// Wherever a process dies in a conversation, its turns are kept, and at most one answer is lost.
#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_conversation() {
    let journey = async |deaths: &[(u64, Moment)]| {
        let (world, account) = world(FaultPlan::None, Pays::FromCredits).await;
        five_turns(&world);
        let before = world.stack.faults.calls();
        for (call, moment) in deaths {
            world.stack.faults.crash_at(before + call, *moment);
        }
        deliver(&world).await;
        world.settle().await;
        let open = world.vendors.github.pulls("acme", "greeter").remove(0);
        let job = world.job_of_branch(&open.head).await;
        assert_eq!(
            (job.state, job.turns),
            (JobState::PrOpened, 5),
            "after {deaths:?}"
        );
        let asked = world.asked("code");
        assert!((5..=6).contains(&asked), "{asked} answers after {deaths:?}");
        let lost = world.vendors.model.calls().len() > 7;
        assert!(
            !lost || !job.lost.is_zero(),
            "a lost answer counts, after {deaths:?}"
        );
        let left = Credits::parse(GIVEN).expect("an amount");
        let left = left.less(cost_to_customer(&job));
        assert_eq!(
            world.balance(&account).await.available,
            left,
            "after {deaths:?}"
        );
        world.assert_ledger_agrees().await;
        let calls = world.stack.faults.since(before);
        world.done().await;
        calls
    };
    let calls = journey(&[]).await;
    // The calls from the plan's answer to the review's question; the other batteries have the rest.
    let model = |call: &Called| call.name.ends_with("/v1/messages");
    let first = calls.iter().position(model).expect("a plan");
    let last = calls.iter().rposition(model).expect("a review");
    let (first, last) = (
        u64::try_from(first).expect("few"),
        u64::try_from(last).expect("few"),
    );
    let inside = |death: &(u64, Moment)| (first + 1..=last).contains(&death.0);
    let found: Vec<_> = deaths(&calls).into_iter().filter(inside).collect();
    assert!(found.len() >= 20, "{found:?}");
    for death in found {
        println!("dying at {death:?}");
        journey(&[death]).await;
    }
}

/// Guards the coverage: a journey with fewer calls would stop at fewer places.
const STOP_POINTS_MIN: usize = 62;

async fn die_everywhere(pays: Pays) {
    let calls = journey(FaultPlan::None, pays, &[]).await;
    let found = calls.len();
    assert!(found >= STOP_POINTS_MIN, "{found} calls: {calls:?}");
    for death in deaths(&calls) {
        println!("dying at {death:?}");
        journey(FaultPlan::None, pays, &[death]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call() {
    die_everywhere(Pays::ByMeter).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_prepaid_job() {
    die_everywhere(Pays::FromCredits).await;
}

/// Two deaths anywhere, with faults, drawn from seeds.
#[tokio::test(start_paused = true)]
async fn two_processes_may_die_with_faults() {
    const WORLDS: u64 = 60;
    for seed in 1..=WORLDS {
        let fault_plan = FaultPlan::Seeded(seed);
        let (first, second) = (scramble(seed), scramble(seed + WORLDS));
        let side = |draw: u64| {
            if draw.is_multiple_of(2) {
                Moment::Before
            } else {
                Moment::After
            }
        };
        let deaths = [
            (2 + first % 100, side(first >> 8)),
            (2 + second % 160, side(second >> 8)),
        ];
        println!("world {seed}, deaths {deaths:?}");
        let pays = if seed % 2 == 0 {
            Pays::ByMeter
        } else {
            Pays::FromCredits
        };
        journey(fault_plan, pays, &deaths).await;
    }
    println!("{WORLDS} worlds with two deaths, all passed");
}
