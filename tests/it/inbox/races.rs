//! Races between webhooks and the API, in which each fact still counts once.

use crate::world::program::program;
use crate::world::shop::whole;
use crate::world::verbs::together;
use crate::world::{World, fixture};
use ::queues::Queue;
use http::StatusCode;
use local_stack::world::CUSTOMER;
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::Duration;

const SUBSCRIPTION: &str = "/api/v1/billing/subscription";

/// The number of operations in progress, and its maximum.
#[derive(Default)]
struct UnderWay(Cell<(u32, u32)>);

impl UnderWay {
    async fn with<T>(&self, racer: impl Future<Output = T>) -> T {
        let (now, most) = self.0.get();
        self.0.set((now + 1, most.max(now + 1)));
        let outcome = racer.await;
        let (now, most) = self.0.get();
        self.0.set((now - 1, most));
        outcome
    }

    /// Operations that run one after the other prove nothing.
    fn assert_raced(&self, racers: u32) {
        assert!(
            self.0.get().1 >= racers,
            "{} of {racers} at once",
            self.0.get().1
        );
    }
}

/// Stripe delivers an event until it is accepted, and its queue is polled at the same time.
async fn comes_in(world: &World, event: &Value) {
    while !world.stripe_delivers(event).await.is_success() {}
    world.turn(Queue::StripeEvents).await;
}

/// A payment and its partial refund arrive, both twice and at once, while holds reserve the
/// account's credits.
async fn a_payment_and_holds() {
    let program = program("credits", &[]).await;
    let (world, account) = (&program.world, &program.account);
    world.adjusts(account, "35", "a gift").await;
    let payment = world.buys_a_pack().await;
    let paid = world.vendors.stripe.outbox_take();
    world
        .vendors
        .stripe
        .refund(&payment, Some(400))
        .expect("a refund");
    let refunded = world.vendors.stripe.outbox_take();
    let sent: Vec<_> = refunded
        .iter()
        .chain(&paid)
        .chain(&paid)
        .chain(&refunded)
        .collect();
    let hold = json!({ "credits": "10" });
    let hold = &hold;
    let under_way = UnderWay::default();
    let takes = |_| under_way.with(program.ask("POST", "/api/v1/credits/holds", Some(hold)));
    let (_, one, other) = tokio::join!(
        together(
            sent.into_iter()
                .map(|event| under_way.with(comes_in(world, event)))
        ),
        together((0..6).map(takes)),
        together((0..6).map(takes)),
    );
    under_way.assert_raced(12);
    world.settle().await;
    let statuses: Vec<_> = one
        .iter()
        .chain(&other)
        .map(|(status, _)| *status)
        .collect();
    let won = statuses
        .iter()
        .filter(|status| **status == StatusCode::CREATED)
        .count();
    assert!((3..=12).contains(&won), "{statuses:?}");
    let kinds = world.kinds(account).await;
    let count = |kind: &str| kinds.iter().filter(|known| **known == kind).count();
    assert_eq!((count("hold"), count("adjustment")), (won, 1), "{kinds:?}");
    let balance = world.balance(account).await;
    let won = u64::try_from(won).expect("few");
    assert_eq!(balance.held, whole(10 * won));
    assert_eq!(
        (balance.available, balance.debt),
        (whole(10_035 - 4_000 - 10 * won), whole(0)),
        "{kinds:?}"
    );
    world.assert_ledger_agrees().await;
    program.world.abandoned();
}

/// A plan is changed while the invoice of its next period is paid and reported, in both orders.
async fn a_change_and_an_invoice() {
    let program = program("credits", &[]).await;
    let world = &program.world;
    let stripe = &world.vendors.stripe;
    world.pushes_the_catalogue().await;
    stripe.add_card(CUSTOMER, "pm_card_visa").expect("a card");
    let (status, made) = program
        .ask("POST", SUBSCRIPTION, Some(&json!({ "plan": "starter" })))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    world.settle().await;
    world.skip(Duration::from_secs(31 * 86_400));
    stripe.fail_next_payment(CUSTOMER).expect("a customer");
    stripe
        .roll_period(made["id"].as_str().expect("an id"))
        .expect("a period");
    let open = stripe
        .invoices()
        .into_iter()
        .find(|invoice| invoice["status"] == "open")
        .expect("an invoice");
    stripe
        .pay_invoice(open["id"].as_str().expect("an id"))
        .expect("it is paid");
    let sent = stripe.outbox_take();
    let wanted = json!({ "plan": "professional" });
    let under_way = UnderWay::default();
    let comes = |event| under_way.with(comes_in(world, event));
    let (_, changed, shown, _) = tokio::join!(
        together(sent.iter().rev().map(comes)),
        under_way.with(world.customer(&program.key, "PATCH", SUBSCRIPTION, "up", Some(&wanted))),
        under_way.with(program.ask("GET", SUBSCRIPTION, None)),
        together(sent.iter().map(comes)),
    );
    under_way.assert_raced(4);
    assert_eq!(
        (changed.0, shown.0),
        (StatusCode::OK, StatusCode::OK),
        "{changed:?} {shown:?}"
    );
    world.settle().await;
    let stands = program.get(SUBSCRIPTION).await;
    assert_eq!(
        (
            &stands["id"],
            &stands["status"],
            &stands["plan"],
            &stands["grace_until"]
        ),
        (
            &made["id"],
            &json!("active"),
            &json!("professional"),
            &Value::Null
        )
    );
    assert_eq!(stripe.subscriptions().len(), 1);
    let ours = program.get("/api/v1/billing/invoices").await;
    let ours = ours["invoices"].as_array().expect("a list");
    let theirs = stripe.invoices();
    assert_eq!(
        theirs.len(),
        3,
        "the first period, the second and the change: {theirs:?}"
    );
    assert_eq!(ours.len(), theirs.len(), "each once");
    assert!(
        ours.iter().all(|invoice| invoice["status"] == "paid"),
        "{ours:?}"
    );
    program.world.done().await;
}

/// Several concurrent deliveries about one issue, each twice, while the queue is polled.
async fn deliveries_about_one_issue() {
    let world = World::start().await;
    let of = |n: u32| format!("72d3162e-cc78-11e3-81ab-{n:012}");
    let body = serde_json::to_vec(&fixture("github", "issues.opened")).expect("JSON");
    let under_way = UnderWay::default();
    let (world_ref, body) = (&world, &body);
    let comes = |n: u32| async move {
        // Each id is delivered twice.
        let taken = world_ref
            .github_delivers("issues", &of(900 + n / 2), body)
            .await
            .status();
        world_ref.turn(Queue::GithubEvents).await;
        taken
    };
    let sent = together((0..8).map(|n| under_way.with(comes(n)))).await;
    under_way.assert_raced(8);
    assert!(
        sent.iter().all(|status| *status == StatusCode::ACCEPTED),
        "{sent:?}"
    );
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn prevents_race_conditions() {
    a_payment_and_holds().await;
    a_change_and_an_invoice().await;
    deliveries_about_one_issue().await;
}
