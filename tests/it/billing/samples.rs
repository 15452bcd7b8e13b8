//! The unchanged sample events, in the order of their story.

use crate::world::shop::{PACK, PRICE};
use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World, fixture};
use domain::inbox::EventState::{self, Ignored, Processed};
use serde_json::json;

const STORY: [(&str, EventState, &str); 39] = [
    ("customer.created", Ignored, "by signing up"),
    (
        "customer.subscription.created",
        Processed,
        "sub_TallyhookDemo1 is active",
    ),
    ("customer.updated", Ignored, "nothing of a customer is kept"),
    (
        "customer.subscription.trial_will_end",
        Processed,
        "sub_TallyhookDemo2 is trialing",
    ),
    ("payment_method.attached", Processed, "pays the invoices"),
    (
        "payment_intent.succeeded",
        Processed,
        "granted 10000 credits for payment pi_TallyhookDemo1",
    ),
    ("checkout.session.completed", Processed, "done before"),
    ("refund.created", Processed, "took 2500 credits back"),
    ("charge.refunded", Processed, "no credits moved"),
    ("refund.updated", Processed, "done before"),
    ("checkout.session.expired", Ignored, "nobody has paid"),
    (
        "customer.subscription.paused",
        Processed,
        "sub_TallyhookDemo2 is paused",
    ),
    (
        "customer.subscription.resumed",
        Processed,
        "sub_TallyhookDemo2 is active",
    ),
    (
        "checkout.session.async_payment_succeeded",
        Processed,
        "granted 10000 credits for payment pi_TallyhookDemo2",
    ),
    (
        "payment_intent.payment_failed",
        Ignored,
        "nothing was granted",
    ),
    (
        "checkout.session.async_payment_failed",
        Ignored,
        "nothing was granted",
    ),
    ("refund.failed", Processed, ""),
    (
        "charge.dispute.created",
        Processed,
        "took 7500 credits back",
    ),
    (
        "charge.dispute.funds_withdrawn",
        Processed,
        "no credits moved",
    ),
    ("charge.dispute.updated", Processed, "done before"),
    ("invoice.created", Processed, "in_TallyhookDemo1 is draft"),
    ("invoice.finalized", Processed, "in_TallyhookDemo1 is open"),
    (
        "invoice.finalization_failed",
        Processed,
        "in_TallyhookDemo6 is draft",
    ),
    ("invoice.paid", Processed, "in_TallyhookDemo1 is paid"),
    (
        "invoice.payment_succeeded",
        Processed,
        "in_TallyhookDemo1 is paid",
    ),
    (
        "payment_method.detached",
        Ignored,
        "payment methods are not kept",
    ),
    ("charge.dispute.closed", Processed, "gave 7500 credits back"),
    (
        "charge.dispute.funds_reinstated",
        Processed,
        "no credits moved",
    ),
    (
        "subscription_schedule.updated",
        Ignored,
        "there is no such subscription",
    ),
    (
        "subscription_schedule.released",
        Ignored,
        "there is no such subscription",
    ),
    (
        "invoice.payment_failed",
        Processed,
        "in_TallyhookDemo2 is open",
    ),
    (
        "customer.subscription.updated",
        Processed,
        "sub_TallyhookDemo1 is past_due",
    ),
    ("invoice.voided", Processed, "in_TallyhookDemo7 is void"),
    (
        "invoice.payment_action_required",
        Processed,
        "in_TallyhookDemo2 is open",
    ),
    (
        "invoice.marked_uncollectible",
        Processed,
        "in_TallyhookDemo2 is uncollectible",
    ),
    (
        "customer.subscription.deleted",
        Processed,
        "sub_TallyhookDemo1 is canceled",
    ),
    (
        "subscription_schedule.canceled",
        Ignored,
        "there is no such subscription",
    ),
    (
        "subscription_schedule.completed",
        Ignored,
        "there is no such subscription",
    ),
    ("customer.deleted", Processed, "stays"),
];

#[tokio::test(start_paused = true)]
async fn the_samples_are_understood() {
    let world = World::with(FaultPlan::Seeded(103), &WIRED).await;
    let account = world.account().await;
    let price = world.priced(PACK, PRICE, None).await;
    let line = json!({ "id": "li_1", "object": "item", "amount_subtotal": PRICE, "amount_total": PRICE,
        "currency": "usd", "quantity": 1, "price": price });
    let lines = json!({ "object": "list", "data": [line], "has_more": false, "url": "/v1/checkout/sessions" });
    world
        .wire
        .answer("/line_items$", ALWAYS, Reply::json(200, lines));
    let session = fixture("stripe", "checkout.session.completed")["data"]["object"].clone();
    let found = json!({ "object": "list", "data": [session], "has_more": false, "url": "/v1/checkout/sessions" });
    world.wire.answer(
        "GET stripe.wire/v1/checkout/sessions$",
        ALWAYS,
        Reply::json(200, found),
    );
    world.stripe_sent(&[]);
    for (sample, state, words) in STORY {
        let (is, says) = world.acts_on(&fixture("stripe", sample)).await;
        assert!(
            is == state && says.contains(words),
            "{sample} is {is:?}: {says}"
        );
    }
    assert_eq!(
        world.purse(&account).await,
        (17_500, 0),
        "two packs, a quarter of one refunded"
    );
    world.settle().await;
    world.done().await;
}
