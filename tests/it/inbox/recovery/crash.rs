//! Recovery dies before and after each of its outside calls, and brings everything back once.

use super::{HOUR, MINUTE, is_whole, watched};
use crate::world::FaultPlan;
use domain::inbox::EventSource;
use stand_in_shared::faults::{Called, Moment, deaths};

/// A missed delivery of GitHub that is delivered again (after a minute) or fetched (after 61 hours),
/// and a payment whose events never arrived. Returns the calls of the runs.
async fn journey(fetches: bool, deaths: &[(u64, Moment)]) -> Vec<Called> {
    let world = watched(FaultPlan::None, &[]).await;
    world.vendors.github.set_receiver_status(Some(502));
    world.github_sends("issues.labeled").await;
    world.vendors.github.set_receiver_status(None);
    world.buys_a_pack().await;
    world.stripe_loses();
    world.skip(if fetches { HOUR * 61 } else { MINUTE * 20 });
    let before = world.stack.faults.calls();
    for (call, moment) in deaths {
        world.stack.faults.crash_at(before + call, *moment);
    }
    for _ in 0..4 {
        let _ = world.stack.faults.run(world.stack.recover()).await;
        world.github_redelivers().await;
        world.skip(MINUTE * 5);
    }
    let calls = world.stack.faults.since(before);
    // A try that died with its process waits for the next one.
    world.recovery_runs(HOUR, MINUTE * 5).await;
    assert_eq!(
        world.misses(EventSource::Stripe).await,
        [],
        "after {deaths:?}"
    );
    is_whole(&world).await;
    let account = world.account().await;
    assert_eq!(world.purse(&account).await, (10_000, 0), "after {deaths:?}");
    world.done().await;
    calls
}

async fn dies_everywhere(fetches: bool) {
    let calls = journey(fetches, &[]).await;
    let places = deaths(&calls);
    assert!(places.len() >= 20, "{calls:?}");
    for death in places {
        println!("dying at {death:?}");
        journey(fetches, &[death]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_may_die_while_github_delivers_again() {
    dies_everywhere(false).await;
}

#[tokio::test(start_paused = true)]
async fn it_may_die_while_it_fetches() {
    dies_everywhere(true).await;
}
