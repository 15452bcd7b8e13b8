//! Credits that are taken back with the money: refunds and disputes, reported in any order, even
//! before their purchase.

use crate::world::shop::whole;
use crate::world::verbs::permutations;
use crate::world::{FaultPlan, World};
use domain::ids::{AccountId, ActionId};
use domain::inbox::EventState;
use domain::ledger::{EntryDetails, HoldId, Posting};
use domain::units::Credits;
use stand_in_stripe::DisputeStatus::{
    self, Lost, NeedsResponse, UnderReview, WarningClosed, WarningNeedsResponse, Won,
};
use store::Post;

/// The events of a payment after it was made.
type Story = fn(&World, &str);

const BOUGHT: &str = "checkout.session.completed";
const REFUND: [&str; 3] = ["refund.created", "charge.refunded", "refund.failed"];
const DISPUTE: [&str; 5] = [
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.closed",
    "charge.dispute.funds_reinstated",
];

fn refunded(world: &World, payment: &str, minor: i64) -> String {
    let refund = world
        .vendors
        .stripe
        .refund(payment, Some(minor))
        .expect("so much is left");
    refund["id"].as_str().expect("an id").to_owned()
}

fn disputed(world: &World, payment: &str, minor: i64, way: &[DisputeStatus]) {
    let stripe = &world.vendors.stripe;
    let (first, rest) = way.split_first().expect("it begins somehow");
    let dispute = stripe
        .open_dispute(payment, Some(minor), *first)
        .expect("a payment");
    for status in rest {
        stripe
            .move_dispute(dispute["id"].as_str().expect("an id"), *status)
            .expect("a way on");
    }
}

