//! Stripe's invoice events, in any order, and the notices to the payer.

use crate::world::verbs::permutations;
use crate::world::{FaultPlan, World, fixture};
use domain::ids::AccountId;
use domain::inbox::EventState;
use serde_json::{Value, json};

/// A Stripe event: its sample, its creation time in seconds, and the status that it reports.
type Said = (&'static str, i64, &'static str);

const FAILED: &str = "invoice.payment_failed";

fn event(name: &str, nth: usize, (sample, created, status): Said) -> Value {
    let mut event = fixture("stripe", sample);
    event["id"] = format!("evt_{name}n{nth}").into();
    event["created"] = created.into();
    event["data"]["object"]["id"] = format!("in_{name}").into();
    event["data"]["object"]["status"] = status.into();
    event
}

async fn status(world: &World, account: &AccountId, name: &str) -> String {
    let invoices = world
        .stack
        .store
        .invoice_list(account)
        .await
        .expect("the store answers");
    let id = format!("in_{name}");
    invoices
        .into_iter()
        .find(|invoice| invoice.id.as_str() == id)
        .expect("the invoice is kept")
        .status
}

async fn notices(world: &World, account: &AccountId) -> Vec<(String, String)> {
    let notices = world
        .stack
        .store
        .notice_list(account)
        .await
        .expect("the store answers");
    notices
        .into_iter()
        .map(|notice| (notice.fact, notice.words))
        .collect()
}

/// An invoice's events in every order, even if all have the same timestamp.
#[tokio::test(start_paused = true)]
async fn an_invoices_events_end_the_same_in_every_order() {
    let lives: [(&[&str], &str, &str); 4] = [
        (
            &[
                "invoice.created",
                "invoice.finalized",
                "invoice.paid",
                "invoice.payment_succeeded",
            ],
            "draft open paid paid",
            "paid",
        ),
        (&[FAILED, FAILED, "invoice.paid"], "open open paid", "paid"),
        (
            &["invoice.finalized", FAILED, "invoice.voided"],
            "open open void",
            "void",
        ),
        (
            &["invoice.finalized", FAILED, "invoice.marked_uncollectible"],
            "open open uncollectible",
            "uncollectible",
        ),
    ];
    let world = World::with(FaultPlan::Seeded(111), &[]).await;
    let account = world.account().await;
    for (nth, (samples, statuses, expected)) in lives.into_iter().enumerate() {
        for step in [0, 1_000] {
            for order in permutations(samples.len()) {
                let name = format!(
                    "{nth}x{step}x{}",
                    order.iter().map(usize::to_string).collect::<String>()
                );
                for place in &order {
                    let created = 1_000 + step * i64::try_from(*place).expect("few");
                    let status = statuses.split(' ').nth(*place).expect("a status");
                    let (state, says) = world
                        .acts_on(&event(&name, *place, (samples[*place], created, status)))
                        .await;
                    assert!(
                        matches!(state, EventState::Processed | EventState::Ignored),
                        "{state:?}: {says}"
                    );
                }
                assert_eq!(
                    status(&world, &account, &name).await,
                    expected,
                    "{order:?} of {samples:?}"
                );
            }
        }
    }
    world.settle().await;
    world.done().await;
}

/// No newer event makes a paid invoice unpaid.
#[tokio::test(start_paused = true)]
async fn a_paid_invoice_stays_paid() {
    let world = World::with(FaultPlan::None, &[]).await;
    let account = world.account().await;
    world
        .acts_on(&event("1", 0, ("invoice.paid", 1_000, "paid")))
        .await;
    world.acts_on(&event("1", 1, (FAILED, 2_000, "open"))).await;
    assert_eq!(status(&world, &account, "1").await, "paid");
    assert_eq!(
        notices(&world, &account).await,
        [],
        "a payment that succeeded in the end needs no mail"
    );
    world.settle().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_payer_gets_one_mail_about_a_failed_payment_and_its_consequences() {
    let world = World::with(FaultPlan::Seeded(112), &[]).await;
    let account = world.account().await;
    // Subscribes the customer to a plan with a grace period of one week.
    let mut subscribed = fixture("stripe", "customer.subscription.created");
    let item = &mut subscribed["data"]["object"]["items"]["data"][0];
    item["price"]["product"] = "tallyhook_plan_starter".into();
    world.acts_on(&subscribed).await;
    for nth in 0..2 {
        world
            .acts_on(&event(
                "1",
                nth,
                (
                    FAILED,
                    1_800_438_007 + i64::try_from(nth).expect("few"),
                    "open",
                ),
            ))
            .await;
    }
    world
        .acts_on(&event(
            "2",
            0,
            ("invoice.payment_action_required", 1_800_438_010, "open"),
        ))
        .await;
    let mut once = event("3", 0, (FAILED, 1_000, "open"));
    once["data"]["object"]["parent"] = Value::Null;
    world.acts_on(&once).await;
    let mut sent = notices(&world, &account).await;
    sent.sort();
    let facts: Vec<_> = sent.iter().map(|(fact, _)| fact.as_str()).collect();
    assert_eq!(
        facts,
        [
            "action_required#in_2",
            "payment_failed#in_1",
            "payment_failed#in_3"
        ]
    );
    assert_eq!(
        sent[0].1,
        "The payment of 5.00 USD for invoice TALLY-0002 has to be confirmed on the invoice's page."
    );
    assert_eq!(
        sent[1].1,
        "The payment of 5.00 USD for invoice TALLY-0002 has failed. Stripe may try again. \
         Starter stays active until 2027-01-27; after that it is suspended until the invoice is paid."
    );
    assert!(
        sent[2].1.ends_with("Stripe may try again."),
        "{}",
        sent[2].1
    );
    world.settle().await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn an_invoice_of_an_unknown_customer_is_ignored() {
    let world = World::with(FaultPlan::None, &[]).await;
    let mut unknown = event("1", 0, ("invoice.paid", 1_000, "paid"));
    unknown["data"]["object"]["customer"] = Value::Null;
    assert_eq!(world.acts_on(&unknown).await.0, EventState::Ignored);
    let mut odd = event("2", 0, ("invoice.paid", 1_000, "paid"));
    odd["data"]["object"]["amount_due"] = json!("5.00");
    assert_eq!(world.acts_on(&odd).await.0, EventState::Failed);
    world.abandoned();
}
