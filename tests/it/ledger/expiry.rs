//! Credits expire: the unspent rest of a pack expires once, in the night after its last day.

use super::{hold_id, micros};
use crate::world::money::Sold;
use crate::world::shop::whole;
use crate::world::verbs::together;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use domain::ledger::{EntryDetails, Posting};
use domain::time::Timestamp;
use domain::units::Credits;
use local_stack::world::CUSTOMER;
use stand_in_shared::faults::Moment;
use std::time::Duration;
use store::Post;

const DAY: Duration = Duration::from_secs(86_400);
const PACK: &str = "credits = 10_000\nprice = \"10.00\"\n";

/// The pack of 10,000 credits can be spent for thirty days.
fn sold(name: &str) -> Sold {
    sold_for(name, 30)
}

fn sold_for(name: &str, days: u32) -> Sold {
    Sold::with(name, &[(PACK, &format!("{PACK}expires_days = {days}\n"))])
}

async fn world(fault_plan: FaultPlan, sold: &Sold) -> (World, AccountId) {
    World::on_plan(fault_plan, "credits", &[("CATALOGUE", sold.path())]).await
}

/// Posts one second after everything before it, so that entries have an order.
async fn posts(world: &World, posting: impl FnOnce(Timestamp) -> Posting) {
    world.skip(Duration::from_secs(1));
    let posting = posting(world.stack.outside.now());

    assert_eq!(
        world
            .stack
            .store
            .ledger_post(&[posting])
            .await
            .expect("an answer"),
        Post::Posted
    );
}

async fn holds(world: &World, account: &AccountId, n: u64, credits: u64) {
    let amounts = (whole(credits), Credits::ZERO);
    posts(world, |now| {
        Posting::hold(account, hold_id(n), amounts, EntryDetails::default(), now)
    })
    .await;
}

async fn settles(world: &World, account: &AccountId, n: u64, held: u64, used: u64) {
    let amounts = (whole(held), whole(used));
    posts(world, |now| {
        Posting::settle(account, hold_id(n), amounts, EntryDetails::default(), now)
    })
    .await;
    world.skip(Duration::from_secs(1));
}

async fn spends(world: &World, account: &AccountId, n: u64, credits: u64) {
    holds(world, account, n, credits).await;
    settles(world, account, n, credits, credits).await;
}

/// The number of payments that expire in a night, and the number that must wait.
async fn night(world: &World) -> (u64, u64) {
    let books = world.seal().await;
    assert_eq!(books.faults, 0);
    (books.expired, books.waiting)
}

#[tokio::test(start_paused = true)]
async fn the_unspent_rest_of_a_pack_expires_once() {
    let sold = sold("rest");
    for seed in 301..304 {
        let (world, account) = world(FaultPlan::Seeded(seed), &sold).await;
        world.buys_a_pack().await;
        world.settle().await;
        spends(&world, &account, 1, 4_000).await;
        world.skip(30 * DAY);
        assert_eq!(night(&world).await, (0, 0), "its last day is not over");
        assert_eq!(world.purse(&account).await, (6_000, 0));
        world.skip(DAY);
        assert_eq!(night(&world).await, (1, 0));
        assert_eq!(world.purse(&account).await, (0, 0));
        assert_eq!(night(&world).await, (0, 0), "again");
        assert_eq!(
            world.kinds(&account).await,
            ["grant", "hold", "capture", "expiry"]
        );
        world.assert_ledger_agrees().await;
        world.settle().await;
        world.done().await;
    }
}