/// Sends every `stride`-th order of the events of a purchase, each for a separate payment. Of ten
/// thousand credits, `left` must remain each time, and the balance never leaves the range from zero
/// to the purchased credits.
async fn leaves(seed: u64, story: Story, stride: usize, left: u64) {
    let world = World::with(FaultPlan::Seeded(seed), &[]).await;
    let account = world.account().await;
    let types: Vec<_> = [BOUGHT].into_iter().chain(REFUND).chain(DISPUTE).collect();
    let mut length = 1;
    let mut nth = 0;
    while let Some(order) = permutations(length).get(nth).cloned() {
        let (before, _) = world.purse(&account).await;
        let payment = world.buys_a_pack().await;
        story(&world, &payment);
        let sent = world.stripe_sent(&types);
        if sent.len() != length {
            // The number of events is known only now; this payment's events were sent in their
            // original order.
            (length, nth) = (sent.len(), 0);
            for event in &sent {
                world.acts_on(event).await;
            }
            continue;
        }
        for place in &order {
            let (state, says) = world.acts_on(&sent[*place]).await;
            assert_eq!(state, EventState::Processed, "{says}");
            let (now, debt) = world.purse(&account).await;
            assert!(
                debt == 0 && now >= before && now <= before + 10_000,
                "{now} credits, {debt} owed after {says}"
            );
        }
        assert_eq!(world.purse(&account).await, (before + left, 0), "{order:?}");
        nth += stride;
    }
    world.settle().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_refund_takes_its_share_in_every_order() {
    leaves(
        131,
        |world, payment| _ = refunded(world, payment, 250),
        1,
        7_500,
    )
    .await;
    leaves(
        132,
        |world, payment| _ = refunded(world, payment, 1_000),
        1,
        0,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn partial_refunds_add_up_in_every_order() {
    let twice: Story = |world, payment| {
        refunded(world, payment, 250);
        refunded(world, payment, 350);
    };
    leaves(133, twice, 7, 4_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_refund_that_failed_gives_back_in_every_order() {
    let failed: Story = |world, payment| {
        let refund = refunded(world, payment, 400);
        world.vendors.stripe.fail_refund(&refund).expect("a refund");
    };
    leaves(134, failed, 1, 10_000).await;
    let again: Story = |world, payment| {
        let refund = refunded(world, payment, 400);
        world.vendors.stripe.fail_refund(&refund).expect("a refund");
        refunded(world, payment, 300);
    };
    leaves(135, again, 37, 7_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_dispute_takes_until_it_is_won_in_every_order() {
    leaves(
        136,
        |world, payment| disputed(world, payment, 1_000, &[NeedsResponse, Won]),
        7,
        10_000,
    )
    .await;
    leaves(
        137,
        |world, payment| disputed(world, payment, 1_000, &[NeedsResponse, Lost]),
        1,
        0,
    )
    .await;
    leaves(
        138,
        |world, payment| disputed(world, payment, 600, &[NeedsResponse, UnderReview, Lost]),
        7,
        4_000,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_inquiry_takes_nothing_unless_it_becomes_a_dispute() {
    leaves(
        139,
        |world, payment| {
            disputed(
                world,
                payment,
                1_000,
                &[WarningNeedsResponse, WarningClosed],
            )
        },
        1,
        10_000,
    )
    .await;
    let escalates: Story = |world, payment| {
        disputed(
            world,
            payment,
            1_000,
            &[WarningNeedsResponse, NeedsResponse, Lost],
        )
    };
    leaves(140, escalates, 7, 0).await;
}

/// A refund and a dispute together take back their sum, and never more than was purchased.
#[tokio::test(start_paused = true)]
async fn a_dispute_of_what_was_refunded_takes_no_more_than_was_bought() {
    let rest: Story = |world, payment| {
        refunded(world, payment, 250);
        disputed(world, payment, 750, &[NeedsResponse, Lost]);
    };
    leaves(141, rest, 41, 0).await;
    let all: Story = |world, payment| {
        refunded(world, payment, 250);
        disputed(world, payment, 1_000, &[NeedsResponse, Won]);
    };
    leaves(142, all, 331, 7_500).await;
}

fn action(n: u8) -> ActionId {
    ActionId::mint(domain::time::Timestamp::from_millis(1), [n; 10])
}

fn hold(world: &World, account: &AccountId, n: u8, amount: Credits) -> Posting {
    let now = world.stack.outside.now();
    Posting::hold(
        account,
        HoldId::Own(action(n)),
        (amount, Credits::ZERO),
        EntryDetails::default(),
        now,
    )
}

async fn spends(world: &World, account: &AccountId, n: u8, amount: Credits) {
    let now = world.stack.outside.now();
    let store = &world.stack.store;
    assert_eq!(
        store
            .ledger_post(&[hold(world, account, n, amount)])
            .await
            .expect("an answer"),
        Post::Posted
    );
    let end = Posting::settle(
        account,
        HoldId::Own(action(n)),
        (amount, amount),
        EntryDetails::default(),
        now,
    );
    assert_eq!(
        store.ledger_post(&[end]).await.expect("an answer"),
        Post::Posted
    );
}

/// Taking back spent credits creates a debt: nothing can be spent while it exists, and the next
/// purchase pays it first.
#[tokio::test(start_paused = true)]
async fn a_refund_of_what_was_spent_is_owed() {
    let world = World::with(FaultPlan::Seeded(143), &[]).await;
    let account = world.account().await;
    let payment = world.buys_a_pack().await;
    world.settle().await;
    spends(&world, &account, 1, whole(9_000)).await;
    refunded(&world, &payment, 1_000);
    world.settle().await;
    assert_eq!(world.purse(&account).await, (0, 9_000));
    let refused = world
        .stack
        .store
        .ledger_post(&[hold(&world, &account, 2, whole(1))])
        .await
        .expect("an answer");
    assert!(matches!(refused, Post::Insufficient(_)), "{refused:?}");
    world.buys_a_pack().await;
    world.settle().await;
    assert_eq!(world.purse(&account).await, (1_000, 0));
    world.done().await;
}

/// The same if a refund is known before its purchase.
#[tokio::test(start_paused = true)]
async fn a_move_is_logged() {
    let world = World::with(FaultPlan::None, &[]).await;
    let payment = world.buys_a_pack().await;
    refunded(&world, &payment, 250);
    let sent = world.stripe_sent(&[BOUGHT, "refund.created", "charge.refunded"]);
    let says = |words: &str| format!("{words} for payment {payment}");
    assert_eq!(
        world.acts_on(&sent[1]).await.1,
        format!("noted for payment {payment}; no credits moved")
    );
    assert_eq!(
        world.acts_on(&sent[0]).await.1,
        says("granted 10000 credits, took 2500 credits back")
    );
    assert_eq!(
        world.acts_on(&sent[2]).await.1,
        format!("noted for payment {payment}; no credits moved")
    );
    world.settle().await;
    world.done().await;
}
