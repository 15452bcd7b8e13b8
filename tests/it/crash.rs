//! Wherever a process dies, a job is worth one branch, one commit, one pull request, one comment and one charge.
//!
//! Every outside call of the main journey has a number. The journey is run once for each number and for each side of the
//! call: the process that makes it dies there, and redelivery and the sweeper have to finish what it left.

use crate::world::{Climate, World};
use domain::jobs::State;
use fakes::weather::{Moment, scramble};
use http::StatusCode;

/// Sends the event as GitHub would, and once more by hand when the receiver died over it.
async fn deliver(world: &World) -> String {
    let body = serde_json::to_vec(&crate::world::fixture("github", "issues.labeled")).expect("JSON");
    let delivery = world.fresh_delivery();
    for _ in 0..5 {
        if world.github_delivers("issues", &delivery, &body).await.status() == StatusCode::ACCEPTED {
            return delivery;
        }
    }
    panic!("the receiver never takes it");
}

/// The outside calls of the journey when nobody dies: the number before its first, and its names.
async fn calls(climate: Climate) -> (u64, Vec<String>) {
    let world = World::with(climate, &[]).await;
    let before = world.stack.weather.calls();
    deliver(&world).await;
    world.settle().await;
    world.assert_delivered_once();
    let log = world.stack.weather.log();
    world.done().await;
    (before, log.into_iter().skip(usize::try_from(before).expect("few calls")).collect())
}

/// The journey with deaths at these calls.
async fn journey(climate: Climate, deaths: &[(u64, Moment)]) {
    let world = World::with(climate, &[]).await;
    for (call, moment) in deaths {
        world.stack.weather.die_at(*call, *moment);
    }
    let delivery = deliver(&world).await;
    world.settle().await;
    world.assert_delivered_once();
    let open = world.vendors.github.pulls("acme", "greeter").remove(0);
    let job = world.job_of_branch(&open.head).await;
    assert_eq!(job.state, State::PrOpened, "after {deaths:?} of {delivery}");
    assert_eq!(job.pull.as_ref().map(|pull| pull.number), Some(open.number));
    world.done().await;
}

async fn die_everywhere(moment: Moment) {
    let (before, log) = calls(Climate::Fair).await;
    assert!(log.len() >= 30, "the journey makes its calls through the weather: {log:?}");
    for (place, name) in log.iter().enumerate() {
        let call = before + 1 + u64::try_from(place).expect("few calls");
        println!("dying {moment:?} call {call}, {name}");
        journey(Climate::Fair, &[(call, moment)]).await;
    }
    println!("{} stop points {moment:?} a call, all passed", log.len());
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_before_any_call() {
    die_everywhere(Moment::Before).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_after_any_call() {
    die_everywhere(Moment::After).await;
}

/// Two deaths, anywhere, in bad weather; drawn from seeds.
#[tokio::test(start_paused = true)]
async fn two_processes_may_die_in_bad_weather() {
    const WORLDS: u64 = 60;
    for seed in 1..=WORLDS {
        let climate = Climate::Bad(seed);
        let (first, second) = (scramble(seed), scramble(seed + WORLDS));
        let side = |draw: u64| if draw.is_multiple_of(2) { Moment::Before } else { Moment::After };
        let deaths = [(2 + first % 100, side(first >> 8)), (2 + second % 160, side(second >> 8))];
        println!("world {seed}, deaths {deaths:?}");
        journey(climate, &deaths).await;
    }
}