/// One purchase is one payment, so all of it lives as long as the pack that lives shortest.
#[tokio::test(start_paused = true)]
async fn packs_of_one_purchase_live_as_long_as_the_shortest() {
    let small = "credits = 1_000\nprice = \"1.00\"\n";
    let sold = Sold::with(
        "mixed",
        &[
            (small, &format!("{small}expires_days = 365\n")),
            (PACK, &format!("{PACK}expires_days = 30\n")),
        ],
    );
    for first in [0, 1] {
        let (world, account) = world(FaultPlan::Seeded(305), &sold).await;
        let prices = [
            world.price("tallyhook_pack_1k", 100).await,
            world.price("tallyhook_pack_10k", 1_000).await,
        ];
        let more = [
            ("line_items[1][price]", prices[1 - first].as_str()),
            ("line_items[1][quantity]", "1"),
        ];
        world.pays(&world.cart(CUSTOMER, &prices[first], 1, &more).await);
        world.settle().await;
        assert_eq!(world.purse(&account).await, (11_000, 0));
        world.skip(31 * DAY);
        night(&world).await;
        assert_eq!(world.purse(&account).await, (0, 0));
        world.assert_ledger_agrees().await;
        world.settle().await;
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nights_at_once_let_it_go_once() {
    let sold = sold("at-once");
    for seed in 311..316 {
        let (world, account) = world(FaultPlan::Seeded(seed), &sold).await;
        for n in 0..3 {
            world.buys_a_pack().await;
            world.settle().await;
            spends(&world, &account, n, 3_000).await;
        }
        world.skip(31 * DAY);
        let fine = world.adjusts(&account, "-500", "a fine");
        let nights = together([night(&world), night(&world), night(&world)]);
        tokio::join!(nights, fine);
        // The next night expires what was skipped because of contention.
        night(&world).await;
        let expired = world
            .kinds(&account)
            .await
            .into_iter()
            .filter(|kind| *kind == "expiry")
            .count();
        assert!(
            (2..=3).contains(&expired),
            "seed {seed}: the first pack was spent but for a part: {expired}"
        );
        let (free, debt) = world.purse(&account).await;
        assert!(
            free == 0 && (debt == 0 || debt == 500),
            "seed {seed}: {free} {debt}, as the fine came before or after"
        );
        world.assert_ledger_agrees().await;
        world.settle().await;
        world.done().await;
    }
}

/// The amount that a hold will spend is unknown until it ends.
#[tokio::test(start_paused = true)]
async fn an_open_hold_is_waited_for() {
    let sold = sold("held");
    let (world, account) = world(FaultPlan::Seeded(321), &sold).await;
    world.buys_a_pack().await;
    world.settle().await;
    holds(&world, &account, 1, 2_500).await;
    world.skip(31 * DAY);
    assert_eq!(night(&world).await, (0, 1));
    world.skip(DAY);
    assert_eq!(night(&world).await, (0, 1));
    assert_eq!(world.balance(&account).await.available, whole(7_500));
    settles(&world, &account, 1, 2_500, 1_000).await;
    assert_eq!(night(&world).await, (1, 0));
    assert_eq!(world.purse(&account).await, (0, 0));
    let entries = world
        .stack
        .store
        .entry_all(&account)
        .await
        .expect("the store answers");
    assert_eq!(entries.last().map(|entry| entry.amount), Some(whole(9_000)));
    world.assert_ledger_agrees().await;
    world.settle().await;
    world.done().await;
}

/// Credits that expire are spent before credits that do not. A pack that is spent completely ends
/// without an entry.
#[tokio::test(start_paused = true)]
async fn what_ends_is_spent_before_what_does_not() {
    let sold = sold("order");
    for (spent, left) in [(4_000, 1_000), (10_000, 1_000), (10_400, 600)] {
        let (world, account) = world(FaultPlan::Seeded(331), &sold).await;
        world.adjusts(&account, "1000", "a gift").await;
        world.buys_a_pack().await;
        world.settle().await;
        spends(&world, &account, 1, spent).await;
        world.skip(31 * DAY);
        assert_eq!(night(&world).await, (u64::from(spent < 10_000), 0));
        assert_eq!(world.purse(&account).await, (left, 0), "{spent} spent");
        assert_eq!(night(&world).await, (0, 0));
        world.assert_ledger_agrees().await;
        world.settle().await;
        world.done().await;
    }
}

/// A late refund first covers the expired credits, so the account owes only the spent ones.
#[tokio::test(start_paused = true)]
async fn a_refund_after_its_time_takes_what_was_spent_and_no_more() {
    let sold = sold("refund");
    for (spent, parts, owed) in [
        (4_000, &[1_000][..], 4_000),
        (4_000, &[600], 0),
        (4_000, &[600, 100], 1_000),
        (0, &[1_000], 0),
        (10_000, &[1_000], 10_000),
    ] {
        let (world, account) = world(FaultPlan::Seeded(341), &sold).await;
        let payment = world.buys_a_pack().await;
        world.settle().await;
        if spent > 0 {
            spends(&world, &account, 1, spent).await;
        }
        world.skip(31 * DAY);
        night(&world).await;
        assert_eq!(world.purse(&account).await, (0, 0));
        for minor in parts {
            world
                .vendors
                .stripe
                .refund(&payment, Some(*minor))
                .expect("so much is left");
            world.settle().await;
        }
        assert_eq!(
            world.purse(&account).await,
            (0, owed),
            "{spent} spent, {parts:?} refunded"
        );
        world.assert_ledger_agrees().await;
        world.settle().await;
        world.done().await;
    }
}

/// Refunded credits cannot expire.
#[tokio::test(start_paused = true)]
async fn a_refund_before_its_time_leaves_less_to_expire() {
    let sold = sold("refund-before");
    let (world, account) = world(FaultPlan::Seeded(351), &sold).await;
    let payment = world.buys_a_pack().await;
    world.settle().await;
    spends(&world, &account, 1, 1_000).await;
    world
        .vendors
        .stripe
        .refund(&payment, Some(500))
        .expect("so much is left");
    world.settle().await;
    assert_eq!(world.purse(&account).await, (4_000, 0));
    world.skip(31 * DAY);
    assert_eq!(night(&world).await, (1, 0));
    assert_eq!(
        world.kinds(&account).await,
        ["grant", "hold", "capture", "take_back", "expiry"]
    );
    world
        .vendors
        .stripe
        .refund(&payment, Some(500))
        .expect("so much is left");
    world.settle().await;
    assert_eq!(
        world.purse(&account).await,
        (0, 1_000),
        "all money is back, and a thousand was spent"
    );
    world.assert_ledger_agrees().await;
    world.settle().await;
    world.done().await;
}

/// Packs without an expiry date never expire.
#[tokio::test(start_paused = true)]
async fn without_an_end_nothing_goes() {
    let (world, account) = World::on_plan(FaultPlan::Seeded(361), "credits", &[]).await;
    world.buys_a_pack().await;
    world.settle().await;
    world.skip(400 * DAY);
    assert_eq!(night(&world).await, (0, 0));
    assert_eq!(
        world.balance(&account).await.available,
        micros(10_000 * domain::units::MICROS)
    );
    world.abandoned();
}

/// The minimum number of calls at the end of a night that concern the pack: the list of expiring
/// payments, the payment, its balance and entries, the writes, and the end of the list.
const CALLS: u64 = 6;

/// A night that expires a pack and dies this many calls before its end. Returns the number of calls
/// of a whole night.
async fn dying_night(sold: &Sold, death: Option<(u64, Moment)>) -> u64 {
    let (world, account) = world(FaultPlan::None, sold).await;
    night(&world).await;
    world.buys_a_pack().await;
    world.settle().await;
    spends(&world, &account, 1, 4_000).await;
    world.skip(2 * DAY);
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = death {
        world.stack.faults.crash_at(before + call, moment);
    }
    let run = world.stack.faults.run(world.stack.seal()).await;
    assert_eq!(run.is_none(), death.is_some(), "{death:?}");
    let calls = world.stack.faults.calls() - before;
    night(&world).await;
    assert_eq!(world.purse(&account).await, (0, 0), "{death:?}");
    assert_eq!(
        world.kinds(&account).await,
        ["grant", "hold", "capture", "expiry"],
        "{death:?}"
    );
    world.assert_ledger_agrees().await;
    world.settle().await;
    world.done().await;
    calls
}

/// Wherever a night dies while it expires a pack, the next night expires the rest, and nothing
/// twice.
#[tokio::test(start_paused = true)]
async fn a_night_may_die_anywhere() {
    let sold = sold_for("deaths", 1);
    let calls = dying_night(&sold, None).await;
    for moment in [Moment::Before, Moment::After] {
        for call in calls - CALLS..=calls {
            dying_night(&sold, Some((call, moment))).await;
        }
    }
}
