//! Two actors at once: one is held before each of its writes while the other does all of its work.
//! Whatever the order, the end is one that acting one after the other could have had.

use crate::accounts::signups::joining::JOIN;
use crate::world::money::Sold;
use crate::world::program::program;
use crate::world::shop::whole;
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::jobs::JobState;
use domain::ledger::{EntryDetails, Posting};
use http::StatusCode;
use local_stack::world::{OWNER, REPOSITORY};
use serde_json::json;
use std::time::Duration;
use store::Post;

/// Runs `first` until call number `held` of it, then all of `second`, then the rest of `first`. Runs
/// them one after the other if no call is held. Also returns the numbers of the first one's writes.
async fn overtaken<A, B>(
    world: &World,
    held: Option<u64>,
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> (A, B, Vec<u64>) {
    let faults = &world.stack.faults;
    let before = faults.calls();
    let Some(call) = held else {
        let first = first.await;
        let calls = (1..).zip(faults.since(before));
        let writes = calls.filter(|(_, call)| !call.reads());
        let writes = writes.map(|(number, _)| number).collect();
        return (first, second.await, writes);
    };
    let held = faults.hold_at(before + call);
    let (first, second) = tokio::join!(first, async {
        held.reached().await;
        let second = second.await;
        held.release();
        second
    });
    (first, second, Vec::new())
}

/// Tells a story without holding anything, and then once for each write of its first actor.
async fn every_way(story: impl AsyncFn(Option<u64>) -> Vec<u64>) {
    let writes = story(None).await;
    assert!(!writes.is_empty(), "the first actor writes");
    for call in writes {
        story(Some(call)).await;
    }
}

/// A pack whose time is over is refunded in the night in which its rest expires. 4,000 of its 10,000
/// credits are spent, and they are owed if all the money goes back.
#[tokio::test(start_paused = true)]
async fn a_refund_and_the_night_of_expiry() {
    const PACK: &str = "credits = 10_000\nprice = \"10.00\"\n";
    let expires = format!("{PACK}expires_days = 30\n");
    let sold = Sold::with("refund-and-night", &[(PACK, &expires)]);
    for (minor, owed, refund_is_first) in [
        (1_000, 4_000, true),
        (1_000, 4_000, false),
        (600, 0, true),
        (600, 0, false),
    ] {
        every_way(async |held| {
            let settings = [("CATALOGUE", sold.path())];
            let (world, account) = World::on_plan(FaultPlan::None, "credits", &settings).await;
            let payment = world.buys_a_pack().await;
            world.settle().await;
            let spent = Posting::debit(
                &account,
                domain::ids::ActionId::of_digest([3; 16]),
                whole(4_000),
                EntryDetails::default(),
                world.stack.outside.now(),
            );
            let spent = world.stack.store.ledger_post(&[spent]).await;
            assert_eq!(spent.expect("the store answers"), Post::Posted);
            world.skip(Duration::from_secs(30 * 86_400));
            world.seal().await;
            world.skip(Duration::from_secs(86_400));
            let refund = world.vendors.stripe.refund(&payment, Some(minor));
            refund.expect("so much is left");
            world.stripe_hands_over().await;
            let refunded = async {
                world.turn(Queue::StripeEvents).await;
            };
            let expired = async {
                world.seal().await;
            };
            let writes = if refund_is_first {
                overtaken(&world, held, refunded, expired).await.2
            } else {
                overtaken(&world, held, expired, refunded).await.2
            };
            world.settle().await;
            world.seal().await;
            let purse = world.purse(&account).await;
            assert_eq!(purse, (0, owed), "{minor} refunded, held at {held:?}");
            world.assert_ledger_agrees().await;
            world.settle().await;
            world.done().await;
            writes
        })
        .await;
    }
}

/// A key that is revoked before somebody has joined with it lets nobody in.
#[tokio::test(start_paused = true)]
async fn a_key_is_shown_and_revoked() {
    every_way(async |held| {
        let world = World::bare(FaultPlan::None, &[]).await;
        let (account, key) = world.mailed().await;
        let shown = world.key_of(&account, "shown").await;
        let (_, keys) = world
            .customer(&key, "GET", "/api/v1/api-keys", "", None)
            .await;
        let keys = keys["keys"].as_array().expect("a list").iter();
        let mut named = keys.filter(|key| key["name"] == "shown");
        let id = named.next().expect("the key")["id"]
            .as_str()
            .expect("an id");
        let browser = world.signed_in("outsider").await;
        let (csrf, body) = (browser.csrf().await, json!({ "key": shown }));
        let members = async || {
            let all = world.stack.store.member_list(&account).await;
            all.expect("the store answers").len()
        };
        let joins = browser.api("POST", JOIN, &csrf, Some(&body));
        let revokes = async {
            let path = format!("/api/v1/api-keys/{id}");
            let revoked = world.customer(&key, "DELETE", &path, "", None).await;
            assert_eq!(revoked.0, StatusCode::NO_CONTENT, "{}", revoked.1);
            members().await
        };
        let (joined, when_revoked, writes) = overtaken(&world, held, joins, revokes).await;
        assert_eq!(
            (joined.0 == StatusCode::OK, members().await),
            (when_revoked == 1, when_revoked),
            "held at {held:?}: {}",
            joined.1
        );
        world.settle().await;
        world.done().await;
        writes
    })
    .await;
}

/// Of two debits for which there are not enough credits, one is charged.
#[tokio::test(start_paused = true)]
async fn two_debits_of_which_one_fits() {
    every_way(async |held| {
        let program = program("credits", &[]).await;
        let (world, account) = (&program.world, &program.account);
        world.adjusts(account, "100", "a gift").await;
        let wanted = json!({ "credits": "60" });
        let debit = || program.ask("POST", "/api/v1/credits/debit", Some(&wanted));
        let (first, second, writes) = overtaken(world, held, debit(), debit()).await;
        let mut answers = [first.0, second.0];
        answers.sort();
        assert_eq!(
            answers,
            [StatusCode::CREATED, StatusCode::PAYMENT_REQUIRED],
            "held at {held:?}"
        );
        assert_eq!(world.purse(account).await, (40, 0));
        world.assert_ledger_agrees().await;
        world.settle().await;
        program.world.done().await;
        writes
    })
    .await;
}

/// An issue is closed while a function works on its job: the job is delivered and charged, or it is
/// cancelled and costs nothing.
#[tokio::test(start_paused = true)]
async fn a_job_moves_and_is_cancelled() {
    const WAY: [Queue; 5] = [
        Queue::GithubEvents,
        Queue::Plan,
        Queue::Code,
        Queue::Review,
        Queue::Pulls,
    ];
    let mut ends = std::collections::BTreeSet::new();
    let ends = std::cell::RefCell::new(&mut ends);
    for passed in 0..WAY.len() {
        every_way(async |held| {
            let world = World::with(FaultPlan::None, &[]).await;
            world.github_sends("issues.opened").await;
            for queue in &WAY[..passed] {
                assert!(world.turn(*queue).await > 0, "{queue} has work");
            }
            let works = world.turn(WAY[passed]);
            let closes = async {
                world.vendors.github.close_issue(OWNER, REPOSITORY, 7);
                world.github_sends("issues.closed").await;
                world.turn(Queue::GithubEvents).await;
            };
            let writes = overtaken(&world, held, works, closes).await.2;
            world.settle().await;
            let state = world.commented_job().await.state;
            if state == JobState::PrOpened {
                world.assert_delivered_once();
            } else {
                let words = "Cancelled";
                world.assert_not_delivered(JobState::Cancelled, words).await;
            }
            ends.borrow_mut().insert(state.as_str());
            world.done().await;
            writes
        })
        .await;
    }
    assert_eq!(ends.borrow().len(), 2, "both ends are reached");
}
