//! A disputed payment switches automatic top-up off, so that no spending charges the same card.

use super::{DECLINED, HOUR, VISA, topped_up, wanted};
use crate::world::FaultPlan;
use crate::world::program::Program;
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use stand_in_shared::faults::deaths;
use stand_in_stripe::DisputeStatus::{NeedsResponse, UnderReview, WarningNeedsResponse};

const OFF: &str = "Automatic top-up is off";

impl Program {
    /// A crossing is paid, and its payment is disputed an hour later. Returns the dispute's id.
    async fn is_disputed(&self) -> String {
        self.spends(200).await;
        self.world.settle().await;
        assert_eq!(self.world.top_ups(), ["succeeded"]);
        self.world.skip(HOUR);
        let stripe = &self.world.vendors.stripe;
        let dispute = stripe
            .open_dispute(&self.world.payment(), None, NeedsResponse)
            .expect("a payment");
        dispute["id"].as_str().expect("an id").to_owned()
    }

    async fn assert_off(&self) {
        assert_eq!(
            self.top_up_state().await,
            (json!(false), json!("idle"), json!("disputed"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_disputed_card_is_not_charged_again() {
    for seed in 391..394 {
        let program = topped_up(VISA, 5_000, FaultPlan::Seeded(seed)).await;
        let world = &program.world;
        let dispute = program.is_disputed().await;
        world.settle().await;
        assert_eq!(world.purse(&program.account).await, (400, 0));
        program.assert_off().await;
        let letters = world.vendors.mail.letters();
        let letter = letters.iter().find(|letter| letter.subject == OFF);
        let text = &letter.expect("a mail").text;
        for part in ["disputed with the bank", "PUT /api/v1/billing/auto-top-up"] {
            assert!(text.contains(part), "{text}");
        }
        program.spends(300).await;
        program.waits(48).await;
        assert_eq!(world.top_ups(), ["succeeded"], "nothing is charged");
        // The customer settles it with their bank, and switches it on again.
        let (status, shown) = program.sets(&wanted(5_000)).await;
        assert_eq!(
            (status, &shown["off_because"]),
            (StatusCode::OK, &Value::Null),
            "{shown}"
        );
        world.settle().await;
        let stripe = &world.vendors.stripe;
        stripe
            .move_dispute(&dispute, UnderReview)
            .expect("it is open");
        world.settle().await;
        assert_eq!(world.top_ups(), ["succeeded"; 2]);
        assert_eq!(program.top_up_state().await.0, json!(true));
        assert_eq!(world.mails(OFF), 1);
        world.assert_ledger_agrees().await;
        program.world.done().await;
    }
}

/// Whatever the payment bought, and also while the bank only inquires. A payment in progress is
/// cancelled.
#[tokio::test(start_paused = true)]
async fn any_payment_of_the_account_counts() {
    let program = topped_up(VISA, 5_000, FaultPlan::Seeded(395)).await;
    let world = &program.world;
    let payment = world.buys_a_pack().await;
    world.skip(HOUR);
    let stripe = &world.vendors.stripe;
    stripe
        .open_dispute(&payment, Some(1), WarningNeedsResponse)
        .expect("a payment");
    // The dispute is handled while nothing is known about the payment.
    let (about_it, others): (Vec<_>, Vec<_>) = stripe
        .outbox_take()
        .into_iter()
        .partition(|event| event["type"] == "charge.dispute.created");
    for event in &about_it {
        world.acts_on(event).await;
    }
    program.assert_off().await;
    for event in &others {
        world.acts_on(event).await;
    }
    world.settle().await;
    program.assert_off().await;
    assert_eq!(world.mails(OFF), 1);

    let (status, _) = program.sets(&wanted(5_000)).await;
    assert_eq!(status, StatusCode::OK);
    stripe.add_card(CUSTOMER, DECLINED).expect("a customer");
    program.spends(10_200).await;
    world.settle().await;
    assert_eq!(world.top_ups(), ["requires_payment_method"], "declined");
    world.skip(HOUR / 2);
    stripe
        .open_dispute(&payment, Some(2), NeedsResponse)
        .expect("another one");
    world.settle().await;
    program.assert_off().await;
    assert_eq!(world.top_ups(), ["canceled"]);
    assert_eq!(world.mails(OFF), 2);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_customer_ends_it() {
    let program = topped_up(DECLINED, 5_000, FaultPlan::Seeded(397)).await;
    let world = &program.world;
    program.spends(200).await;
    world.settle().await;
    let stripe = &world.vendors.stripe;
    stripe.delete_customer(CUSTOMER).expect("a customer");
    world.settle().await;
    assert_eq!(
        program.top_up_state().await,
        (json!(false), json!("idle"), json!("customer_deleted"))
    );
    assert_eq!(world.top_ups(), ["canceled"]);
    assert_eq!(world.mails(OFF), 1);
    program.world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_dispute() {
    let play = async |death: Option<(u64, _)>| {
        let program = topped_up(VISA, 5_000, FaultPlan::None).await;
        program.is_disputed().await;
        let world = &program.world;
        world.stripe_hands_over().await;
        let before = world.stack.faults.calls();
        if let Some((call, moment)) = death {
            world.stack.faults.crash_at(before + call, moment);
        }
        world.turn(::queues::Queue::StripeEvents).await;
        let calls = world.stack.faults.since(before);
        world.settle().await;
        program.assert_off().await;
        assert_eq!(world.purse(&program.account).await, (400, 0), "{death:?}");
        assert_eq!(world.mails(OFF), 1, "{death:?}");
        program.spends(100).await;
        world.settle().await;
        assert_eq!(world.top_ups(), ["succeeded"], "{death:?}");
        program.world.done().await;
        calls
    };
    let calls = play(None).await;
    assert!(calls.len() >= 10, "{calls:?}");
    for (call, moment) in deaths(&calls) {
        play(Some((call, moment))).await;
    }
}
